use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn owner() -> Owner {
    Owner {
        root_key: "00ff".into(),
        canister_id: "aaaaa-aa".into(),
        capsule_id: "c1".into(),
    }
}

fn entry(stamp: Stamp, state: State) -> Entry {
    Entry {
        stamp,
        read_at: u64::MAX,
        sha256: "ab".repeat(32),
        memory_id: Some("m1".into()),
        state,
        with: Vec::new(),
        mime: "image/jpeg".into(),
        memory_type: "image".into(),
    }
}

async fn open(path: &Path) -> Result<Journal> {
    Journal::open(path, &owner(), || panic!("nobody has it")).await
}

#[tokio::test]
async fn a_file_is_known_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (path, photo) = (dir.path().join("deep/journal"), dir.path().join("a.jpg"));
    fs::write(&photo, "one").unwrap();
    let stamp = Stamp::of(&photo).unwrap();
    let journal = open(&path).await.unwrap();
    assert_eq!(journal.find(&photo, &stamp), None);
    journal.note(&photo, entry(stamp, State::Seen));
    journal.note(&photo, entry(stamp, State::Whole));
    drop(journal);

    let journal = open(&path).await.unwrap();
    let known = journal.find(&photo, &stamp).unwrap();
    assert_eq!(
        (known.state, known.hash()),
        (State::Whole, Some([0xab; 32]))
    );
    // Other content of the same length, with the old time set again.
    let modified = fs::metadata(&photo).unwrap().modified().unwrap();
    fs::write(dir.path().join("b.jpg"), "two").unwrap();
    let other = File::options()
        .write(true)
        .open(dir.path().join("b.jpg"))
        .unwrap();
    other.set_modified(modified).unwrap();
    fs::rename(dir.path().join("b.jpg"), &photo).unwrap();
    assert_eq!(journal.find(&photo, &Stamp::of(&photo).unwrap()), None);
    assert_eq!(journal.find(&dir.path().join("c.jpg"), &stamp), None);
}

#[tokio::test]
async fn what_was_read_right_after_it_was_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let photo = dir.path().join("a.jpg");
    fs::write(&photo, "one").unwrap();
    let stamp = Stamp::of(&photo).unwrap();
    let written = u64::try_from(stamp.changed.max(stamp.modified)).unwrap();
    let path = dir.path().join("journal");
    for (read_at, known) in [
        (written + TOO_FRESH, true),
        (written + TOO_FRESH - 1, false),
    ] {
        let journal = open(&path).await.unwrap();
        journal.note(
            &photo,
            Entry {
                read_at,
                ..entry(stamp, State::Whole)
            },
        );
        drop(journal);
        let journal = open(&path).await.unwrap();
        assert_eq!(journal.find(&photo, &stamp).is_some(), known);
    }
}

#[tokio::test]
async fn torn_and_damaged_lines_cost_only_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let stamp = Stamp::of(dir.path()).unwrap();
    let names = ["a", "b", "c"];
    {
        let journal = open(&path).await.unwrap();
        for name in names {
            journal.note(Path::new(name), entry(stamp, State::Whole));
        }
    }
    let whole = fs::read(&path).unwrap();
    let head = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    let known = async || {
        let journal = open(&path).await.unwrap();
        // What comes after a torn line is a line of its own.
        journal.note(Path::new("new"), entry(stamp, State::Whole));
        drop(journal);
        let journal = open(&path).await.unwrap();
        assert!(journal.find(Path::new("new"), &stamp).is_some());
        names
            .iter()
            .filter(|name| journal.find(Path::new(name), &stamp).is_some())
            .count()
    };
    for len in head..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let expected = whole[head..len].split(|&b| b == b'\n').count() - 1;
        // A line that lacks nothing but its end is whole.
        let ends = whole[len] == b'\n';
        assert_eq!(known().await, expected + usize::from(ends), "{len}");
    }
    let mut damaged = whole.clone();
    damaged[head + 40] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert_eq!(known().await, 2);
    for wrong in [&b"hello\n"[..], &whole[..head / 2], b"\n"] {
        fs::write(&path, wrong).unwrap();
        let error = open(&path).await.unwrap_err().to_string();
        assert!(error.contains("is no journal"), "{error}");
        assert_eq!(
            fs::read(&path).unwrap(),
            wrong,
            "what is no journal is left alone"
        );
    }
    fs::write(&path, b"").unwrap();
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_journal_has_one_owner_and_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let first = open(&path).await.unwrap();
    let others = Owner {
        capsule_id: "c2".into(),
        ..owner()
    };
    assert_ne!(others.file_name(), owner().file_name());
    let waited = AtomicBool::new(false);
    let (_, second) = tokio::join!(
        async {
            while !waited.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            drop(first);
        },
        Journal::open(&path, &others, || waited.store(true, Ordering::Relaxed)),
    );
    let error = second.unwrap_err().to_string();
    assert!(error.contains("another capsule"), "{error}");
}

#[tokio::test]
async fn a_journal_of_stale_lines_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let stamp = Stamp::of(dir.path()).unwrap();
    {
        let journal = open(&path).await.unwrap();
        for _ in 0..2 * MOST_STALE {
            journal.note(Path::new("a"), entry(stamp, State::Seen));
        }
    }
    let journal = open(&path).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(journal.find(Path::new("a"), &stamp).is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    }
}
