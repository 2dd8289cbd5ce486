//! Somebody with photos, and a vault being served.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use keepsake_tests::command::{Ended, Served, run};
use serde_json::Value;
use tempfile::TempDir;

/// An account with a folder of photos, and a vault being served.
pub struct Account {
    pub folder: TempDir,
    pub served: Option<Served>,
}

impl Account {
    pub fn new() -> Self {
        let mut account = Account {
            folder: tempfile::tempdir().unwrap(),
            served: None,
        };
        fs::create_dir(account.path("photos")).unwrap();
        account.serve();
        account
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn photo(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("photos").join(name), bytes).unwrap();
    }

    pub fn serve(&mut self) -> &Served {
        assert!(self.served.is_none());
        self.served.insert(Served::start(&self.state()))
    }

    pub fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }

    /// Runs a command that talks to the vault.
    pub fn run(&self, args: &[&str]) -> Ended {
        let url = self.served().url();
        run(
            self.folder.path(),
            args.iter().copied().chain(["--url", url]),
        )
    }

    /// As [`Account::run`], with `--json`, expecting one document and no complaint.
    pub fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).ok().json()
    }

    pub fn stop(&mut self) -> Ended {
        self.served.take().unwrap().interrupt()
    }
}

/// What became of each file, by its name, and the summary.
pub fn fates(ended: &Ended) -> (BTreeMap<String, Value>, Value) {
    let mut lines = ended.json_lines();
    let summary = lines.pop().expect("the summary is the last line");
    assert_eq!(summary["event"], "summary", "{ended:#?}");
    let name = |event: &Value| {
        assert_eq!(event["event"], "file", "{event}");
        let path = Path::new(event["path"].as_str().unwrap());
        path.file_name().unwrap().to_str().unwrap().to_owned()
    };
    (
        lines
            .into_iter()
            .map(|event| (name(&event), event))
            .collect(),
        summary,
    )
}
