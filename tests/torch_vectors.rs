//! Networks saved by PyTorch are read and traced with the counts that exact rational arithmetic gives (`vectors/torch/make.py`).

use std::collections::BTreeSet;
use std::path::PathBuf;

use linregions::network::Network;
use linregions::path::{NamedPath, read_paths};
use linregions::trace::Trace;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    network: String,
    activation: String,
    path: String,
    crossings: usize,
    boundaries: usize,
    knots: usize,
    mean_position: f64,
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/torch").join(name)
}

fn expected() -> Vec<Expected> {
    let mut csv = csv::Reader::from_path(file("expected.csv")).expect("expected.csv");
    csv.deserialize().collect::<csv::Result<_>>().expect("its columns")
}

/// Traces the path of a row with a network in a file of this kind.
fn trace(row: &Expected, kind: &str, activation: Option<&str>) -> Trace {
    let activation = activation.map(|name| name.parse().expect("a known activation"));
    let network = Network::read(&file(&format!("{}.{kind}", row.network)), activation).expect("a network");
    let paths = read_paths(&file(&format!("{}-paths.csv", row.network))).expect("paths");
    let NamedPath { path, .. } = paths.iter().find(|path| path.name == row.path).expect("the path");
    Trace::reference(&network, path).expect("finite")
}

fn counts(trace: &Trace) -> [usize; 3] {
    [trace.crossings.len(), trace.boundaries.len(), trace.n_knots()]
}

#[test]
fn networks_of_pytorch_have_the_counts_of_rational_arithmetic() {
    let rows = expected();
    let networks: BTreeSet<&str> = rows.iter().map(|row| row.network.as_str()).collect();
    assert_eq!((rows.len(), networks.len()), (25, 5), "five paths of each network");
    for row in &rows {
        // The slope of a leaky ReLU is an f32 in an exported graph.
        for (kind, activation, tolerance) in
            [("safetensors", Some(row.activation.as_str()), 1e-9), ("onnx", None, 1e-7)]
        {
            let name = format!("{}.{kind} path {}", row.network, row.path);
            let trace = trace(row, kind, activation);
            assert_eq!(counts(&trace), [row.crossings, row.boundaries, row.knots], "{name}");
            let mean = trace.boundaries.iter().map(|b| b.position).sum::<f64>() / row.boundaries as f64;
            let error = (mean - row.mean_position).abs();
            assert!(error < tolerance * trace.length, "{name}: {mean}, not {}", row.mean_position);
        }
    }
    // All three counts differ somewhere, so that none can stand in for another.
    assert!(rows.iter().any(|row| row.crossings > row.boundaries && row.boundaries > row.knots));
}

/// The vectors tell activations apart: with another one the counts of every network are wrong.
#[test]
fn another_activation_has_other_counts() {
    let mut wrong = BTreeSet::new();
    for row in &expected() {
        let other = if row.activation == "relu" { "leaky-relu:0.5" } else { "relu" };
        if counts(&trace(row, "safetensors", Some(other))) != [row.crossings, row.boundaries, row.knots] {
            wrong.insert(row.network.clone());
        }
    }
    assert_eq!(wrong.len(), 5, "{wrong:?}");
}
