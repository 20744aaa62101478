//! The program as a user meets it: results, files, bad input, interruption.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn linregions(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linregions"));
    command.args(args);
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

/// The result without the one column that differs from run to run.
fn without_time(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut rows: Vec<std::collections::BTreeMap<String, String>> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<csv::Result<_>>().expect("CSV");
    rows.iter_mut().for_each(|row| drop(row.remove("wall_seconds").expect("the column")));
    rows
}

#[test]
fn the_default_ensemble_has_its_known_density() {
    let rows = rows(&succeed(&["estimate", "--format", "csv"]));
    let boundaries = rows.iter().find(|r| r["quantity"] == "boundaries").expect("a row");
    let number = |column: &str| boundaries[column].parse::<f64>().expect("a number");
    // An independent f64 count of 20,000 networks, written in numpy, gave 34.186 with standard error 0.167.
    let z = (number("mean_density") - 34.186) / number("std_error").hypot(0.167);
    assert!(z.abs() < 4.5, "{z}");
    assert!(number("bound_ratio") < 1.0);
    assert_eq!((boundaries["networks"].as_str(), boundaries["engine"].as_str()), ("1000", "cpu"));
}

#[test]
fn the_table_says_whether_the_bound_holds() {
    let table = succeed(&["estimate", "--networks", "50"]);
    assert!(table.contains("is below its upper bound 611.15"), "{table}");
    assert!(table.contains("depth 3 x width 64 x 1 x 3.1831"), "{table}");
    let table = succeed(&["estimate", "--networks", "50", "--bias", "zero"]);
    assert!(table.contains("No upper bound on the density applies: zero biases have no density"), "{table}");
    let table = succeed(&["estimate", "--networks", "1", "--length", "0"]);
    assert!(table.contains("no density"), "{table}");
}

#[test]
fn files_and_standard_output_agree_and_do_not_depend_on_threads() {
    let directory = Directory::new();
    let result = |threads: &str, name: &str| {
        let (csv, draws) = (directory.text(&format!("{name}.csv")), directory.text(&format!("{name}-draws.csv")));
        let flags = ["--arch", "3-20-10", "--path", "chord", "--paths-per-network", "3", "--networks", "101"];
        let outputs = ["--csv", &csv, "--draws", &draws, "--threads", threads, "--format", "csv"];
        let printed = succeed(&[&["estimate"], &flags[..], &outputs[..]].concat());
        assert_eq!(printed, read(csv.as_ref()));
        (without_time(&printed), read(draws.as_ref()))
    };
    let (summary, draws) = result("1", "one");
    assert_eq!((summary.clone(), draws.clone()), result("3", "three"));
    let draws = rows(&draws);
    assert_eq!(draws.len(), 303);
    let sum = |column: &str| draws.iter().map(|r| r[column].parse::<f64>().expect("a number")).sum::<f64>();
    assert_eq!(sum("crossings"), sum("crossings_layer_1") + sum("crossings_layer_2"));
    let density: f64 = summary[1]["mean_density"].parse().expect("a number");
    assert!((density - sum("boundaries") / sum("length")).abs() < 1e-9 * density);
    assert!(draws.iter().all(|r| r["plan_digest"] == summary[0]["plan_digest"]));
    assert!(!directory.path("one.csv.partial").exists());
}

#[test]
fn json_has_numbers_and_nulls() {
    let json = succeed(&["estimate", "--networks", "40", "--bias", "zero", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["rows"][0]["mean_density"].is_f64());
    assert!(json["rows"][0]["density_upper_bound"].is_null());
    assert_eq!(json["rows"][0]["depth"], 3);
}

#[test]
fn target_errors_are_reached() {
    let rows = rows(&succeed(&["estimate", "--target-error", "5%", "--format", "csv"]));
    let boundaries = &rows[1];
    let number = |column: &str| boundaries[column].parse::<f64>().expect("a number");
    assert!(number("std_error") / number("mean_density") <= 0.05);
    assert!(number("networks") < 1000.0);
    // Without breakpoints there is nothing to count, and the run ends all the same.
    let output = run(&["estimate", "--activation", "identity", "--target-error", "1%"]);
    assert!(output.status.success() && stderr(&output).contains("do not reach the target error of 1 %"));
    let output = run(&["estimate", "--length", "0", "--target-error", "1%"]);
    assert!(output.status.success() && stderr(&output).contains("do not reach the target error of 1 %"));
}

#[test]
fn sampling_is_a_lower_bound_and_warns_when_it_is_too_fine() {
    let mean = |args: &[&str]| {
        rows(&succeed(&[&["estimate", "--format", "csv", "--networks", "100"], args].concat()))[0]["mean_density"]
            .parse::<f64>()
            .expect("a number")
    };
    let (coarse, exact) = (mean(&["--method", "sampled", "--grid", "128"]), mean(&[]));
    assert!(coarse < exact && coarse > 0.9 * exact, "{coarse} {exact}");
    let output = run(&["estimate", "--method", "sampled", "--grid", "3000000", "--networks", "1", "--arch", "2-4"]);
    assert!(output.status.success() && stderr(&output).contains("warning: --grid 3000000"), "{}", stderr(&output));
}

#[test]
fn wrong_flags_are_refused_in_one_line() {
    let directory = Directory::new();
    let nowhere = directory.text("no/such/directory/x.csv");
    for (args, message) in [
        (vec!["--activation", "gelu"], vec!["--activation", "unknown activation 'gelu'", "relu"]),
        (vec!["--activation", "leaky-relu:x"], vec!["'x'"]),
        (vec!["--arch", "2-0x3"], vec!["--arch", "layer 1 has width 0"]),
        (vec!["--arch", "64"], vec!["hidden layer", "2-64x3"]),
        (vec!["--arch", "1-100000x50"], vec!["--arch 1-100000x50", "GiB"]),
        (vec!["--length", "-1"], vec!["--length -1"]),
        (vec!["--length", "nan"], vec!["--length NaN"]),
        (vec!["--length", "inf"], vec!["--length inf"]),
        (vec!["--networks", "0"], vec!["--networks 0"]),
        (vec!["--networks", "-5"], vec!["--networks", "-5"]),
        (vec!["--paths-per-network", "0"], vec!["--paths-per-network 0"]),
        (vec!["--paths-per-network", "18446744073709551615"], vec!["--paths-per-network"]),
        (vec!["--path", "circle"], vec!["--path circle", "segment"]),
        (vec!["--path", "polyline:1"], vec!["at least 2"]),
        (vec!["--path", "polyline:99999999999"], vec!["2^34"]),
        (vec!["--path", "chord", "--start", "origin"], vec!["--start origin"]),
        (vec!["--start", "normal:-1"], vec!["--start", "'-1'"]),
        (vec!["--weights", "he"], vec!["--weights", "he-normal"]),
        (vec!["--weights", "student-t:2:1"], vec!["--weights", "degrees of freedom"]),
        (vec!["--weights", "normal:1e99"], vec!["--weights", "range of f32"]),
        (vec!["--bias", "normal"], vec!["--bias", "normal:STD"]),
        (vec!["--method", "rice"], vec!["--method rice", "exact or sampled"]),
        (vec!["--method", "sampled", "--grid", "1"], vec!["--grid 1"]),
        (vec!["--target-error", "0"], vec!["--target-error 0"]),
        (vec!["--target-error", "5"], vec!["--target-error 5", "100 %"]),
        (vec!["--method", "sampled", "--grid", "18446744073709551615"], vec!["--grid"]),
        (vec!["--engine", "gpu"], vec!["--engine gpu"]),
        (vec!["--threads", "0"], vec!["--threads 0"]),
        (vec!["--outputs", "0"], vec!["at least 1 output"]),
        (vec!["--seed", "-1"], vec!["--seed"]),
        (vec!["--no-such-flag"], vec!["--no-such-flag"]),
        (vec!["--csv", &nowhere], vec!["x.csv", "cannot write there"]),
        (vec!["--draws", &nowhere], vec!["x.csv", "cannot write there"]),
        (vec!["--path", "file:missing.csv"], vec!["missing.csv"]),
    ] {
        refuse(&[&["estimate"], args.as_slice()].concat(), &message);
    }
    refuse(&["estimat"], &["estimat"]);
    let same = directory.text("same.csv");
    for draws in [&same, &format!("{same}.partial")] {
        refuse(&["estimate", "--csv", &same, "--draws", draws], &["--csv and --draws name the same file"]);
    }
    assert_eq!(std::fs::read_dir(directory.0.path()).expect("readable").count(), 0, "nothing is left behind");
}

#[test]
fn wrong_files_are_refused_with_their_place() {
    let directory = Directory::new();
    for (content, message) in [
        ("breakpoints = [1.0, 0.0]\nslopes = [0, 1, 2]\nanchor = [0, 0]\n", "breakpoints must increase"),
        ("breakpoints = [0.0]\nslopes = [0, 1, 2]\nanchor = [0, 0]\n", "one slope more than breakpoints"),
        ("breakpoints = [0.0]\nslopes = [1, 1]\nanchor = [0, 0]\n", "no breakpoint at 0"),
        ("breakpoints = [0.0]\nslopes = [0, nan]\nanchor = [0, 0]\n", "not a finite number"),
        ("breakpoints = [0.0]\nslopes = [0, 1]\n", "anchor"),
        ("breakpoints = [0.0]\nslopes = [0, 1]\nanchor = [0, 0, 0]\n", "anchor has 3 numbers"),
        ("breakpoints = [0.0]\nslopes = [0, 1]\nanchor = [0, 0]\nvalues = [1]\n", ":4: unknown field `values`"),
        ("breakpoints = [0.0\n", "spline.toml:"),
    ] {
        let file = directory.file("spline.toml", content);
        refuse(&["estimate", "--activation", &format!("spline:{file}")], &["spline.toml", message]);
    }
    for (content, message) in [
        ("path,x0,x1\na,0,0\na,1,NaN\n", "line 3: coordinate 1 is 'NaN'"),
        ("path,x0,x1\na,0,0\na,1\n", "line 3"),
        ("path,x0,x1,x2\na,0,0,0\n", "dimension 3, but the networks have 2 inputs"),
        ("path,x0,x1\na,0,\x1b[2J\n", "'\\u{1b}[2J'"),
        ("", "header"),
    ] {
        let file = directory.file("paths.csv", content);
        refuse(&["estimate", "--path", &format!("file:{file}")], &["paths.csv", message]);
    }
    let one_row = directory.file("data.csv", "a,b\n1,2\n");
    refuse(&["estimate", "--path", &format!("data:{one_row}")], &["at least 2 rows"]);
}

#[test]
fn counts_that_overflow_the_number_type_are_an_error_of_the_run() {
    let output = run(&["estimate", "--weights", "normal:1e30", "--networks", "3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("draw 0, layer 2") && stderr(&output).contains("f64"), "{}", stderr(&output));
    succeed(&["estimate", "--weights", "normal:1e30", "--networks", "3", "--precision", "f64"]);
}

#[test]
fn paths_and_data_come_from_files() {
    let directory = Directory::new();
    let paths = directory.file("paths.csv", "path,x0,x1\na,0,0\na,3,4\nb,1,1\nb,1,3\n");
    let result =
        rows(&succeed(&["estimate", "--path", &format!("file:{paths}"), "--format", "csv", "--networks", "100"]));
    assert_eq!(result[0]["length"].parse::<f64>(), Ok(3.5));
    let mut data = "x,y\n".to_owned();
    (0..50).for_each(|i| writeln!(data, "{},{}", i % 7, i % 5).expect("memory"));
    let data = directory.file("data.csv", data);
    let result =
        rows(&succeed(&["estimate", "--path", &format!("data:{data}"), "--format", "csv", "--networks", "100"]));
    assert!(result[0]["length"].parse::<f64>().expect("a number") > 1.0);
    let spline = directory.file("s.toml", "breakpoints = [-1, 1]\nslopes = [0, 1, 0]\nanchor = [0, 0]\n");
    let density = |activation: &str| {
        rows(&succeed(&["estimate", "--activation", activation, "--format", "csv"]))[1]["mean_density"].clone()
    };
    assert_eq!(density(&format!("spline:{spline}")), density("hard-tanh"));
}

/// x -> |x - 1| - |x + 1| by four units, of which one is a copy; and a unit that is never active.
const WEIGHTS: [f32; 5] = [1.0, -1.0, 1.0, 1.0, 0.0];
const BIASES: [f32; 5] = [-1.0, 1.0, 1.0, 1.0, -3.0];
const READOUT: [f32; 5] = [1.0, 1.0, -0.5, -0.5, 1.0];

fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

fn npz(tensors: &[(&str, &str, &[f32])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, shape, values) in tensors {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        zip.start_file(format!("{name}.npy"), options).expect("memory");
        zip.write_all(&npy(shape, values)).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

fn safetensors(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| t.2.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        ((*name).to_owned(), view.expect("matching sizes"))
    });
    safetensors::serialize(views.collect::<Vec<_>>(), None).expect("memory")
}

fn known_network(directory: &Directory) -> [String; 2] {
    let npz =
        npz(&[("W0", "(5, 1)", &WEIGHTS), ("b0", "(5,)", &BIASES), ("W1", "(1, 5)", &READOUT), ("b1", "(1,)", &[0.0])]);
    let torch = safetensors(&[
        ("2.weight", &[1, 5], &READOUT),
        ("0.bias", &[5], &BIASES),
        ("0.weight", &[5, 1], &WEIGHTS),
        ("2.bias", &[1], &[0.0]),
    ]);
    [directory.file("known.npz", npz), directory.file("known.safetensors", torch)]
}

#[test]
fn given_networks_are_traced_with_every_crossing() {
    let directory = Directory::new();
    let csv = directory.file("paths.csv", "path,x0\nleft,-4\nleft,4\nzero,1\nzero,1\n");
    let array = directory.file("paths.npy", npy("(2, 2, 1)", &[-4.0, 4.0, 1.0, 1.0]));
    for network in known_network(&directory) {
        for precision in [&[][..], &["--precision", "f32"], &["--precision", "f64"]] {
            let trace = |paths: &str, more: &[&str]| {
                succeed(&[&["trace", "--network", &network, "--paths", paths], precision, more].concat())
            };
            let expected = "path,boundary,t,position,layer,unit,is_knot\n\
                            left,0,0.375,3.0,1,2,true\nleft,0,0.375,3.0,1,3,true\n\
                            left,1,0.625,5.0,1,0,true\nleft,1,0.625,5.0,1,1,true\n";
            assert_eq!(trace(&csv, &[]), expected);
            assert_eq!(trace(&array, &[]), expected.replace("left", "0"));
            // Both paths of the file by the law, too.
            let law = ["trace", "--network", &network, "--path", &format!("file:{csv}"), "--summary"];
            assert_eq!(succeed(&law).lines().count(), 3);
            let json: serde_json::Value =
                serde_json::from_str(&trace(&csv, &["--summary", "--format", "json"])).expect("JSON");
            let expected = serde_json::json!([
                { "path": "left", "length": 8.0, "crossings": 4, "boundaries": 2, "knots": 2 },
                { "path": "zero", "length": 0.0, "crossings": 0, "boundaries": 0, "knots": 0 },
            ]);
            assert_eq!(json, expected);
        }
    }
}

#[test]
fn random_paths_trace_given_networks() {
    let directory = Directory::new();
    let [network, _] = known_network(&directory);
    let args = ["trace", "--network", &network, "--path", "segment", "--n-paths", "20", "--length", "5", "--summary"];
    let table = succeed(&args);
    assert_eq!(table.lines().count(), 21, "{table}");
    assert!(table.starts_with("path  length"), "{table}");
}

#[test]
fn wrong_networks_are_refused_by_name() {
    let directory = Directory::new();
    let refuse_network = |network: &str, message: &[&str]| refuse(&["trace", "--network", network], message);
    let [good, torch] = known_network(&directory);
    refuse_network("missing.npz", &["missing.npz"]);
    refuse_network(&directory.file("network.onnx", "x"), &["network.onnx", ".safetensors or .npz"]);
    refuse_network(&directory.file("text.npz", "not a zip"), &["text.npz", "not an .npz file"]);
    refuse_network(&directory.file("text.safetensors", "not tensors at all"), &["not a safetensors file"]);
    let nan = npz(&[("W0", "(1, 1)", &[f32::NAN]), ("W1", "(1, 1)", &[1.0])]);
    refuse_network(&directory.file("nan.npz", nan), &["nan.npz", "0: holds NaN"]);
    let shapes = npz(&[("W0", "(2, 3)", &[0.0; 6]), ("W1", "(1, 3)", &[1.0; 3])]);
    refuse_network(&directory.file("shapes.npz", shapes), &["3 inputs", "2 units"]);
    let wide = directory.file("wide.csv", "path,x0,x1\na,0,0\na,1,1\n");
    refuse(&["trace", "--network", &good, "--paths", &wide], &["wide.csv", "dimension 2", "1 inputs"]);
    refuse(&["trace", "--network", &good, "--n-paths", "0"], &["--n-paths 0"]);
    refuse(&["trace", "--network", &good, "--n-paths", "18446744073709551615"], &["--n-paths", "GiB"]);
    for shape in ["(1099511627776, 0)", "(0, 1152921504606846976)", "(2305843009213693952, 0)"] {
        let empty = npz(&[("W0", shape, &[]), ("W1", "(1, 1)", &[1.0])]);
        refuse_network(&directory.file("empty.npz", empty), &["are empty"]);
    }
    // Every truncation and many corruptions: an error or a different network, never a crash.
    for file in [good, torch] {
        let bytes = std::fs::read(&file).expect("readable");
        let name = Path::new(&file).file_name().and_then(|n| n.to_str()).expect("UTF-8").to_owned();
        for case in 0..60 {
            let broken = if case < 20 {
                bytes[..bytes.len() * case / 20].to_vec()
            } else {
                let mut flipped = bytes.clone();
                let at = (case * 7919) % bytes.len();
                flipped[at] ^= 1 << (case % 8);
                flipped
            };
            let output = run(&["trace", "--network", &directory.file(&format!("broken-{name}"), broken)]);
            let code = output.status.code();
            assert!(code == Some(2) || (case >= 20 && matches!(code, Some(0 | 1))), "case {case}: {}", stderr(&output));
            assert!(!stderr(&output).contains("panicked"), "case {case}: {}", stderr(&output));
        }
    }
}

/// Every command that the README shows runs as it is written.
#[test]
fn the_commands_of_the_readme_run() {
    let directory = Directory::new();
    let [npz, safetensors] = known_network(&directory);
    std::fs::rename(npz, directory.path("trained.npz")).expect("movable");
    std::fs::rename(safetensors, directory.path("trained.safetensors")).expect("movable");
    directory.file("lines.csv", "path,x0\na,-4\na,4\n");
    let commands = include_str!("../README.md").lines().filter_map(|line| line.strip_prefix("$ linregions "));
    let mut n_commands = 0;
    for command in commands {
        let args: Vec<&str> = command.split_whitespace().collect();
        let output = linregions(&args).current_dir(directory.0.path()).output().expect("the program starts");
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {}", stderr(&output));
        n_commands += 1;
    }
    assert!(n_commands >= 6, "{n_commands}");
}

#[cfg(unix)]
mod unix {
    use super::*;

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

    #[test]
    fn a_full_disk_is_an_error_of_the_run() {
        for flag in ["--csv", "--draws"] {
            let output = run(&["estimate", "--networks", "200", flag, "/dev/full"]);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert!(
                stderr(&output).contains("/dev/full") && stderr(&output).lines().count() == 1,
                "{}",
                stderr(&output)
            );
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
}
