//! ONNX models: what networks they are, and what is refused.

mod models;

use std::path::PathBuf;

use linregions::network::Network;

fn vector(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/onnx").join(name)
}

/// The network at one point: a dense one straight from the definition.
fn evaluate(network: &Network, point: &[f64]) -> Vec<f64> {
    if !network.architecture().is_dense_chain() {
        return network.outputs(point);
    }
    let mut h = point.to_vec();
    for (layer, affine) in network.affine().iter().enumerate() {
        let units = affine.bias.len();
        let z =
            (0..units).map(|u| affine.bias[u] + (0..h.len()).map(|i| affine.weight[i * units + u] * h[i]).sum::<f64>());
        let activation = network.architecture().layers().get(layer).map(|l| l.activation.pieces());
        h = z.map(|z| activation.map_or(z, |pieces| pieces.value(z))).collect();
    }
    h
}
