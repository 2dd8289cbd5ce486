//! Which files an upload takes, and what it would do with them.

use std::fs;

use crate::account::{Account, fates};

#[test]
fn a_dry_run_says_what_a_run_then_does() {
    let account = Account::new();
    for name in ["a.txt", "b.txt", "c.log"] {
        account.photo(name, name.as_bytes());
    }
    fs::create_dir(account.path("photos/cache")).unwrap();
    account.photo("cache/d.txt", b"d");
    let chosen = |rest: &[&str]| {
        let args = [
            "upload",
            "photos",
            "--include",
            "*.TXT",
            "--exclude",
            "cache",
            "--json",
        ];
        fates(&account.run(&[&args, rest].concat()).ok())
    };
    let (files, summary) = chosen(&["--dry-run"]);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a.txt", "b.txt"]);
    assert!(
        files
            .values()
            .all(|event| event["status"] == "would_create")
    );
    assert_eq!(summary["bytes_to_send"], 10, "{summary}");
    // Not even a capsule was made.
    assert!(account.json(&["list"])["capsule_id"].is_null());

    let (_, summary) = chosen(&["--jobs", "1"]);
    assert_eq!(summary["created"], 2, "{summary}");
    let everything = ["upload", "photos", "--dry-run", "--json"];
    let (files, summary) = fates(&account.run(&everything).ok());
    assert_eq!(files["a.txt"]["status"], "already_there");
    assert_eq!(files["d.txt"]["status"], "would_create");
    assert_eq!(
        (&summary["would_create"], &summary["already_there"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        account.json(&["list"])["memories"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let wrong = account.run(&["upload", "photos", "--include", "["]);
    assert!(wrong.failed().contains("is no pattern"), "{wrong:#?}");
}
