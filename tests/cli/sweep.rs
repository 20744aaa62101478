//! `linregions sweep` and `linregions merge`: what was finished is never lost or counted twice.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Directory, linregions, read, refuse, run, stderr, succeed};

/// Ensembles of all methods that take some hundredths of a second each.
const PLAN: &str = "
seed = 3
networks = 400
arch = [\"2-24x2\", \"2-24x4\", \"3-31\"]
bias = [\"normal:0.1\", \"uniform:0.5\"]
draws = true

[[ensembles]]
arch = [\"3-10x2\", \"3-10x3\"]
method = \"rice\"
target_error = \"4%\"

[[ensembles]]
arch = \"5-16x2\"
weights = \"he-uniform\"
target_error = \"5%\"
max_networks = 5000

[[ensembles]]
arch = \"2-8x2\"
method = \"sampled\"
grid = 50
paths_per_network = 3

[[ensembles]]
arch = \"3-12x3\"
method = \"rice-features\"
";

fn sweep<'a>(plan: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", plan, "--out", out, "--engine", "cpu", "--quiet"], more].concat()
}

fn results(directory: &str) -> [String; 2] {
    ["summary.csv", "draws.csv"].map(|name| read(&Path::new(directory).join(name)))
}

fn start(args: &[&str]) -> Child {
    linregions(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

#[test]
fn shards_merge_into_what_one_run_gives() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", PLAN);
    let [one, parts, merged] = ["one", "parts", "merged"].map(|name| directory.text(name));
    succeed(&sweep(&plan, &one, &["--threads", "1"]));
    let shards: Vec<String> = (1..=5).map(|number| format!("{number}/5")).collect();
    for (shard, threads) in shards.iter().zip(["1", "2", "3", "1", "2"]) {
        succeed(&sweep(&plan, &parts, &["--shard", shard, "--threads", threads]));
    }
    assert!(!Path::new(&parts).join("summary.csv").exists());
    let printed = succeed(&["merge", &parts, "--out", &merged]);
    assert!(printed.trim_end().ends_with("summary.csv"), "{printed}");
    assert_eq!(results(&one), results(&merged));
    let [summary, draws] = results(&one);
    // Eleven ensembles, each with three quantities and its layers.
    assert_eq!(summary.lines().count(), 1 + 11 * 3 + 2 * (2 + 4 + 1) + 2 + 3 + 2 + 2 + 3);
    assert!(summary.lines().skip(1).all(|row| row.split(',').all(|field| field != "NaN")));
    assert!(draws.lines().count() > 6 * 400 + 3 * 400 + 400);
    let status: serde_json::Value = serde_json::from_str(&read(&Path::new(&one).join("status.json"))).expect("JSON");
    assert_eq!((&status["state"], &status["finished"]), (&"finished".into(), &11.into()));

    let journal = |number: u32| Path::new(&parts).join(format!("shard-{number}-of-5.journal")).display().to_string();
    let journals: Vec<String> = (1..=5).map(journal).collect();
    let without_third: Vec<&str> =
        journals.iter().enumerate().filter(|(ix, _)| *ix != 2).map(|(_, j)| j.as_str()).collect();
    refuse(&[&["merge"], &without_third[..], &["--out", &merged]].concat(), &["shard 3/5 is missing"]);
    let all: Vec<&str> = journals.iter().map(String::as_str).collect();
    refuse(&[&["merge", all[1]], &all[..], &["--out", &merged]].concat(), &["shard 2/5 is there twice"]);
    refuse(&["merge", &one, &parts, "--out", &merged], &["shard-1-of-5.journal", "is one of 5 shards, others of 1"]);
    let other = directory.file("other.toml", PLAN.replace("0.5", "0.6"));
    let others = directory.text("others");
    succeed(&sweep(&other, &others, &["--shard", "3/5"]));
    let foreign = Path::new(&others).join("shard-3-of-5.journal").display().to_string();
    let mixed = [&["merge"], &without_third[..], &[&foreign, "--out", &merged]].concat();
    refuse(&mixed, &["is not of the plan of", "bias of ensemble 2 was uniform:0.6, now uniform:0.5"]);
    refuse(&["merge", &directory.text("nowhere"), "--out", &merged], &["nowhere"]);
    assert_eq!(results(&one), results(&merged), "refusals touch nothing");
}

/// Killed at 50 moments, it ends with the bytes of a run that was not.
#[test]
fn kills_at_any_moment_change_nothing() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", PLAN);
    let [whole, killed] = ["whole", "killed"].map(|name| directory.text(name));
    let begin = Instant::now();
    succeed(&sweep(&plan, &whole, &["--threads", "1"]));
    let time = begin.elapsed();
    let args = sweep(&plan, &killed, &["--threads", "1"]);
    // The golden ratio's multiples cover the first third of a run evenly.
    for kill in 0..50u32 {
        let part = (f64::from(kill) * 0.618_034).fract() / 3.0;
        let mut child = start(&args);
        std::thread::sleep(time.mul_f64(part).max(Duration::from_millis(1)));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
    succeed(&args);
    assert_eq!(results(&whole), results(&killed));
    succeed(&args);
    assert_eq!(results(&whole), results(&killed), "a finished sweep stays as it is");
}

/// One ensemble of some seconds, stopped in between by Ctrl-C and by kills: checkpoints inside an ensemble.
#[cfg(unix)]
#[test]
fn a_long_ensemble_goes_on_where_it_was() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", "arch = \"2-48x4\"\nnetworks = 200000\nseed = 1\n");
    let [whole, stopped] = ["whole", "stopped"].map(|name| directory.text(name));
    succeed(&sweep(&plan, &whole, &["--threads", "1"]));
    let args = sweep(&plan, &stopped, &["--threads", "1"]);
    let journal = Path::new(&stopped).join("sweep.journal");
    let mut lines = 1;
    for by_signal in [true, false, true] {
        let mut child = start(&args);
        let deadline = Instant::now() + Duration::from_secs(60);
        // At least one more checkpoint.
        while std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) <= lines {
            assert!(Instant::now() < deadline && child.try_wait().expect("a state").is_none(), "no checkpoint");
            std::thread::sleep(Duration::from_millis(5));
        }
        if by_signal {
            let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            assert!(kill.expect("kill runs").success());
            assert_eq!(child.wait().expect("it ends").code(), Some(130));
        } else {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
        lines = read(&journal).lines().count();
    }
    succeed(&args);
    let summary = |directory: &str| read(&Path::new(directory).join("summary.csv"));
    assert_eq!(summary(&whole), summary(&stopped));
}

#[test]
fn damaged_journals_are_refused_and_torn_lines_dropped() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", PLAN);
    let out = directory.text("out");
    let args = sweep(&plan, &out, &[]);
    succeed(&args);
    let before = results(&out);
    let journal = Path::new(&out).join("sweep.journal");
    let text = read(&journal);
    let half: String = text.split_inclusive('\n').take(5).collect();
    // A crash in the middle of a line: everything after it is done again.
    std::fs::write(&journal, format!("{half}0123456789abcdef {{\"ensemble\": 4, \"fir")).expect("writable");
    succeed(&args);
    assert_eq!(before, results(&out));
    let damaged = half.replacen("\"ensemble\":1", "\"ensemble\":2", 1);
    assert_ne!(damaged, half);
    std::fs::write(&journal, &damaged).expect("writable");
    refuse(&args, &["sweep.journal:3: the line is damaged"]);
    refuse(&["merge", &out, "--out", &directory.text("merged")], &["sweep.journal:3: the line is damaged"]);
    assert_eq!(read(&journal), damaged, "and left as it is");
    std::fs::write(&journal, &half).expect("writable");
    let draws = Path::new(&out).join("draws.csv");
    std::fs::write(&draws, "plan_digest\n").expect("writable");
    refuse(&args, &["draws.csv: has 12 bytes"]);
    // As long as what was written, with one digit changed.
    let changed = before[1].replacen(",2,", ",3,", 1);
    std::fs::write(&draws, &changed).expect("writable");
    refuse(&args, &["draws.csv: is not what was written there"]);
    refuse(&["merge", &out, "--out", &directory.text("merged")], &["is not finished"]);
    assert_eq!(read(&draws), changed, "and left as it is");
    std::fs::remove_file(&draws).expect("removable");
    refuse(&args, &["draws.csv: ", "restore it"]);
    assert!(!draws.exists());
    std::fs::write(&draws, &before[1]).expect("writable");
    succeed(&args);
    assert_eq!(before, results(&out));
    std::fs::write(&draws, &changed).expect("writable");
    refuse(&["merge", &out, "--out", &directory.text("merged")], &["draws.csv: is not what was written there"]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", "networks = 400\narch = \"2-8\"\ndraws = true\n");
    let [one, other, parts] = ["one", "other", "parts"].map(|name| directory.text(name));
    succeed(&sweep(&plan, &one, &[]));
    refuse(&sweep(&plan, &one, &["--precision", "f64"]), &["its precision is f32, not f64"]);
    succeed(&sweep(&plan, &other, &["--precision", "f64"]));
    let before = results(&other);
    refuse(&["merge", &one, "--out", &other], &["other/sweep.journal: is of another sweep: give another --out"]);
    assert_eq!(before, results(&other));
    succeed(&["merge", &other, "--out", &other]);
    assert_eq!(before, results(&other), "what it gave before");
    succeed(&sweep(&plan, &parts, &["--shard", "1/2"]));
    succeed(&sweep(&plan, &parts, &["--shard", "2/2", "--precision", "f64"]));
    refuse(&["merge", &parts, "--out", &one], &["one/sweep.journal"]);
    refuse(&["merge", &parts, "--out", &directory.text("merged")], &["its precision is f64, not f32"]);
}

#[test]
fn targets_that_are_missed_are_told() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", "arch = \"2-8\"\ntarget_error = \"1%\"\nmax_networks = 31\n");
    let output = run(&["sweep", &plan, "--out", &directory.text("out"), "--engine", "cpu"]);
    let text = stderr(&output);
    assert!(output.status.success() && text.contains("ensemble 1 does not reach its target error of 0.01"), "{text}");
}

#[test]
fn a_directory_belongs_to_one_sweep_and_one_process() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", "networks = 100000000\n");
    let out = directory.text("out");
    let args = sweep(&plan, &out, &[]);
    let mut child = start(&args);
    let journal = Path::new(&out).join("sweep.journal");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !journal.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    refuse(&args, &["sweep.journal: another process is at work on it"]);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    for (text, message) in [
        ("networks = 100000000\nseed = 2\n", "seed of ensemble 1 was not set, now 2"),
        ("networks = 100\n", "networks of ensemble 1 was 100000000, now 100"),
        ("networks = 100000000\ndraws = true\n", "draws was false"),
    ] {
        let other = directory.file("other.toml", text);
        refuse(&sweep(&other, &out, &[]), &["sweep.journal: is of another sweep", message]);
    }
    let nowhere = directory.file("file", "");
    refuse(&sweep(&plan, &format!("{nowhere}/below"), &[]), &["cannot write there"]);
}

/// A disk that is full after 16 KiB of a file: an error of the run, and the same command goes on when there is room.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", PLAN);
    let [whole, full] = ["whole", "full"].map(|name| directory.text(name));
    succeed(&sweep(&plan, &whole, &[]));
    let program = env!("CARGO_BIN_EXE_linregions");
    let script = "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\"";
    let mut limited = std::process::Command::new("sh");
    let output = limited.args(["-c", script, program]).args(sweep(&plan, &full, &[])).output().expect("a shell runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("draws.csv: "), "{}", stderr(&output));
    succeed(&sweep(&plan, &full, &[]));
    assert_eq!(results(&whole), results(&full));
}

/// A disk of 64 KiB in a namespace of its own: full, then larger, then read-only.
#[cfg(target_os = "linux")]
#[test]
fn full_and_read_only_disks_are_survived() {
    let in_namespace = |args: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount"]).args(args).output()
    };
    if !in_namespace(&["true"]).is_ok_and(|output| output.status.success()) {
        eprintln!("this system allows no namespaces: no disk to fill, a limit on files stands in for it");
        return;
    }
    let directory = Directory::new();
    let plan = directory.file("plan.toml", PLAN);
    let [whole, disk, saved] = ["whole", "disk", "saved"].map(|name| directory.text(name));
    succeed(&sweep(&plan, &whole, &[]));
    for name in [&disk, &saved] {
        std::fs::create_dir(name).expect("a directory");
    }
    let script = r#"
        disk=$1 saved=$2; shift 2
        mount -t tmpfs -o size=64k tmpfs "$disk" || exit 10
        "$0" "$@"; [ $? = 1 ] || exit 11
        mount -o remount,size=64m "$disk" || exit 12
        "$0" "$@" > "$saved/printed" || exit 13
        cp "$disk"/out/*.csv "$saved" || exit 14
        rm -r "$disk/out" && mount -o remount,ro "$disk" || exit 15
        "$0" "$@"; [ $? = 2 ] || exit 16
    "#;
    let out = format!("{disk}/out");
    let program = env!("CARGO_BIN_EXE_linregions");
    let command = [&["sh", "-c", script, program, &disk, &saved][..], &sweep(&plan, &out, &[])].concat();
    let output = in_namespace(&command).expect("it starts");
    let errors = stderr(&output);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let [full, read_only] = errors.lines().collect::<Vec<_>>()[..] else { panic!("{errors}") };
    assert!(full.contains("No space left"), "{full}");
    assert!(read_only.contains("cannot write there: Read-only file system"), "{read_only}");
    assert_eq!(results(&whole), results(&saved));
}

/// What others can watch while a sweep runs.
#[test]
fn the_status_says_how_far_it_is() {
    let directory = Directory::new();
    let plan = directory.file("plan.toml", "networks = 100000000\narch = [\"2-24x2\", \"2-24x4\"]\n");
    let out = directory.text("out");
    let mut child = start(&sweep(&plan, &out, &[]));
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        assert!(Instant::now() < deadline && child.try_wait().expect("a state").is_none(), "no status");
        if let Ok(text) = std::fs::read_to_string(Path::new(&out).join("status.json")) {
            break serde_json::from_str::<serde_json::Value>(&text).expect("written whole");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{status}"));
    let (rate, left) = (number(&status["networks_per_second"]), number(&status["seconds_left"]));
    assert_eq!((&status["state"], &status["finished"]), (&"running".into(), &0.into()));
    let first = &status["progress"][0];
    assert!(rate > 0.0 && number(&first["density"]) > 0.0, "{status}");
    // The second ensemble takes longer than the first.
    let first_left = (1e8 - number(&first["networks"])) / rate;
    assert!(left > 1.5 * first_left && left < 20.0 * first_left, "{status}");
}

#[test]
fn plans_are_checked_as_a_whole_before_any_work() {
    let directory = Directory::new();
    let out = directory.text("out");
    let plan = directory
        .file("plan.toml", format!("{PLAN}[[ensembles]]\nmethod = \"rice\"\nbias = \"zero\"\nweights = \"torch\"\n"));
    refuse(&sweep(&plan, &out, &[]), &["plan.toml:29: ", "no closed-form crossing rate"]);
    assert!(!Path::new(&out).exists());
    refuse(&sweep(&directory.text("no-plan.toml"), &out, &[]), &["no-plan.toml"]);
    for shard in ["0/3", "4/3", "3", "a/b"] {
        refuse(&sweep(&plan, &out, &["--shard", shard]), &["--shard", "such as 3/16"]);
    }
    let plan = directory.file("plan.toml", PLAN);
    let table = succeed(&["sweep", &plan, "--dry-run", "--engine", "cpu"]);
    assert!(table.contains("11 ensembles in ") && table.contains("to 4 %") && table.contains("MiB"), "{table}");
    let output = run(&["sweep", &plan]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("--out"), "{}", stderr(&output));
}
