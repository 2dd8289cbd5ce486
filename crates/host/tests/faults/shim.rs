//! Starts this test again as a child, with `shim.c` between it and the disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Tells a child which state folder it works on.
pub const FOLDER: &str = "KEEPSAKE_TEST_FOLDER";

/// The shim, compiled by this machine's C compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("keepsake-shim-{}.so", std::process::id()));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let built = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source)
            .args(["-ldl", "-lpthread"])
            .status()
            .unwrap();
        assert!(built.success(), "the shim does not compile");
        library
    })
}

/// A child that runs the test `name` on the state folder, through the shim. Its output is dropped unless it fails.
pub fn child(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env("LD_PRELOAD", library())
        .env("KEEPSAKE_SHIM_ROOT", folder.canonicalize().unwrap())
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The state folder, in a child; `None` where nobody has started this process as one.
pub fn in_child() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}
