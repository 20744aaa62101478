//! How time and memory grow: `cargo bench --bench scaling`.
//!
//! Whole processes of `linregions estimate` on the CPU: one thread against two, depth, width, length of the path and number of networks;
//! and what it takes to start. Times, and ratios of neighbouring runs, are medians of runs in turn. Crossings are checked first: they must
//! grow as the expected number at infinite width does, and must not depend on the threads.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    println!("whole processes of linregions estimate --engine cpu, medians of runs in turn\n");
    threads();
    grow("depth", &["2-64x1", "2-64x2", "2-64x4", "2-64x8", "2-64x16", "2-64x32"], &["2"]);
    grow("width", &["2-32x3", "2-64x3", "2-128x3", "2-256x3", "2-512x3", "2-1024x3"], &["2"]);
    grow("length of the path", &["2-64x3"], &["1", "4", "16", "64", "256", "1024"]);
    networks();
    start();
}

/// A process that has ended, and its time.
struct Run {
    output: String,
    time: f64,
}

fn estimate(flags: &[&str]) -> Run {
    watch(flags, |_| ())
}

/// Looks at the process once it has started, and then waits for its end.
fn watch(flags: &[&str], look: impl FnOnce(&mut Child)) -> Run {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_linregions"))
        .args(["estimate", "--engine", "cpu", "--format", "csv", "--quiet"])
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    look(&mut child);
    let output = child.wait_with_output().expect("the program ends");
    let time = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{flags:?}");
    Run { output: String::from_utf8(output.stdout).expect("CSV"), time }
}

/// The most memory in bytes that a process has until it ends, as far as looking every millisecond shows, which takes time itself.
fn most_memory(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        most = most.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10);
        std::thread::sleep(Duration::from_millis(1));
    }
    most
}

/// A column of the row of all crossings.
fn column(run: &Run, name: &str) -> f64 {
    let mut csv = csv::Reader::from_reader(run.output.as_bytes());
    let ix = csv.headers().expect("a header").iter().position(|column| column == name).expect("a column");
    let row = csv.records().next().expect("crossings").expect("CSV");
    row[ix].parse().expect("a number")
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn threads() {
    println!("{:<28} {:>12} {:>12} {:>8}", "2-64x3, many networks", "1 thread, s", "2 threads, s", "ratio");
    for method in ["exact", "sampled", "rice"] {
        let run = |threads| {
            let networks = if method == "sampled" { "4000" } else { "100000" };
            estimate(&["--method", method, "--networks", networks, "--paths-per-network", "1", "--threads", threads])
        };
        let [one, two] = ["1", "2"].map(run);
        assert_eq!(column(&one, "mean_density"), column(&two, "mean_density"), "{method}");
        let pairs: Vec<[f64; 2]> = (0..11).map(|_| ["1", "2"].map(|threads| run(threads).time)).collect();
        let ratio = median(pairs.iter().map(|[one, two]| one / two));
        let [one, two] = [0, 1].map(|ix| median(pairs.iter().map(|pair| pair[ix])));
        println!("{method:<28} {one:>12.3} {two:>12.3} {ratio:>8.2}");
    }
}

/// Time and crossings of a path, one thread.
fn grow(what: &str, shapes: &[&str], lengths: &[&str]) {
    println!("\n{what:<28} {:>12} {:>12} {:>14}", "crossings", "ms per path", "us a crossing");
    for (shape, length) in shapes.iter().flat_map(|shape| lengths.iter().map(move |length| (shape, length))) {
        let run = |networks: u32| {
            estimate(&["--arch", shape, "--length", length, "--networks", &networks.to_string(), "--threads", "1"])
        };
        // As many as take a quarter of a second.
        let mut n = 100;
        while run(n).time < 0.25 {
            n *= 2;
        }
        let (few, many) = (|| run(n / 10).time, || run(n).time);
        let run = run(n);
        let (mean, expected) = (column(&run, "mean_density"), column(&run, "infinite_width_density"));
        assert!((mean - expected).abs() < 5.0 * column(&run, "std_error") + 0.05 * expected, "{shape}: {mean}");
        // The difference leaves out what it takes to start.
        let (few, many): (Vec<_>, Vec<_>) = (0..5).map(|_| (few(), many())).unzip();
        let per_path = (median(many) - median(few)) / f64::from(n - n / 10);
        let crossings = mean * length.parse::<f64>().expect("a length");
        let name = if lengths.len() > 1 { format!("{shape}, {length}") } else { (*shape).to_owned() };
        println!("{name:<28} {crossings:>12.1} {:>12.4} {:>14.3}", 1e3 * per_path, 1e6 * per_path / crossings);
    }
}

fn networks() {
    println!("\n{:<28} {:>12} {:>12} {:>14}", "networks 2-64x3, 1 thread", "s", "memory, MB", "us per network");
    for networks in ["1000", "10000", "100000", "1000000"] {
        let mut memory = 0;
        let run = watch(&["--networks", networks, "--threads", "1"], |child| memory = most_memory(child));
        let (mean, expected) = (column(&run, "mean_density"), column(&run, "infinite_width_density"));
        assert!((mean - expected).abs() < 5.0 * column(&run, "std_error") + 0.05 * expected, "{mean}");
        let n: f64 = networks.parse().expect("a number");
        println!("{networks:<28} {:>12.3} {:>12.1} {:>14.2}", run.time, memory as f64 / 1e6, 1e6 * run.time / n);
    }
}

fn start() {
    println!();
    let times = (0..21).map(|_| estimate(&[]).time);
    println!("{:<28} {:>12.1} ms", "the default ensemble", 1e3 * median(times));
}
