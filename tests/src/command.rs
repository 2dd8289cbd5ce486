//! The `keepsake` command as a user runs it, in an account with nothing in it.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::artefacts;

/// No command of these tests takes as long as this; what does, hangs.
const DEADLINE: Duration = Duration::from_secs(180);

/// How often a process is looked at.
const POLL: Duration = Duration::from_millis(5);

/// What a command that ended left.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts that all is well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// Asserts that it failed as a user should see it: exit code 1 and one sentence on standard error, which it
    /// returns.
    #[track_caller]
    pub fn failed(&self) -> &str {
        assert_eq!(self.code(), Some(1), "{self:#?}");
        let mut lines = self.stderr.lines();
        let sentence = lines.next().unwrap_or_default();
        assert!(sentence.starts_with("keepsake: "), "{self:#?}");
        assert_eq!(lines.next(), None, "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        sentence
    }

    /// Standard output as JSON, one document a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{self:#?}");
        lines.remove(0)
    }
}

/// `keepsake`, with `account` as the home folder and nothing of this account's settings.
pub fn keepsake(account: &Path) -> Command {
    let mut command = Command::new(artefacts::keepsake());
    command
        .env_clear()
        .env("HOME", account)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KEEPSAKE_CODE_CACHE", artefacts::code_cache())
        .current_dir(account)
        .stdin(Stdio::null());
    command
}

/// Runs `keepsake` with `args` to its end.
pub fn run<A: AsRef<OsStr>>(account: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    let mut command = keepsake(account);
    command.args(args);
    Running::start(&mut command).wait()
}

/// Runs `keepsake` with `args` and kills it (SIGKILL) as soon as it has said its first line.
pub fn run_and_kill<A: AsRef<OsStr>>(account: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    let mut command = keepsake(account);
    command.args(args);
    let mut running = Running::start(&mut command);
    running
        .first_line
        .recv_timeout(DEADLINE)
        .expect("it says something or ends");
    running.signal(libc::SIGKILL);
    running.wait()
}

/// Runs `keepsake` with `args` and presses Ctrl-C (SIGINT) once it is running, wherever it is by then.
pub fn run_and_interrupt<A: AsRef<OsStr>>(
    account: &Path,
    args: impl IntoIterator<Item = A>,
) -> Ended {
    let mut command = keepsake(account);
    command.args(args);
    let mut running = Running::start(&mut command);
    running.wait_until_it_catches(libc::SIGINT);
    running.signal(libc::SIGINT);
    running.wait()
}

/// A process whose output is read while it runs.
struct Running {
    child: Child,
    /// What stands on standard output before this process looks at it belongs to the reader.
    first_line: mpsc::Receiver<String>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("keepsake starts");
        let out = child.stdout.take().expect("it is piped");
        let err = child.stderr.take().expect("it is piped");
        let (tell, first_line) = mpsc::channel();
        Running {
            child,
            first_line,
            stdout: Some(thread::spawn(move || read_lines(out, &tell))),
            stderr: Some(thread::spawn(move || read_all(err))),
        }
    }

    /// Waits for the end; a process that does not end is killed, and the test fails.
    fn wait(&mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if begun.elapsed() > DEADLINE {
                let _ = self.child.kill();
                panic!("keepsake did not end");
            }
            thread::sleep(POLL);
        };
        let text = |reader: &mut Option<JoinHandle<String>>| {
            let reader = reader.take().expect("a process is waited for once");
            reader.join().expect("reading does not panic")
        };
        Ended {
            status,
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
        }
    }

    /// Waits until the process has a handler for the signal, or has ended.
    fn wait_until_it_catches(&mut self, signal: libc::c_int) {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE && self.child.try_wait().is_ok_and(|end| end.is_none()) {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
            let caught = status.as_deref().unwrap_or("").lines().find_map(|line| {
                let mask = line.strip_prefix("SigCgt:")?.trim();
                u64::from_str_radix(mask, 16).ok()
            });
            if caught.is_some_and(|caught| caught >> (signal - 1) & 1 == 1) {
                return;
            }
            thread::sleep(POLL);
        }
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("process ids are small");
        // SAFETY: no memory is involved; the child was not waited for, so that the id is still its own.
        let result = unsafe { libc::kill(pid, signal) };
        assert_eq!(result, 0, "the process is there");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(out: ChildStdout, first: &mpsc::Sender<String>) -> String {
    let mut out = BufReader::new(out);
    let mut text = String::new();
    // A process that is killed may end in the middle of a line: that is text as well.
    let _ = out.read_line(&mut text);
    let _ = first.send(text.clone());
    let _ = out.read_to_string(&mut text);
    text
}

fn read_all(mut from: impl Read) -> String {
    let mut text = String::new();
    let _ = from.read_to_string(&mut text);
    text
}

fn serve(state: &Path, wasm: &Path, listen: &str) -> Command {
    // The state folder is named: nothing is read or written in the account.
    let mut command = keepsake(&std::env::temp_dir());
    command
        .args(["serve", "--json", "--listen", listen, "--state"])
        .arg(state)
        .arg("--wasm")
        .arg(wasm);
    command
}

/// `keepsake serve --json` in a process of its own; killed when dropped.
pub struct Served {
    running: Running,
    /// What it said at its start.
    pub announced: Value,
}

impl Served {
    /// Serves the vault in `state` on a free port.
    #[track_caller]
    pub fn start(state: &Path) -> Self {
        Self::try_start(state, &artefacts::vault_wasm(), "127.0.0.1:0")
            .unwrap_or_else(|ended| panic!("{ended:#?}"))
    }

    /// Serves `wasm` in `state` on `listen`, or tells how that ended.
    pub fn try_start(state: &Path, wasm: &Path, listen: &str) -> Result<Self, Ended> {
        Self::try_start_with(state, wasm, listen, &[])
    }

    /// As [`Served::try_start`], with further options.
    pub fn try_start_with(
        state: &Path,
        wasm: &Path,
        listen: &str,
        options: &[&str],
    ) -> Result<Self, Ended> {
        let mut running = Running::start(serve(state, wasm, listen).args(options));
        let line = running
            .first_line
            .recv_timeout(DEADLINE)
            .expect("keepsake serve says something or ends");
        match serde_json::from_str::<Value>(&line) {
            Ok(announced) if announced["url"].is_string() => Ok(Served { running, announced }),
            _ => Err(running.wait()),
        }
    }

    /// Starts as [`Served::start`] does, and is killed (SIGKILL) `after` so long, wherever it is by then.
    pub fn start_and_kill(state: &Path, after: Duration) -> Ended {
        Self::kill_while_starting(state, &artefacts::vault_wasm(), "127.0.0.1:0", after)
    }

    /// As [`Served::start_and_kill`], with `wasm` and on `listen`.
    pub fn kill_while_starting(state: &Path, wasm: &Path, listen: &str, after: Duration) -> Ended {
        let mut running = Running::start(&mut serve(state, wasm, listen));
        thread::sleep(after);
        running.signal(libc::SIGKILL);
        running.wait()
    }

    pub fn url(&self) -> &str {
        self.announced["url"].as_str().expect("it was a string")
    }

    /// SIGKILL: it ends at once, whatever it is doing.
    pub fn kill(mut self) -> Ended {
        self.running.signal(libc::SIGKILL);
        self.running.wait()
    }

    /// What Ctrl-C does.
    pub fn interrupt(mut self) -> Ended {
        self.running.signal(libc::SIGINT);
        self.running.wait()
    }

    /// Asks it to stop, and to stop at once a moment later.
    pub fn terminate_twice(mut self, pause: Duration) -> Ended {
        self.running.signal(libc::SIGTERM);
        thread::sleep(pause);
        self.running.signal(libc::SIGTERM);
        self.running.wait()
    }

    /// What a service manager does.
    pub fn terminate(mut self) -> Ended {
        self.running.signal(libc::SIGTERM);
        self.running.wait()
    }
}
