//! A state folder that is not for this process: another serves it, or a newer version made it.

use super::ledger::{LEDGER, Notes, recount_engine};
use super::shim;
use super::support::*;
use keepsake_host::engine::{Config, Engine, OpenError};
use keepsake_host::store::FolderError;
use std::fs;

#[test]
#[ignore = "run by the test below"]
fn child_that_wants_to_serve() {
    let Some(folder) = shim::in_child() else {
        return;
    };
    let refused = Engine::open(Config::new(&folder)).err();
    assert!(
        matches!(refused, Some(OpenError::Folder(FolderError::Locked(_)))),
        "{refused:?}"
    );
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let Home { engine, folder } = home(LEDGER);
    let output = shim::child("processes::child_that_wants_to_serve", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(recount_engine(&engine, &Notes::default()), Ok(0));
}

#[test]
fn a_state_of_a_newer_version_is_refused_and_left_alone() {
    let Home { engine, folder } = home(LEDGER);
    drop(engine);
    let (version, data) = (
        folder.path().join("version"),
        folder.path().join("data/data.mdb"),
    );
    fs::write(&version, "3\n").unwrap();
    let before = fs::read(&data).unwrap();
    let refused = Engine::open(Config::new(folder.path())).err().unwrap();
    assert!(
        matches!(&refused, OpenError::Folder(FolderError::OtherVersion { found, .. }) if found == "3"),
        "{refused}"
    );
    assert_eq!(fs::read(&data).unwrap(), before);
    assert_eq!(fs::read_to_string(&version).unwrap(), "3\n");
}
