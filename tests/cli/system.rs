//! Signals, full disks, links, closed pipes.

use std::path::Path;
use std::process::{Command, Stdio};

use super::trace::known_network;
use super::{Directory, linregions, read, refuse, rows, run, stderr, stdout, succeed};

/// Waits until a file has this many lines.
fn wait_for_lines(path: &Path, lines: usize) {
    for _ in 0..600 {
        if std::fs::read_to_string(path).is_ok_and(|text| text.lines().count() >= lines) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{} never had {lines} lines", path.display());
}

fn interrupt(child: &std::process::Child) {
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
}

fn long_run(directory: &Directory) -> std::process::Child {
    let (csv, draws) = (directory.text("result.csv"), directory.text("draws.csv"));
    let mut command = linregions(&["estimate", "--networks", "1000000000", "--csv", &csv, "--draws", &draws]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

#[test]
fn ctrl_c_writes_what_is_there() {
    let directory = Directory::new();
    let child = long_run(&directory);
    wait_for_lines(&directory.path("draws.csv.partial"), 1000);
    interrupt(&child);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted: the result covers the first"), "{}", stderr(&output));
    let networks: usize = rows(&read(&directory.path("result.csv")))[0]["networks"].parse().expect("a number");
    assert_eq!(rows(&read(&directory.path("draws.csv"))).len(), networks);
}

#[test]
fn a_killed_run_leaves_earlier_results_and_its_finished_rows() {
    let directory = Directory::new();
    directory.file("result.csv", "earlier");
    directory.file("draws.csv", "earlier");
    let mut child = long_run(&directory);
    wait_for_lines(&directory.path("draws.csv.partial"), 1000);
    child.kill().expect("kill -9");
    child.wait().expect("an end");
    assert_eq!(read(&directory.path("result.csv")), "earlier");
    assert_eq!(read(&directory.path("draws.csv")), "earlier");
    let partial = read(&directory.path("draws.csv.partial"));
    let whole = &partial[..=partial.rfind('\n').expect("lines")];
    assert!(rows(whole).len() >= 999);
    let draws = directory.text("draws.csv");
    refuse(&["estimate", "--draws", &draws], &["draws.csv.partial", "did not end"]);
}

#[test]
fn links_and_permissions_survive() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let real = directory.file("real.csv", "earlier");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o600)).expect("allowed");
    std::os::unix::fs::symlink(&real, directory.path("link.csv")).expect("allowed");
    succeed(&["estimate", "--networks", "30", "--csv", &directory.text("link.csv")]);
    assert!(directory.path("link.csv").is_symlink());
    assert!(read(real.as_ref()).starts_with("architecture,"));
    let mode = std::fs::metadata(&real).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let printed = succeed(&["estimate", "--networks", "30", "--csv", "/dev/stdout"]);
    assert!(printed.starts_with("architecture,") && printed.contains("is below its upper bound"), "{printed}");
}

#[test]
fn an_error_that_cannot_be_printed_is_no_crash() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there");
    let status = linregions(&["estimate", "--arch", "bogus"]).stderr(full).status().expect("the program starts");
    assert_eq!(status.code(), Some(2));
}

#[test]
fn ctrl_c_is_heard_inside_a_network() {
    let flags = ["--method", "sampled", "--grid", "1000000000", "--arch", "1-1", "--networks", "1"];
    let mut command = linregions(&[&["estimate"], &flags[..]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    std::thread::sleep(std::time::Duration::from_millis(500));
    interrupt(&child);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("first 0 networks"), "{}", stderr(&output));
}

/// Before the first network there is nothing better than an earlier file.
#[test]
fn ctrl_c_before_any_result_keeps_earlier_files() {
    let directory = Directory::new();
    let (csv, draws) = (directory.file("result.csv", "earlier"), directory.file("draws.csv", "earlier"));
    let flags = ["--method", "sampled", "--grid", "1000000000", "--arch", "1-1", "--networks", "1"];
    let mut command = linregions(&[&["estimate", "--csv", &csv, "--draws", &draws], &flags[..]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    std::thread::sleep(std::time::Duration::from_millis(500));
    interrupt(&child);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!((read(csv.as_ref()), read(draws.as_ref())), ("earlier".to_owned(), "earlier".to_owned()));
    assert_eq!(std::fs::read_dir(directory.0.path()).expect("readable").count(), 2, "nothing is left behind");
}

/// A run that fails before its first row does not stand in the way of the next.
#[test]
fn a_failed_run_without_rows_can_be_repeated() {
    let directory = Directory::new();
    let draws = directory.text("draws.csv");
    let failing = ["estimate", "--weights", "normal:1e30", "--networks", "20", "--draws", &draws];
    assert_eq!(run(&failing).status.code(), Some(1));
    assert_eq!(run(&failing).status.code(), Some(1));
    assert_eq!(std::fs::read_dir(directory.0.path()).expect("readable").count(), 0, "nothing is left behind");
}

#[test]
fn a_full_disk_is_an_error_of_the_run() {
    for flag in ["--csv", "--draws"] {
        let output = run(&["estimate", "--networks", "200", flag, "/dev/full"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("/dev/full") && stderr(&output).lines().count() == 1, "{}", stderr(&output));
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let directory = Directory::new();
    let [network, _] = known_network(&directory);
    let command = format!(
        "'{}' trace --network '{network}' --path segment --n-paths 3000 --length 9 | head -n 1",
        env!("CARGO_BIN_EXE_linregions")
    );
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell");
    assert_eq!(stdout(&output), "path,boundary,t,position,layer,unit,is_knot\n");
    assert_eq!(stderr(&output), "");
}

/// A limit of the shell counts, not only what the machine has.
#[test]
fn memory_that_the_shell_forbids_is_not_asked_for() {
    let directory = Directory::new();
    let [network, _] = super::trace::known_network(&directory);
    // Many paths, and one that takes as much while it is made.
    for (flags, message) in [
        ("--n-paths 20000000", "--n-paths 20000000, with 1 inputs and 2 points each: needs"),
        ("--path polyline:60000000", "--n-paths 1, with 1 inputs and 60000000 points each: needs"),
    ] {
        let script = format!("ulimit -v 2000000; exec \"$0\" trace --network \"$1\" {flags} --summary");
        let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_linregions"), &network]).output();
        let output = output.expect("a shell runs");
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(message) && stderr(&output).contains("give fewer"), "{}", stderr(&output));
    }
}
