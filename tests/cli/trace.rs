//! `linregions trace`.

use std::io::Write as _;
use std::path::Path;

use super::{Directory, refuse, run, stderr, succeed};

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
