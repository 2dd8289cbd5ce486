//! Steps of a longer run: each is named when it starts and timed when it ends, and the first that fails ends the run
//! with the command that repeats it.

use anyhow::{Result, anyhow};
use std::process::Command;
use std::time::Instant;

/// A run of steps.
pub struct Steps {
    start: Instant,
    done: Vec<(String, f64)>,
}

impl Steps {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one step; `repeat` is the command line that does it again.
    pub fn step<T>(
        &mut self,
        name: &str,
        repeat: &str,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = run()
            .map_err(|error| anyhow!("step `{name}` failed: {error:#}\nTo repeat it: {repeat}"))?;
        let seconds = start.elapsed().as_secs_f64();
        println!("== {name}: done in {seconds:.1} s");
        self.done.push((name.to_owned(), seconds));
        Ok(result)
    }

    /// Runs a program as a step; its own command line repeats it.
    pub fn program(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let repeat = line(command);
        self.step(name, &repeat, || crate::workspace::run(command))
    }

    /// Prints what each step took.
    pub fn finish(self) {
        println!(
            "\nAll steps passed in {:.0} s:",
            self.start.elapsed().as_secs_f64()
        );
        for (name, seconds) in &self.done {
            println!("{seconds:8.1} s  {name}");
        }
    }
}

/// A command as one would type it, from the workspace's folder.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut words = Vec::new();
    if let (Some(dir), Ok(root)) = (command.get_current_dir(), crate::workspace::root())
        && let Ok(inside) = dir.strip_prefix(&root)
        && !inside.as_os_str().is_empty()
    {
        words.push(format!("cd {} &&", inside.display()));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!(
                "{}={}",
                name.to_string_lossy(),
                value.to_string_lossy()
            ));
        }
    }
    words.push(program.to_string_lossy().into_owned());
    words.extend(
        command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
