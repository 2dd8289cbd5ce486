//! The command as a user meets it before any file is in a vault: starting, stopping, being told what is wrong. A canister
//! that does nothing stands in for the vault; files in and out are tested with the real one, across crates.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// The smallest module there is.
const EMPTY_WASM: &[u8] = b"\0asm\x01\0\0\0";

/// A second one: an empty custom section makes it another module.
const OTHER_WASM: &[u8] = b"\0asm\x01\0\0\0\0\x02\x01x";

/// A user of their own, with a home folder and nothing in it.
struct User {
    home: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("empty.wasm"), EMPTY_WASM).unwrap();
        std::fs::write(home.path().join("other.wasm"), OTHER_WASM).unwrap();
        User { home }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepsake"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts a host and waits until it says where it is.
    fn serve(&self, state: &str, wasm: &str) -> Serving {
        let (state, wasm) = (self.path(state), self.path(wasm));
        let args = [
            "serve",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--state",
            &state,
            "--wasm",
            &wasm,
        ];
        let mut child = self
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(says) = serde_json::from_str(&line) else {
            let mut error = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut error)
                .unwrap();
            panic!("not served: {error}");
        };
        Serving { child, says }
    }
}

struct Serving {
    child: Child,
    says: Value,
}

impl Serving {
    fn url(&self) -> &str {
        self.says["url"].as_str().unwrap()
    }

    /// As a service manager stops it; whether it ended well.
    fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Failed with one sentence that contains `words`, and nothing on standard output.
#[track_caller]
fn failed_saying(output: &Output, words: &str) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(words), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_vault_is_found_again_as_it_was() {
    let user = User::new();
    let first = user.serve("state", "empty.wasm");
    assert_eq!(first.says["vault"], "installed");
    assert_eq!(first.says["canister_id"], "uxrrr-q7777-77774-qaaaq-cai");
    assert_eq!(first.says["state"], user.path("state"));
    assert!(first.terminate());
    let second = user.serve("state", "empty.wasm");
    assert_eq!(second.says["vault"], "unchanged");
    assert!(second.terminate());
    let third = user.serve("state", "other.wasm");
    assert_eq!(third.says["vault"], "upgraded");
}

#[test]
fn what_hinders_a_start_is_one_sentence() {
    let user = User::new();
    let wasm = user.path("empty.wasm");
    let serving = user.serve("state", "empty.wasm");
    let address = serving.url().strip_prefix("http://").unwrap();

    let other = user.path("other");
    let in_use = user.run(&[
        "serve", "--listen", address, "--state", &other, "--wasm", &wasm,
    ]);
    failed_saying(&in_use, "in use");
    assert!(
        !Path::new(&other).exists(),
        "the state was touched before the port"
    );

    let serve = |state: &str, wasm: &str| {
        user.run(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--state",
            state,
            "--wasm",
            wasm,
        ])
    };
    failed_saying(
        &serve(&user.path("state"), &wasm),
        "in use by another process",
    );
    failed_saying(
        &serve(&other, &user.path("missing.wasm")),
        "missing.wasm cannot be read",
    );
    std::fs::write(user.path("text.wasm"), "no wasm").unwrap();
    failed_saying(
        &serve(&other, &user.path("text.wasm")),
        "cannot be installed",
    );
    failed_saying(&serve(&wasm, &wasm), "state folder");

    assert!(serving.terminate());
    std::fs::write(user.path("state/version"), "4000").unwrap();
    failed_saying(&serve(&user.path("state"), &wasm), "version 4000");
}

#[test]
fn clients_are_told_what_is_missing() {
    let user = User::new();
    // Made beforehand, so that the first message about it is out of the way.
    assert!(user.run(&["identity"]).status.success());
    let nobody = user.run(&["list", "--url", "http://127.0.0.1:1"]);
    failed_saying(&nobody, "start one with `keepsake serve`");
    failed_saying(&user.run(&["list", "--url", "nonsense"]), "is not a URL");
    failed_saying(
        &user.run(&["list", "--url", "https://icp-api.io"]),
        "--canister-id",
    );
    let no_key = user.run(&["list", "--identity", &user.path("no-key.pem")]);
    failed_saying(&no_key, "no-key.pem");

    let serving = user.serve("state", "empty.wasm");
    let no_vault = user.run(&["list", "--url", serving.url()]);
    failed_saying(&no_vault, "capsules_read_basic");

    let json = user.run(&["list", "--json", "--url", "http://127.0.0.1:1"]);
    assert_eq!(json.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(
        document["error"]
            .as_str()
            .unwrap()
            .contains("keepsake serve")
    );
    assert_eq!(user.run(&["get", "m1"]).status.code(), Some(2));
}

#[test]
fn a_key_is_made_once_and_is_private() {
    let user = User::new();
    let show = || -> Value {
        let output = user.run(&["identity", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (first, second) = (show(), show());
    assert_eq!(first["created"], true);
    assert_eq!(second["created"], false);
    assert_eq!(first["principal"], second["principal"]);
    let path = first["path"].as_str().unwrap();
    assert!(Path::new(path).starts_with(user.home.path()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let text = String::from_utf8(user.run(&["identity", "--identity", path]).stdout).unwrap();
    assert!(
        text.contains(first["principal"].as_str().unwrap()),
        "{text}"
    );
}
