//! Pre-activations that follow from bends against those that are all computed by the layer's map.

use super::*;
use crate::network::{Activation, BiasLaw, Network, RandomNetwork, WeightLaw};
use crate::path::{Path, PathLaw, RandomPath, StartLaw};

/// The crossings along a path, as if each pre-activation took so many products: one, and all are computed; very many, and as few as
/// possible are.
fn crossings(network: &Network, path: &Path, rows: usize, products: usize) -> Vec<Crossing> {
    let mut pipeline = Pipeline::<f64>::new(network.architecture(), rows);
    pipeline.stages.iter_mut().filter(|stage| stage.products > 0).for_each(|stage| stage.products = products);
    pipeline.reset(true);
    let stop = AtomicBool::new(false);
    for first in (0..path.n_vertices()).step_by(rows) {
        let mut block = Block::new([path.dim(), 0], [0; 2], rows);
        for vertex in first..path.n_vertices().min(first + rows) {
            block.push_point(path.vertex(vertex), path.positions()[vertex]);
        }
        pipeline.advance(network.affine(), &block, &stop).unwrap_or_else(|_| panic!("finite weights"));
    }
    pipeline.finish(network.affine(), &stop).unwrap_or_else(|_| panic!("finite weights"));
    let mut crossings = pipeline.take_log();
    crossings.sort_by_key(|c| (c.layer, c.unit, c.breakpoint));
    crossings
}

/// Asserts that all are crossings of the same units at positions that differ by less than 1e-9, and returns the number of crossings.
fn compare(
    shape: &str,
    activation: &str,
    bias: BiasLaw,
    change: impl Fn(&Network) -> Network,
) -> Result<usize, String> {
    let activation = activation.parse::<Activation>().expect("an activation");
    let architecture = Architecture::parse(shape, activation, 1).expect("a shape");
    let law = RandomNetwork::new(architecture, WeightLaw::HeNormal, bias, 11).expect("valid laws");
    let dim = law.architecture().input_dim();
    let mut total = 0;
    for draw in 0..12 {
        let network = law.draw(draw);
        let path_law = PathLaw::from_flags("polyline:4", StartLaw::Normal(1.0), 1.0, dim).expect("a law");
        let path = RandomPath::new(path_law, dim, 3).and_then(|law| law.draw(draw, 0, 1)).expect("a path");
        // Blocks that hold a few vertices of an interval, an interval, or all.
        for rows in [2, 3, 7, 400] {
            let (computed, followed) =
                (crossings(&network, &path, rows, 1), crossings(&change(&network), &path, rows, 1 << 30));
            let differ = |(a, b): (&Crossing, &Crossing)| {
                (a.layer, a.unit, a.breakpoint, a.rising) != (b.layer, b.unit, b.breakpoint, b.rising)
                    || (a.position - b.position).abs() > 1e-9
            };
            if computed.len() != followed.len() || computed.iter().zip(&followed).any(differ) {
                return Err(format!("{shape}, draw {draw}, blocks of {rows}"));
            }
            total += computed.len();
        }
    }
    Ok(total)
}

#[test]
fn pre_activations_follow_from_bends() {
    for (shape, activation) in [
        ("2-7x4", "relu"),
        ("3-9x3", "hard-tanh"),
        ("2-6x3", "soft-threshold:0.3"),
        ("2-5-33-5", "abs"),
        // Skips of the layer's own inputs and of earlier ones, with and without a map.
        ("3-8-8~1-8+2-8~1", "leaky-relu:0.2"),
        ("4-6-6+x3", "relu"),
        ("2x5x4-c4k3p1-c6k3x2s2p1g2-c5k1", "relu"),
        ("1x9x7-c3k3p1-avg2-c4k2p1-max2-5", "relu"),
        ("4x9-c4k3p1g4-c4k3p1~1-avg4s2-6", "relu"),
    ] {
        let total = compare(shape, activation, BiasLaw::Normal(0.2), Network::clone).unwrap();
        assert!(total > 1000, "{shape}: {total}");
    }
    // Whole layers and windows that fall silent, behind which pre-activations are exactly zero.
    for shape in ["2-3x4", "1x6x6-c2k3p1-c2k3p1-c2k3p1-c2k3p1"] {
        compare(shape, "relu", BiasLaw::Zero, Network::clone).unwrap();
    }
}

/// The negative control: a weight of the second layer that is off by a millionth.
#[test]
fn a_wrong_column_is_seen() {
    let change = |network: &Network| {
        let mut affine = network.affine().to_vec();
        affine[1].weight[3] *= 1.0 + 1e-6;
        Network::new(network.architecture().clone(), affine).expect("finite weights")
    };
    compare("2-7x4", "relu", BiasLaw::Normal(0.2), change).unwrap_err();
}
