//! Convolutions, pools and skips are special dense layers: the same function, and the same crossings.

mod common;

use common::connections::{Connection, connections, members};
use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Method, Precision};
use linregions::network::{Activation, ActivationKind, AffineWeights, Architecture, Network};
use linregions::trace::{Crossing, Trace};

/// What carries a value along passes a rectified linear unit with this added, far from its breakpoint.
const SHIFT: f64 = 1024.0;

/// The weights of a dense layer of units with these connections to places among `n_inputs`.
fn dense(units: &[(Vec<(usize, f64)>, f64)], n_inputs: usize) -> AffineWeights<f64> {
    let mut weight = vec![0.0; n_inputs * units.len()];
    for (unit, (connections, _)) in units.iter().enumerate() {
        connections.iter().for_each(|&(place, w)| weight[place * units.len() + unit] += w);
    }
    AffineWeights::new(weight, units.iter().map(|(_, bias)| *bias).collect())
}

/// A network without skips, with every layer written as a dense one, in which units of several pre-activations have them in
/// consecutive rows.
fn expanded(network: &Network) -> Network {
    let shape = network.architecture();
    let layers: Vec<_> = shape.layers().iter().map(|l| (l.outputs(), l.activation.clone())).collect();
    // Of every output of the layer before its place in the dense layer.
    let mut places: Vec<usize> = (0..shape.input_dim()).collect();
    let mut affine = Vec::new();
    for (ix, layer) in shape.layers().iter().enumerate() {
        let units = connections(network, ix);
        let rows: Vec<usize> = (0..layer.groups()).flat_map(|unit| members(layer, unit)).collect();
        let of_row = |&row: &usize| {
            let (list, bias) = &units[row];
            (list.iter().map(|c| (places[c.place], c.weight)).collect(), *bias)
        };
        affine.push(dense(&rows.iter().map(of_row).collect::<Vec<_>>(), shape.source_len(ix)));
        places = (0..layer.outputs()).collect();
        if let ActivationKind::GroupSort { .. } = layer.activation.kind() {
            rows.iter().enumerate().for_each(|(place, &row)| places[row] = place);
        }
    }
    let mut readout = network.affine()[shape.depth()].clone();
    let weights = readout.weight.clone();
    for (weights, &place) in weights.chunks_exact(shape.outputs()).zip(&places) {
        readout.weight[place * shape.outputs()..][..shape.outputs()].copy_from_slice(weights);
    }
    affine.push(readout);
    Network::new(Architecture::new(shape.input_dim(), layers, shape.outputs()).expect("valid"), affine).expect("fits")
}

/// A rectifier network with skips as a chain of dense layers, in which units behind those of every layer carry the input and the
/// outputs of all layers before.
fn carried(network: &Network) -> Network {
    let shape = network.architecture();
    // A source is at the front while it is the input of the layer, and carried, shifted, from then on.
    let place = |layer: usize, source: usize| match source == layer {
        true => (0, 0.0),
        false => ((shape.source_len(layer) + (0..source).map(|s| shape.source_len(s)).sum::<usize>()), SHIFT),
    };
    let mut affine = Vec::new();
    let mut widths = Vec::new();
    for layer in 0..shape.depth() {
        let n_inputs = shape.source_len(layer) + (0..layer).map(|s| shape.source_len(s)).sum::<usize>();
        let at = |c: &Connection| {
            let (first, shift) = place(layer, c.source);
            ((first + c.place, c.weight), -shift * c.weight)
        };
        let mut units: Vec<(Vec<(usize, f64)>, f64)> = Vec::new();
        for (list, bias) in connections(network, layer) {
            let (list, shifts): (Vec<_>, Vec<f64>) = list.iter().map(at).unzip();
            units.push((list, bias + shifts.iter().sum::<f64>()));
        }
        for source in 0..=layer {
            let (first, shift) = place(layer, source);
            units.extend((0..shape.source_len(source)).map(|i| (vec![(first + i, 1.0)], SHIFT - shift)));
        }
        widths.push(units.len());
        affine.push(dense(&units, n_inputs));
    }
    let readout = &network.affine()[shape.depth()];
    let n_carried = widths[shape.depth() - 1] - shape.source_len(shape.depth());
    let weight = [readout.weight.clone(), vec![0.0; n_carried * shape.outputs()]].concat();
    affine.push(AffineWeights::new(weight, readout.bias.clone()));
    let architecture = Architecture::dense(shape.input_dim(), &widths, Activation::relu(), shape.outputs());
    Network::new(architecture.expect("valid"), affine).expect("fits")
}

fn assert_same(one: &Trace, other: &Trace, place: &str) {
    let of = |trace: &Trace| -> Vec<Crossing> {
        let mut all = trace.crossings.clone();
        all.sort_by_key(|c| (c.layer, c.unit, c.breakpoint));
        all
    };
    let (a, b) = (of(one), of(other));
    assert_eq!(a.len(), b.len(), "{place}");
    for (a, b) in a.iter().zip(&b) {
        assert_eq!((a.layer, a.unit, a.breakpoint, a.rising), (b.layer, b.unit, b.breakpoint, b.rising), "{place}");
        assert!((a.position - b.position).abs() < 1e-9, "{place}: {a:?} against {b:?}");
    }
    assert_eq!((one.boundaries.len(), one.n_knots()), (other.boundaries.len(), other.n_knots()), "{place}");
}

#[test]
fn traces_equal_those_of_the_dense_networks() {
    let engine = CpuEngine::new(Some(1), Precision::F64).expect("one thread");
    let mut hidden = 0;
    for (seed, (shape, activation)) in [
        ("1x9-c4k3-c3k2s2-7", "relu"),
        ("2x15-c5k4s3p2-max2-c4k3p1-avg", "abs"),
        ("2x7x6-c6k3p1g2-max3s2p1-c4k2-9", "relu"),
        ("3x8x8-c8k3x2s2p1x0-avg2s1-c4k2g4-5", "hard-tanh"),
        ("1x6x6-max2s1-c3k3-4", "leaky-relu:0.1"),
        ("2x6x6-c2k3-c2k3-max-2x3", "relu"),
        ("2x7x6-c6k3p1g2-avg2-c4k2-5", "maxout:2"),
        ("1x9-c6k3-c9k3s2p1-6", "group-sort:3"),
        ("2x6x5-c4k3x2p1-c6k3-4", "max-min"),
        ("2x9-c4k3p1-max2-c2k2", "maxout:3"),
    ]
    .into_iter()
    .enumerate()
    {
        let (seed, bias) = (seed.to_string(), ("bias", "normal:0.5"));
        let ensemble = common::ensemble(&[("arch", shape), ("activation", activation), ("seed", &seed), bias]);
        for draw in 0..6 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
            let trace = Trace::reference(&network, &path).expect("finite");
            let dense = expanded(&network);
            let (ours, theirs) = (network.outputs(path.vertex(0)), dense.outputs(path.vertex(0)));
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + a.abs())), "{shape}");
            assert_same(&trace, &Trace::reference(&dense, &path).expect("finite"), &format!("{shape} draw {draw}"));
            for method in [Method::Exact, Method::Sampled { grid: 777 }] {
                let count = |network| engine.count_given(network, &[&path], method).expect("finite").remove(0);
                let (ours, theirs) = (count(&network), count(&dense));
                assert_eq!(
                    (ours.crossings, ours.boundaries),
                    (theirs.crossings, theirs.boundaries),
                    "{shape} {method:?}"
                );
            }
            hidden += trace.boundaries.len() - trace.n_knots();
        }
    }
    assert!(hidden > 20, "{hidden} kinks hidden by pools");
}

#[test]
fn traces_equal_those_of_networks_that_carry_what_is_added() {
    let mut crossings = 0;
    for (seed, shape) in [
        "3-7-7~1-5-5~3",
        "2-6-6+x4",
        "3-[7-3]x4",
        "2-[5-4]-[4-4]-[4-3]",
        "1x8-c3k3p1-[c3k3p1-c3k3p1]-[c4k3s2p1-c4k3p1]",
    ]
    .into_iter()
    .enumerate()
    {
        let ensemble = common::ensemble(&[("arch", shape), ("seed", &seed.to_string()), ("bias", "normal:0.5")]);
        for draw in 0..20 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
            let trace = Trace::reference(&network, &path).expect("finite");
            let dense = carried(&network);
            assert_same(&trace, &Trace::reference(&dense, &path).expect("finite"), &format!("{shape} draw {draw}"));
            crossings += trace.crossings.len();
        }
    }
    assert!(crossings > 500, "{crossings}");
}

/// The pre-activation of a filter at a window is a normal process given the path, so the expected crossings of one convolutional layer are
/// the sum over windows of arccos(rho) / pi, with rho the correlation at the ends of the segment; at every number of filters. Mean
/// difference over 4000 networks and paths (seed 5) within 4.9 standard errors: false-alarm rate 1e-6 for each shape.
#[test]
fn one_convolutional_layer_crosses_as_often_as_its_windows_turn() {
    let engine = CpuEngine::new(Some(1), Precision::F32).expect("one thread");
    for shape in ["2x6x5-c3k3x2s1p1", "1x12-c5k4s3", "4x5x5-c4k3g2"] {
        let ensemble = common::ensemble(&[("arch", shape), ("bias", "normal:0.3"), ("seed", "5")]);
        let n = 4000;
        let counts = engine.count(&ensemble, Method::Exact, 0..n, &common::GO_ON).expect("finite");
        // The windows do not depend on the draw.
        let network = ensemble.network.draw(0);
        let layer = &network.architecture().layers()[0];
        let variance = ensemble.network.weights().variance(layer.affine);
        let units = connections(&network, 0);
        let expected = |draw: u64| -> f64 {
            let path = ensemble.path.draw(draw, 0, 1).expect("short");
            let covariance = |list: &[Connection], a: usize, b: usize| {
                let products = list.iter().map(|c| path.vertex(a)[c.place] * path.vertex(b)[c.place]);
                variance * products.sum::<f64>() + 0.09
            };
            let angle = |(list, _): &(Vec<Connection>, f64)| {
                let [q, s, r] = [(0, 0), (1, 1), (0, 1)].map(|(a, b)| covariance(list, a, b));
                (r / (q * s).sqrt()).clamp(-1.0, 1.0).acos() / std::f64::consts::PI
            };
            units.iter().map(angle).sum()
        };
        let differences: Vec<f64> =
            counts.iter().enumerate().map(|(draw, c)| c.crossings[0] as f64 - expected(draw as u64)).collect();
        let mean = differences.iter().sum::<f64>() / n as f64;
        let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n * (n - 1)) as f64;
        assert!((mean / variance.sqrt()).abs() < 4.9, "{shape}: {mean} +- {}", variance.sqrt());
        assert!(variance.sqrt() < 0.2, "{shape}");
    }
}
