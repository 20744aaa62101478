//! Convolutional networks saved by PyTorch have PyTorch's outputs, and the knots that are in them (`vectors/images/make.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use linregions::network::{Network, ReadOptions};
use linregions::path::Path;
use linregions::trace::Trace;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    activation: Option<String>,
    /// What reads the state_dict, if it can be read.
    architecture: Option<String>,
    /// That of the graph.
    graph: String,
    points: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
    paths: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    ends: Vec<Vec<f64>>,
    /// Fractions of the way.
    knots: Vec<f64>,
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/images").join(name)
}

fn expected() -> BTreeMap<String, Expected> {
    let text = std::fs::read_to_string(file("values.json")).expect("readable");
    serde_json::from_str(&text).expect("values")
}

/// The largest difference from PyTorch's outputs, relative to the largest output.
fn error(network: &Network, expected: &Expected) -> f64 {
    let scale = expected.outputs.iter().flatten().fold(1.0f64, |scale, v| scale.max(v.abs()));
    let mut error = 0.0f64;
    for (point, outputs) in expected.points.iter().zip(&expected.outputs) {
        let values = network.outputs(point);
        assert_eq!(values.len(), outputs.len());
        error = values.iter().zip(outputs).fold(error, |error, (a, b)| error.max((a - b).abs() / scale));
    }
    error
}

/// `tolerances` are those of outputs and of places of knots.
fn check(name: &str, network: &Network, expected: &Expected, tolerances: [f64; 2]) {
    let error = error(network, expected);
    assert!(error < tolerances[0], "{name}: outputs differ by {error}");
    for (ix, line) in expected.paths.iter().enumerate() {
        let path = Path::from_points(line.ends[0].len(), &line.ends.concat()).expect("a segment");
        let trace = Trace::reference(network, &path).expect("finite");
        let knots = trace.boundaries.iter().filter(|boundary| boundary.is_knot);
        let places: Vec<f64> = knots.map(|boundary| boundary.position / trace.length).collect();
        assert_eq!(places.len(), line.knots.len(), "{name} path {ix}");
        for (place, knot) in places.iter().zip(&line.knots) {
            assert!((place - knot).abs() < tolerances[1], "{name} path {ix}: {place}, not {knot}");
        }
    }
}

#[test]
fn graphs_have_the_outputs_and_knots_of_pytorch() {
    let all = expected();
    assert_eq!(all.len(), 7);
    for (name, expected) in &all {
        let network = Network::read(&file(&format!("{name}.onnx")), None).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(network.architecture().to_string(), expected.graph, "{name}");
        // The exporter folds normalisation in f32, and so do kinks move.
        check(name, &network, expected, [1e-6, 1e-5]);
    }
}

#[test]
fn state_dicts_have_the_outputs_and_knots_of_pytorch() {
    let (mut n_read, all) = (0, expected());
    for (name, expected) in &all {
        let (Some(activation), Some(text)) = (&expected.activation, &expected.architecture) else { continue };
        let activation = Some(activation.parse().expect("an activation"));
        let options = ReadOptions { activation, architecture: Some(text.clone()) };
        let network = Network::read_with(&file(&format!("{name}.safetensors")), &options);
        check(name, &network.unwrap_or_else(|e| panic!("{e}")), expected, [1e-12, 1e-8]);
        // Outputs tell a slightly wrong network from the right one.
        let wrong = ReadOptions { activation: Some("leaky-relu:0.25".parse().expect("an activation")), ..options };
        let wrong = Network::read_with(&file(&format!("{name}.safetensors")), &wrong).expect("a network");
        assert!(error(&wrong, expected) > 1e-3, "{name}");
        n_read += 1;
    }
    assert_eq!(n_read, 3);
}
