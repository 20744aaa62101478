//! Shapes of networks as far as bounds depend on them.

use super::catalogue::{Shape, SpecialShape, convolutions};
use super::regions::piecewise::Layer;
use crate::error::{Error, Result};
use crate::network::{self, Activation, ActivationKind, Architecture};

impl Shape {
    /// The shape named by the flags `--arch` and `--activation`, as [`Architecture::parse`] reads it.
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(arch: &str, activation: &str) -> Result<Self> {
        let activation: Activation = activation.parse().map_err(|e: Error| e.at("--activation"))?;
        let architecture = Architecture::parse(arch, activation, 1).map_err(|e| e.at("--arch"))?;
        Ok(Self::of_network(&architecture))
    }

    /// The shape of a network.
    pub fn of_network(architecture: &Architecture) -> Self {
        let is_chain = architecture.is_dense_chain();
        // Layers without breakpoints are a part of the affine map of the next one; dense ones are named as they are.
        let counts = |layer: &network::Layer| is_chain || layer.activation.n_switches() > 0;
        let layers: Vec<(usize, &network::Layer)> =
            architecture.layers().iter().enumerate().filter(|(_, layer)| counts(layer)).collect();
        let rectified = layers.iter().all(|(_, layer)| is_rectified(&layer.activation));
        let layers = layers.into_iter().map(|(ix, layer)| (ix, of_layer(layer)));
        if is_chain {
            let layers = layers.map(|(_, layer)| layer).collect();
            return Self::Dense { inputs: architecture.input_dim(), layers, rectified };
        }
        match convolutions(architecture, rectified) {
            Ok(network) => Self::Convolutional(network),
            Err(reason) => Self::Special(SpecialShape::new(architecture, layers.collect(), rectified, reason)),
        }
    }
}

fn of_layer(layer: &network::Layer) -> Layer {
    match layer.activation.kind() {
        ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
            Layer::Scalar { units: layer.groups(), kappa: pieces.slopes.len() }
        }
        ActivationKind::Maxout { rank } => Layer::Maxout { units: layer.groups(), rank: *rank },
        ActivationKind::GroupSort { size } => Layer::GroupSort { groups: layer.groups(), size: *size },
    }
}

/// Two pieces, one of them flat.
fn is_rectified(activation: &Activation) -> bool {
    activation.scalar().is_some_and(|pieces| pieces.slopes.len() == 2 && pieces.slopes.contains(&0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::catalogue::{Entry, Value, region_bounds};

    #[test]
    fn shapes_are_read() {
        let scalar = |units, kappa| Layer::Scalar { units, kappa };
        assert_eq!(
            Shape::parse("2-4x2-3", "relu").unwrap(),
            Shape::Dense { inputs: 2, layers: vec![scalar(4, 2), scalar(4, 2), scalar(3, 2)], rectified: true }
        );
        let dense = |activation: &str| match Shape::parse("2-12", activation).unwrap() {
            Shape::Dense { layers, rectified, .. } => (layers, rectified),
            _ => panic!("dense"),
        };
        assert!(["abs", "hard-tanh", "leaky-relu:0.1"].iter().all(|activation| !dense(activation).1));
        assert_eq!(dense("group-sort:4").0, [Layer::GroupSort { groups: 3, size: 4 }]);
        assert_eq!(dense("max-min").0, [Layer::GroupSort { groups: 6, size: 2 }]);
        assert_eq!(dense("maxout:5").0, [Layer::Maxout { units: 12, rank: 5 }]);
        assert_eq!(dense("identity").0, [scalar(12, 1)]);
        let Shape::Convolutional(network) = Shape::parse("1x3x3-c2k2-c4k1x2s1", "relu").unwrap() else {
            panic!("conv")
        };
        assert_eq!(network.layers()[1].input, [2, 2]);
        assert_eq!(network.layers()[1].kernel, [1, 2]);
    }

    fn bounds(arch: &str, activation: &str) -> Vec<Entry> {
        region_bounds(&Shape::parse(arch, activation).unwrap())
    }

    fn find<'a>(entries: &'a [Entry], id: &str) -> &'a Entry {
        entries.iter().find(|entry| entry.id == id).unwrap()
    }

    /// Average pooling is no layer of its own, but lets less dimensions pass; without it the same bounds are those of dense layers.
    #[test]
    fn convolutions_have_the_upper_bounds_of_dense_layers() {
        for (special, dense, activation) in [
            ("1x4x4-c2k3p1-5", "16-32-5", "relu"),
            ("2x7-c4k3g2-c2k2-4", "14-20-8-4", "abs"),
            ("1x4x4-avg2s1-c3k2-7", "16-12-7", "relu"),
            ("1x6-c2k3-avg", "6-8", "leaky-relu:0.1"),
        ] {
            let (special, dense) = (bounds(special, activation), bounds(dense, activation));
            for id in [
                "trivial_upper",
                "raghu_2017_upper",
                "montufar_2017_upper",
                "serra_2018_upper",
                "hinz_vandegeer_2019_upper",
            ] {
                let is_relu = activation == "relu";
                let applies = is_relu || id != "serra_2018_upper" && id != "hinz_vandegeer_2019_upper";
                assert_eq!(find(&special, id).value.is_ok(), applies, "{id}");
                assert_eq!(find(&special, id).value, find(&dense, id).value, "{id}");
            }
            assert!(find(&special, "montufar_2014_lower").value.is_err());
        }
        // Of 16 values behind the convolution the pooling leaves 2 to the last layer: 1 + 5 + 10 regions.
        let count = |arch, id| find(&bounds(arch, "relu"), id).value.clone().unwrap();
        let text = |arch, id| format!("{:?}", count(arch, id));
        let number = |n: u32| format!("{:?}", Value::Count(n.into()));
        assert_eq!(text("1x9-c2k2-avg-5", "layer_polynomial_upper"), number(50_643 * 16));
        assert_eq!(text("1x9-c2k2-avg-5", "montufar_2017_upper"), number(50_643 * 32));
        // The largest of 2 x 2 values: the factor of a maxout layer of rank 4.
        assert_eq!(text("1x4x4-c1k1-max2", "layer_polynomial_upper"), number(65_536 * 256));
    }

    /// 3 inputs; a layer of 2 that leaves 2 dimensions, unless the input passes by it.
    #[test]
    fn skips_let_more_dimensions_pass() {
        let count = |arch, id| find(&bounds(arch, "relu"), id).value.clone().map(|value| format!("{value:?}"));
        let number = |n: u32| Ok(format!("{:?}", Value::Count(n.into())));
        assert_eq!(count("3-2-5", "layer_polynomial_upper"), number(4 * 16));
        assert_eq!(count("3-2-5+", "layer_polynomial_upper"), number(4 * 26));
        // All that the third layer sees are functions of the 2 outputs of the first; then of 1.
        assert_eq!(count("3-2-1-5+1", "layer_polynomial_upper"), number(4 * 2 * 16));
        assert_eq!(count("3-1-1-5+1", "layer_polynomial_upper"), number(2 * 2 * 6));
        assert_eq!(count("3-2-5+", "raghu_2017_upper"), number(4 * 26));
        for id in ["montufar_2017_upper", "serra_2018_upper", "zaslavsky_1975", "serra_2018_lower"] {
            assert!(count("3-2-5+", id).is_err(), "{id}");
        }
    }

    #[test]
    fn theorems_on_convolutions_say_what_they_do_not_know() {
        for (arch, activation, reason) in [
            ("1x5x5-c2k2-c2k2p1", "relu", "hidden layer 2 has padding"),
            ("2x5x5-c2k2g2", "relu", "hidden layer 1 has groups"),
            ("1x5x5-c2k2s1x2", "relu", "hidden layer 1 has two strides"),
            ("1x5x5-c2k2-avg2", "relu", "hidden layer 2 is an average pooling"),
            ("1x5x5-c2k2-max2", "relu", "hidden layer 2 is a max-pooling"),
            ("1x5x5-c2k2-3", "relu", "hidden layer 2 is dense"),
            ("1x5x5-c2k1-c2k1~1", "relu", "hidden layer 2 adds"),
            ("1x5x5-c2k2", "abs", "rectified"),
        ] {
            for id in ["xiong_2020_one_layer", "one_layer_regions", "xiong_2020_lower", "xiong_2020_upper"] {
                let reason_given = find(&bounds(arch, activation), id).value.clone().unwrap_err().to_string();
                assert!(reason_given.contains(reason), "{arch}: {reason_given}");
            }
        }
    }

    #[test]
    fn bad_shapes_are_refused_with_their_place() {
        for (arch, activation, message) in [
            ("2-0", "relu", "width 0"),
            ("2-5", "group-sort:2", "layer 1 '5': has width 5"),
            ("2-5", "maxout:1", "from 2"),
            ("2-5", "maxout", "maxout:4"),
            ("2-5", "gelu", "unknown activation"),
            ("1x3x3-c2k4", "relu", "hidden layer 1 'c2k4': a kernel of height 4"),
            ("1x3x3-c2k0", "relu", "kernel of height 0"),
            ("1x3x3-c0k2", "relu", "0 filters"),
            ("1x3x3-c2", "relu", "'c2'"),
            ("1x3x3x3-c2k2", "relu", "'1x3x3x3'"),
            ("1x9-c2k2x2", "relu", "'c2k2x2'"),
        ] {
            let error = Shape::parse(arch, activation).unwrap_err().to_string();
            assert!(error.contains(message), "{arch} {activation}: {error}");
        }
    }
}
