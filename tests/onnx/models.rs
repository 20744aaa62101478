//! Models of the ONNX project's own tools, with values by ONNX Runtime (`tests/vectors/make_onnx.py`).

use std::collections::BTreeMap;

use linregions::network::Network;
use serde::Deserialize;

use super::{evaluate, vector};

#[derive(Deserialize)]
struct Model {
    /// Units and activation of every hidden layer.
    activations: Vec<(usize, String)>,
    /// Of networks that are not dense.
    architecture: Option<String>,
    points: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
}

fn models() -> BTreeMap<String, Model> {
    let text = std::fs::read_to_string(vector("values.json")).expect("readable");
    serde_json::from_str(&text).expect("values")
}

/// The largest difference from the model's values, relative to the largest value.
fn error(network: &Network, model: &Model) -> f64 {
    let mut error = 0.0f64;
    let scale = model.values.iter().flatten().fold(1.0f64, |scale, v| scale.max(v.abs()));
    for (point, expected) in model.points.iter().zip(&model.values) {
        let values = evaluate(network, point);
        assert_eq!(values.len(), expected.len());
        error = values.iter().zip(expected).fold(error, |error, (a, b)| error.max((a - b).abs() / scale));
    }
    error
}

/// ONNX Runtime computes in f32 (also the thresholds of the one model in f64): its rounding is far below 1e-5.
#[test]
fn networks_have_the_values_of_their_models() {
    let models = models();
    assert_eq!(models.len(), 8);
    for (name, model) in &models {
        let network = Network::read(&vector(&format!("{name}.onnx")), None).unwrap_or_else(|e| panic!("{e}"));
        let layers = network.architecture().layers().iter();
        let layers: Vec<(usize, String)> = layers.map(|l| (l.affine.units(), l.activation.to_string())).collect();
        assert_eq!(layers, model.activations, "{name}");
        let text = network.architecture().to_string();
        assert!(model.architecture.as_ref().is_none_or(|expected| *expected == text), "{name}: {text}");
        assert_eq!(network.architecture().is_dense_chain(), model.architecture.is_none(), "{name}");
        assert!(error(&network, model) < 1e-5, "{name}: {}", error(&network, model));
        // The points tell networks apart, and a slightly wrong one from the right one.
        let sizes = |model: &Model| (model.points[0].len(), model.values[0].len());
        let others = models.iter().filter(|(other, m)| *other != name && sizes(m) == sizes(model));
        assert!(others.map(|(_, other)| error(&network, other)).all(|error| error > 0.01), "{name}");
    }
}
