//! Runs the program to its end.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::places::binary;

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Exit status; 128 + N for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The program without arguments and without a configuration from the environment.
pub fn bare_command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OMBUD_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("its input");
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    // A program may end before it has read everything.
    let _ = writer.join();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    Ran { code, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs the program in a folder, without a configuration.
pub fn ombud(folder: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = bare_command();
    command.current_dir(folder).args(arguments);
    run(command, input)
}
