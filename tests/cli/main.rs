//! The program as a user meets it: results, files, bad input, interruption.

mod bounds;
mod count;
mod estimate;
#[cfg(feature = "gpu")]
mod gpu;
mod plot;
mod rice;
mod slice;
mod sweep;
#[cfg(unix)]
mod system;
mod trace;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn linregions(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linregions"));
    command.args(args);
    // Graphics libraries complain on stderr about sessions without a desktop.
    command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command
}

fn run(args: &[&str]) -> Output {
    linregions(args).output().expect("the program starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// Runs a command that must succeed without a word on stderr.
fn succeed(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}", stderr(&output));
    stdout(&output).to_owned()
}

/// Runs a command that must fail as wrong usage with one line that contains every part of `message`.
fn refuse(args: &[&str], message: &[&str]) {
    let output = run(args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{args:?}: {text}");
    assert!(message.iter().all(|part| text.contains(part)), "{args:?}: {text}");
    assert!(output.stdout.is_empty(), "{args:?}: {}", stdout(&output));
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).expect("writable");
        self.text(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("readable")
}

/// Rows of a CSV as maps from column to field.
fn rows(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<csv::Result<_>>().expect("CSV")
}

/// Every command that the README shows runs as it is written.
#[test]
fn the_commands_of_the_readme_run() {
    let directory = Directory::new();
    let [npz, safetensors] = trace::known_network(&directory);
    std::fs::rename(npz, directory.path("trained.npz")).expect("movable");
    std::fs::rename(safetensors, directory.path("trained.safetensors")).expect("movable");
    count::four_lines(&directory);
    std::fs::rename(directory.path("lines.npz"), directory.path("plane.npz")).expect("movable");
    directory.file("lines.csv", "path,x0\na,-4\na,4\n");
    let readme = include_str!("../../README.md");
    let plan = readme.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("a plan").0;
    directory.file("plan.toml", plan);
    let commands = readme.lines().filter_map(|line| line.strip_prefix("$ linregions "));
    let mut n_commands = 0;
    for command in commands {
        if cfg!(not(feature = "gpu")) && (command.starts_with("devices") || command.contains("--engine gpu")) {
            continue;
        }
        // No argument has a space in its quotes.
        let args: Vec<&str> = command.split_whitespace().map(|arg| arg.trim_matches('"')).collect();
        let output = linregions(&args).current_dir(directory.0.path()).output().expect("the program starts");
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {}", stderr(&output));
        n_commands += 1;
    }
    assert!(n_commands >= 12, "{n_commands}");
}
