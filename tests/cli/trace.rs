//! `linregions trace`.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use super::{Directory, refuse, rows, run, stderr, succeed};

/// x -> |x - 1| - |x + 1| by four units, of which one is a copy; and a unit that is never active.
const WEIGHTS: [f32; 5] = [1.0, -1.0, 1.0, 1.0, 0.0];

const BIASES: [f32; 5] = [-1.0, 1.0, 1.0, 1.0, -3.0];

const READOUT: [f32; 5] = [1.0, 1.0, -0.5, -0.5, 1.0];

pub(super) fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

pub(super) fn npz(tensors: &[(&str, &str, &[f32])]) -> Vec<u8> {
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

/// Two hidden layers with different activations.
const MODEL: &str = "tests/vectors/onnx/matmul-13.onnx";

pub(super) fn known_network(directory: &Directory) -> [String; 2] {
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

/// Three differences of neighbours, which change sign at a quarter, a half and three quarters of the way.
#[test]
fn networks_with_convolutions_are_traced_by_their_architecture() {
    let directory = Directory::new();
    let paths = directory.file("paths.csv", "path,x0,x1,x2,x3\na,0,1,3,6\na,6,3,1,0\n");
    let differences = npz(&[("W0", "(1, 1, 2)", &[1.0, -1.0]), ("W1", "(1, 3)", &[1.0; 3])]);
    let network = directory.file("differences.npz", differences);
    let args = ["trace", "--network", &network, "--paths", &paths, "--precision", "f64"];
    let with = |arch: &'static str| [&args[..], &["--arch", arch]].concat();
    let found: Vec<[String; 3]> = rows(&succeed(&with("1x4-c1k2")))
        .into_iter()
        .map(|row| ["boundary", "unit", "t"].map(|column| row[column].clone()))
        .collect();
    assert_eq!(found, [["0", "0", "0.25"], ["1", "1", "0.5"], ["2", "2", "0.75"]]);
    refuse(&args, &["differences.npz", "W0", "[1, 1, 2]", "--arch"]);
    refuse(&with("1x4-c1k3"), &["differences.npz", "W0", "(1, 1, 2)", "(1, 1, 3)"]);
    refuse(&with("1x5-c1k2"), &["differences.npz", "W1", "(1, 3)", "the read-out", "(1, 4)"]);
    refuse(&with("1x4-c1k2-3"), &["differences.npz", "takes 3 weight tensors", "W0, W1"]);
    refuse(&with("1x4-c1"), &["--arch: architecture '1x4-c1'", "'c1': write filters and kernel"]);
    refuse(&["trace", "--network", MODEL, "--arch", "6-7-4"], &[MODEL, "its own architecture"]);
    // Checkpoints, too.
    for name in ["run/step1.npz", "run/step2.npz"] {
        std::fs::create_dir_all(directory.path("run")).expect("writable");
        std::fs::copy(&network, directory.path(name)).expect("writable");
    }
    let run = directory.path("run").display().to_string();
    let table = succeed(&["trace", "--network", &run, "--paths", &paths, "--arch", "1x4-c1k2", "--precision", "f64"]);
    assert_eq!(rows(&table).len(), 2 * 4, "{table}");
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
    refuse_network(&directory.file("network.pt", "x"), &["network.pt", ".safetensors, .npz or .onnx"]);
    refuse_network(&directory.file("network.onnx", "x"), &["network.onnx", "not an ONNX model"]);
    refuse_network("tests/vectors/onnx/half-17.data", &["half-17.data", ".onnx"]);
    refuse(&["trace", "--network", MODEL, "--activation", "relu"], &[MODEL, "its own activations"]);
    refuse_network(&directory.file("text.npz", "not a zip"), &["text.npz", "not an .npz file"]);
    refuse_network(&directory.file("text.safetensors", "not tensors at all"), &["not a safetensors file"]);
    let nan = npz(&[("W0", "(1, 1)", &[f32::NAN]), ("W1", "(1, 1)", &[1.0])]);
    refuse_network(&directory.file("nan.npz", nan), &["nan.npz", "0: holds NaN"]);
    let rows = npz(&[("W0", "(6, 2)", &[0.0; 12]), ("W1", "(4, 2)", &[1.0; 8]), ("W2", "(1, 2)", &[1.0; 2])]);
    let rows = directory.file("rows.npz", rows);
    for (activation, message) in [
        ("maxout:3", ["rows.npz: W1: 4 rows", "maxout:3"]),
        ("group-sort:4", ["rows.npz: W0: 6 rows", "group-sort:4"]),
        ("maxout:2", ["rows.npz: W1: 2 inputs", "3 units"]),
    ] {
        refuse(&["trace", "--network", &rows, "--activation", activation], &message);
    }
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

/// A number of a row, 0 where the field is empty.
fn number(row: &HashMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or(0.0)
}

/// Sums by layer and unit, and over everything, are those of the list of crossings.
#[test]
fn layers_and_units_are_summed_over_paths() {
    let along = ["trace", "--network", MODEL, "--n-paths", "40", "--length", "20", "--format", "csv"];
    let print = |more: &[&str]| rows(&succeed(&[&along[..], more].concat()));
    let (crossings, by_layer, by_unit) = (print(&[]), print(&["--by", "layer"]), print(&["--by", "unit"]));
    assert_eq!((by_layer.len(), by_unit.len()), (2, 11));
    let mut seen = 0.0;
    for row in by_layer.iter().chain(&by_unit) {
        let of_row: Vec<_> = crossings
            .iter()
            .filter(|c| c["layer"] == row["layer"] && row.get("unit").is_none_or(|unit| c["unit"] == *unit))
            .collect();
        let knots = of_row.iter().filter(|c| c["is_knot"] == "true").count();
        assert_eq!((number(row, "crossings"), number(row, "knots")), (of_row.len() as f64, knots as f64), "{row:?}");
        assert!((number(row, "density") - of_row.len() as f64 / 800.0).abs() < 1e-12, "{row:?}");
        seen += number(row, "crossings");
    }
    assert!(seen > 100.0 && seen == 2.0 * crossings.len() as f64, "{seen}");
    // Threads and engines change nothing.
    for more in [["--threads", "1"], ["--precision", "f32"]] {
        assert_eq!(print(&[&["--by", "unit"][..], &more].concat()), by_unit);
    }
    let nowhere = succeed(&["trace", "--network", MODEL, "--length", "0", "--by", "layer"]);
    assert_eq!(nowhere.lines().nth(1).map(|line| line.split_whitespace().collect()), Some(vec!["1", "0", "0", "-"]));
}

/// The given network's densities and errors over paths from the counts of each path; those of random networks are the ones of
/// `estimate` on the same ensemble.
#[test]
fn random_networks_stand_beside() {
    let directory = Directory::new();
    let [network, _] = known_network(&directory);
    let paths = directory.file("paths.csv", "path,x0\na,-4\na,4\nb,0.5\nb,2.5\nc,-2\nc,3\n");
    let laws = ["--weights", "normal:2", "--bias", "normal:0.5", "--seed", "5", "--engine", "cpu", "--format", "csv"];
    let of_trace = ["trace", "--network", &network, "--paths", &paths, "--compare-random", "40"];
    let law = format!("file:{paths}");
    let of_estimate = ["estimate", "--arch", "1-5", "--networks", "40", "--paths-per-network", "3", "--path", &law];
    let compared = rows(&succeed(&[&of_trace[..], &laws].concat()));
    let estimated = rows(&succeed(&[&of_estimate[..], &laws].concat()));
    assert_eq!(compared.len(), 4);
    for (row, expected) in compared.iter().zip(&estimated) {
        assert_eq!((&row["quantity"], &row["layer"]), (&expected["quantity"], &expected["layer"]));
        assert_eq!((row["paths"].as_str(), row["random_networks"].as_str()), ("3", "40"));
        assert_eq!((row["weights"].as_str(), row["bias"].as_str()), ("normal:2", "normal:0.5"));
        for (ours, theirs) in [("random_density", "mean_density"), ("random_std_error_over_networks", "std_error")] {
            // Lengths are summed in other units.
            let (a, b) = (number(row, ours), number(expected, theirs));
            assert!(b > 0.0 && (a - b).abs() < 1e-9 * b, "{row:?}");
        }
        // Crossings at -1 (two units) and 1 (two): 4, 2 and 4 on lengths 8, 2 and 5; at half as many boundaries, all knots.
        let counts = if row["quantity"] == "crossings" { [4.0, 2.0, 4.0] } else { [2.0, 1.0, 2.0] };
        let (total, lengths) = (counts.iter().sum::<f64>(), [8.0, 2.0, 5.0]);
        let density = total / 15.0;
        let residuals: f64 = counts.iter().zip(lengths).map(|(c, l): (&f64, f64)| (c - density * l).powi(2)).sum();
        assert!((number(row, "density") - density).abs() < 1e-9);
        assert!((number(row, "std_error_over_paths") - (residuals / 6.0).sqrt() / 5.0).abs() < 1e-9, "{row:?}");
        assert!((number(row, "ratio") - density / number(row, "random_density")).abs() < 1e-9);
    }
    let table = succeed(&["trace", "--network", MODEL, "--compare-random", "3"]);
    assert!(table.contains("he-normal  normal:0.1"), "{table}");
    refuse(&["trace", "--network", &network, "--compare-random", "0"], &["--compare-random 0"]);
    refuse(&["trace", "--network", &network, "--weights", "he-normal"], &["--compare-random"]);
    refuse(&["trace", "--network", &network, "--compare-random", "3", "--weights", "x"], &["--weights", "'x'"]);
    refuse(&["trace", "--network", &network, "--compare-random", "3", "--summary"], &["--summary"]);
}

#[test]
fn checkpoints_are_traced_in_natural_order_along_the_same_paths() {
    let directory = Directory::new();
    let network = |scale: f32| {
        let weights = WEIGHTS.map(|w| scale * w);
        npz(&[("W0", "(5, 1)", &weights), ("b0", "(5,)", &BIASES), ("W1", "(1, 5)", &READOUT)])
    };
    std::fs::create_dir(directory.path("training")).expect("writable");
    for (name, scale) in [("epoch-10.npz", 0.25), ("epoch-9.npz", 1.0), ("epoch-1.npz", 0.5)] {
        directory.file(&format!("training/{name}"), network(scale));
    }
    directory.file("training/notes.txt", "not a network");
    let training = directory.text("training");
    let flags = ["--n-paths", "30", "--path", "chord", "--start", "normal:2"];
    let result = rows(&succeed(&[&["trace", "--network", &training], &flags[..]].concat()));
    let order: Vec<&str> = result.chunks(4).map(|rows| rows[0]["checkpoint"].as_str()).collect();
    assert_eq!(order, ["epoch-1.npz", "epoch-9.npz", "epoch-10.npz"]);
    for row in &result {
        let file = directory.text(&format!("training/{}", row["checkpoint"]));
        let paths =
            rows(&succeed(&[&["trace", "--network", &file, "--summary", "--format", "csv"], &flags[..]].concat()));
        let sum = |column: &str| paths.iter().map(|path| number(path, column)).sum::<f64>();
        let density = sum(&row["quantity"]) / sum("length");
        assert!((number(row, "mean_density") - density).abs() < 1e-8 * density, "{row:?}");
        assert!(row["paths"] == "30" && number(row, "std_error") > 0.0 && density > 0.0, "{row:?}");
    }
    // A bad one is found before any work, wherever it is.
    let refuse_training = |message: &[&str]| refuse(&["trace", "--network", &training], message);
    directory.file("training/epoch-11.npz", npz(&[("W0", "(3, 1)", &[1.0; 3]), ("W1", "(1, 3)", &[1.0; 3])]));
    refuse_training(&["epoch-11.npz", "1-3 ", "epoch-1.npz has 1-5 "]);
    directory.file("training/epoch-11.npz", "not a zip");
    refuse_training(&["epoch-11.npz", "not an .npz file"]);
    refuse(&["trace", "--network", &training, "--summary"], &["--summary is about one network"]);
    std::fs::create_dir(directory.path("empty")).expect("writable");
    refuse(&["trace", "--network", &directory.text("empty")], &["no checkpoint in this directory"]);
}

/// Three images of one row of two pixels, (0, 0), (0.6, 0) and (0, 0.8): chords of length 0.6, 0.8 and 1.
#[test]
fn chords_between_images_are_paths() {
    use std::collections::BTreeSet;
    let directory = Directory::new();
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2][..], &[0, 0, 153, 0, 0, 204]].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&idx).expect("memory");
    let network = npz(&[("W0", "(1, 2)", &[1.0, 1.0]), ("W1", "(1, 1)", &[1.0])]);
    let network = directory.file("network.npz", network);
    let files = [
        directory.file("images-idx3-ubyte", &idx),
        directory.file("images-idx3-ubyte.gz", gzip.finish().expect("memory")),
        directory.file("images.csv", "a,b\n0,0\n0.6,0\n0,0.8\n"),
    ];
    for file in &files {
        let law = format!("data:{file}");
        let args = ["trace", "--network", &network, "--path", &law, "--n-paths", "60", "--summary", "--format", "csv"];
        let lengths: BTreeSet<String> = rows(&succeed(&args)).iter().map(|row| row["length"].clone()).collect();
        assert_eq!(lengths, BTreeSet::from(["0.6", "0.8", "1.0"].map(str::to_owned)), "{file}");
        succeed(&["estimate", "--arch", "2-5", "--path", &law, "--networks", "30"]);
        refuse(&["estimate", "--arch", "3-5", "--path", &law], &[file, "dimension 2", "3 inputs"]);
    }
    let law = format!("data:{}", directory.file("cut-ubyte", &idx[..20]));
    refuse(&["estimate", "--arch", "2-5", "--path", &law], &["cut-ubyte", "[3, 1, 2]", "4 bytes"]);
    let law = format!("data:{}", directory.file("text.gz", "text"));
    refuse(&["estimate", "--arch", "2-5", "--path", &law], &["text.gz", "not a .gz file"]);
}

/// Two maxout units of two rows, |x| and max(x - 1, 0), and one on top of them, max(|x|, max(x - 1, 0) + 0.5), which hides their kinks.
#[test]
fn maxout_units_are_traced_by_their_rows() {
    let directory = Directory::new();
    let network = npz(&[
        ("W0", "(4, 1)", &[1.0, -1.0, 1.0, 0.0]),
        ("b0", "(4,)", &[0.0, 0.0, -1.0, 0.0]),
        ("W1", "(2, 2)", &[1.0, 0.0, 0.0, 1.0]),
        ("b1", "(2,)", &[0.0, 0.5]),
        ("W2", "(1, 1)", &[1.0]),
    ]);
    let network = directory.file("maxout.npz", network);
    let paths = directory.file("paths.csv", "path,x0\na,-2\na,2\n");
    let mut engines = vec![["--precision", "f32"], ["--precision", "f64"]];
    if cfg!(feature = "gpu") {
        engines.push(["--engine", "gpu"]);
    }
    for engine in engines {
        let flags = ["trace", "--network", &network, "--paths", &paths, "--activation", "maxout:2", "--format", "csv"];
        let csv = rows(&succeed(&[&flags[..], &engine].concat()));
        let found: Vec<[&str; 4]> =
            csv.iter().map(|r| ["position", "layer", "unit", "is_knot"].map(|column| r[column].as_str())).collect();
        let expected = [
            ["1.5", "2", "0", "true"],
            ["2.0", "1", "0", "false"],
            ["2.5", "2", "0", "true"],
            ["3.0", "1", "1", "false"],
        ];
        assert_eq!(found, expected, "{engine:?}");
    }
}
