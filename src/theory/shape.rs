//! Shapes of networks from the command line's text, as far as bounds depend on them.

use super::catalogue::Shape;
use super::regions::conv::{ConvLayer, ConvNetwork};
use super::regions::piecewise::Layer;
use crate::error::{Error, Result};
use crate::network::{self, Activation, ActivationKind, Architecture};

impl Shape {
    /// The shape named by the flags `--arch` and `--activation`: dense as in `2-64x3`, or convolutional as in `1x28x28-c8k5-c16k3s2` (channels, height
    /// and width of the input, or channels and length; then filters, kernel size or height x width, and stride of every layer).
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(arch: &str, activation: &str) -> Result<Self> {
        if arch.contains('c') { convolutional(arch, activation) } else { dense(arch, activation) }
    }

    /// The shape of a dense network.
    pub fn of_network(architecture: &Architecture) -> Self {
        let layer = |layer: &network::Layer| match layer.activation.kind() {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
                Layer::Scalar { units: layer.groups(), kappa: pieces.slopes.len() }
            }
            ActivationKind::Maxout { rank } => Layer::Maxout { units: layer.groups(), rank: *rank },
            ActivationKind::GroupSort { size } => Layer::GroupSort { groups: layer.groups(), size: *size },
        };
        Self::Dense {
            inputs: architecture.input_dim(),
            layers: architecture.layers().iter().map(layer).collect(),
            rectified: architecture.layers().iter().all(|layer| is_rectified(&layer.activation)),
        }
    }
}

/// Two pieces, one of them flat.
fn is_rectified(activation: &Activation) -> bool {
    activation.scalar().is_some_and(|pieces| pieces.slopes.len() == 2 && pieces.slopes.contains(&0.0))
}

fn dense(arch: &str, activation: &str) -> Result<Shape> {
    let activation: Activation = activation.parse().map_err(|e: Error| e.at("--activation"))?;
    let architecture = Architecture::parse(arch, activation, 1).map_err(|e| e.at("--arch"))?;
    Ok(Shape::of_network(&architecture))
}

fn convolutional(arch: &str, activation: &str) -> Result<Shape> {
    if activation != "relu" {
        return Err(
            Error::usage(format!("{activation}: bounds for convolutional networks are about relu")).at("--activation")
        );
    }
    let bad = |part: &str| {
        Error::usage(format!("'{part}': write for example 1x28x28-c8k5-c16k3s2, or 1x16-c4k3 for one dimension"))
            .at("--arch")
    };
    let mut parts = arch.split('-');
    let first = parts.next().unwrap_or_default();
    let sizes = first.split('x').map(|n| n.parse().map_err(|_| bad(first))).collect::<Result<Vec<usize>>>()?;
    let (mut channels, mut input, is_line) = match *sizes {
        [channels, length] => (channels, [1, length], true),
        [channels, height, width] => (channels, [height, width], false),
        _ => return Err(bad(first)),
    };
    let mut layers = Vec::new();
    for (ix, part) in parts.enumerate() {
        let (filters, kernel, stride) = conv_part(part, is_line).ok_or_else(|| bad(part))?;
        let layer = ConvLayer::new(input, channels, kernel, stride, filters);
        let layer = layer.map_err(|e| Error::usage(format!("layer {}: {e}", ix + 1)).at("--arch"))?;
        (input, channels) = (layer.output(), filters);
        layers.push(layer);
    }
    ConvNetwork::new(layers).map(Shape::Convolutional).map_err(|e| Error::usage(e.to_string()).at("--arch"))
}

/// Filters, kernel and stride of `c8k5`, `c8k3x5` or `c8k5s2`.
fn conv_part(part: &str, is_line: bool) -> Option<(usize, [usize; 2], usize)> {
    let (filters, rest) = part.strip_prefix('c')?.split_once('k')?;
    let (kernel, stride) = rest.split_once('s').unwrap_or((rest, "1"));
    let kernel = match kernel.split_once('x') {
        Some((height, width)) if !is_line => [height.parse().ok()?, width.parse().ok()?],
        Some(_) => return None,
        None => {
            let size = kernel.parse().ok()?;
            if is_line { [1, size] } else { [size, size] }
        }
    };
    Some((filters.parse().ok()?, kernel, stride.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read() {
        let scalar = |units, kappa| Layer::Scalar { units, kappa };
        assert_eq!(
            Shape::parse("2-4x2-3", "relu").unwrap(),
            Shape::Dense { inputs: 2, layers: vec![scalar(4, 2), scalar(4, 2), scalar(3, 2)], rectified: true }
        );
        let rectified = |activation: &str| match Shape::parse("2-4", activation).unwrap() {
            Shape::Dense { rectified, .. } => rectified,
            Shape::Convolutional(_) => panic!("dense"),
        };
        assert!(!rectified("abs") && !rectified("hard-tanh") && !rectified("leaky-relu:0.1"));
        let groups = |activation: &str| match Shape::parse("2-12", activation).unwrap() {
            Shape::Dense { layers, .. } => layers,
            Shape::Convolutional(_) => panic!("dense"),
        };
        assert_eq!(groups("group-sort:4"), [Layer::GroupSort { groups: 3, size: 4 }]);
        assert_eq!(groups("max-min"), [Layer::GroupSort { groups: 6, size: 2 }]);
        assert_eq!(groups("maxout:5"), [Layer::Maxout { units: 12, rank: 5 }]);
        let Shape::Convolutional(network) = Shape::parse("1x3x3-c2k2-c4k1x2s1", "relu").unwrap() else {
            panic!("conv")
        };
        assert_eq!(network.layers()[1].input, [2, 2]);
        assert_eq!(network.layers()[1].kernel, [1, 2]);
    }

    #[test]
    fn bad_shapes_are_refused_with_their_place() {
        for (arch, activation, message) in [
            ("2-0", "relu", "width 0"),
            ("2-5", "group-sort:2", "layer 1 '5': has width 5"),
            ("2-5", "maxout:1", "from 2"),
            ("2-5", "maxout", "maxout:4"),
            ("2-5", "gelu", "unknown activation"),
            ("1x3x3-c2k4", "relu", "kernel height 4"),
            ("1x3x3-c2k0", "relu", "kernel height is 0"),
            ("1x3x3-c0k2", "relu", "filters is 0"),
            ("1x3x3-c2", "relu", "'c2'"),
            ("1x3x3x3-c2k2", "relu", "'1x3x3x3'"),
            ("1x3x3-c2k2", "abs", "relu"),
            ("1x9-c2k2x2", "relu", "'c2k2x2'"),
        ] {
            let error = Shape::parse(arch, activation).unwrap_err().to_string();
            assert!(error.contains(message), "{arch} {activation}: {error}");
        }
    }
}
