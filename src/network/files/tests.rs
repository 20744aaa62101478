//! Tensors become networks, or are refused by name.

use super::*;

fn tensor(name: &str, shape: &[usize]) -> (String, Array) {
    let n: usize = shape.iter().product();
    (name.to_owned(), Array { shape: shape.to_vec(), values: (0..n).map(|v| v as f64).collect() })
}

#[test]
fn layers_are_put_in_numerical_order_and_transposed() {
    let shuffled = vec![
        tensor("10.weight", &[1, 4]),
        tensor("0.bias", &[3]),
        tensor("2.weight", &[4, 3]),
        tensor("0.weight", &[3, 2]),
        tensor("10.bias", &[1]),
    ];
    let network = Network::from_tensors(shuffled, Activation::relu(), None).unwrap();
    assert_eq!(network.architecture().to_string(), "2-3-4");
    assert_eq!(network.affine()[0].weight, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    assert_eq!(network.affine()[1].bias, [0.0; 4], "a missing bias is zero");
}

#[test]
fn wrong_tensors_are_refused_by_name() {
    let cases: [(Vec<(String, Array)>, &str); 9] = [
        (vec![tensor("W0", &[3, 2]), tensor("W2", &[1, 3])], "'W1' is missing"),
        (vec![tensor("W0", &[3, 2]), tensor("W00", &[1, 3])], "'W1' is missing"),
        (vec![tensor("W0", &[3, 2])], "at least two"),
        (vec![tensor("W0", &[3, 2]), tensor("W1", &[1, 4])], "4 inputs"),
        (vec![tensor("W0", &[3, 2]), tensor("b0", &[2]), tensor("W1", &[1, 3])], "bias of shape [2]"),
        (vec![tensor("W0", &[3, 2]), tensor("b1", &[2])], "bias without a weight"),
        (vec![tensor("W0", &[3]), tensor("W1", &[1, 3])], "expected (out, in)"),
        (vec![tensor("W0", &[0, 2]), tensor("W1", &[1, 0])], "are empty"),
        (vec![tensor("W0", &[3, 2]), tensor("running_mean", &[3])], "running_mean"),
    ];
    for (tensors, expected) in cases {
        let message = Network::from_tensors(tensors, Activation::relu(), None).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
}

const IMAGE: &str = "1x4x4-c2k3-3";

fn shaped(tensors: Vec<(String, Array)>, text: &str) -> Result<Network> {
    Network::from_tensors(tensors, Activation::relu(), Some(text))
}

/// A line of two channels and length 3, with a convolution, one with a map of the input, and the read-out: by the definition.
#[test]
fn kernels_are_filters_by_channels_by_length() {
    let tensors = || {
        vec![
            tensor("W0", &[2, 2, 2]),
            tensor("b0", &[2]),
            tensor("W1", &[3, 2, 1]),
            tensor("S1", &[3, 2, 1]),
            tensor("W2", &[1, 6]),
        ]
    };
    let network = shaped(tensors(), "2x3-c2k2-c3k1+").unwrap();
    let x = [0.5, -1.0, 2.0, 0.25, 1.5, -0.75];
    let (w0, w1, w2) = (|f, c, k| (4 * f + 2 * c + k) as f64, |f, c| (2 * f + c) as f64, |i| i as f64);
    let h1 = |f: usize, t: usize| {
        let sum: f64 = (0..2).flat_map(|c| (0..2).map(move |k| w0(f, c, k) * x[3 * c + t + k])).sum();
        (sum + f as f64).max(0.0)
    };
    // The map of the input has stride 2.
    let h2 = |f: usize, t: usize| (0..2).map(|c| w1(f, c) * (h1(c, t) + x[3 * c + 2 * t])).sum::<f64>().max(0.0);
    let output: f64 = (0..3).flat_map(|f| (0..2).map(move |t| w2(2 * f + t) * h2(f, t))).sum();
    assert_eq!(network.outputs(&x), [output]);
    // The names of a framework: the skip's bias is added to the layer's.
    let renamed = |(name, array): (String, Array)| {
        let names = [
            ("W0", "0.weight"),
            ("b0", "0.bias"),
            ("W1", "2.body.weight"),
            ("S1", "2.shortcut.weight"),
            ("W2", "10.weight"),
        ];
        (names.iter().find(|(old, _)| *old == name).expect("its name").1.to_owned(), array)
    };
    let mut named: Vec<_> = tensors().into_iter().map(renamed).collect();
    assert_eq!(shaped(named.clone(), "2x3-c2k2-c3k1+").unwrap().outputs(&x), [output]);
    named.push(tensor("2.shortcut.bias", &[3]));
    assert_eq!(shaped(named, "2x3-c2k2-c3k1+").unwrap().affine()[1].bias, [0.0, 1.0, 2.0]);
}

/// Letters are in alphabetical order only by chance.
#[test]
fn layers_without_numbers_are_in_the_order_of_their_shapes() {
    let body = || vec![tensor("head.weight", &[1, 3]), tensor("net.weight", &[3, 2]), tensor("net.bias", &[3])];
    let network = Network::from_tensors(body(), Activation::relu(), None).unwrap();
    assert_eq!(
        (network.architecture().to_string().as_str(), &network.affine()[0].bias[..]),
        ("2-3", &[0.0, 1.0, 2.0][..])
    );
    assert_eq!(shaped(body(), "2-3").unwrap().affine(), network.affine());
    let residual = vec![
        tensor("head.weight", &[1, 4]),
        tensor("stage.0.body.weight", &[4, 4]),
        tensor("stage.0.shortcut.weight", &[4, 4]),
        tensor("stage.1.body.weight", &[4, 4]),
        tensor("stage.1.shortcut.weight", &[4, 4]),
        tensor("Stem.weight", &[4, 3]),
    ];
    let network = shaped(residual, "3-4-4+1-4+2").unwrap();
    assert_eq!((network.affine()[0].weight.len(), network.affine()[3].weight.len()), (12, 4));
    for (tensors, message) in [
        (vec![tensor("a.weight", &[3, 3]), tensor("b.weight", &[3, 3])], "a, b or b, a may be the layers"),
        (vec![tensor("a.weight", &[3, 2]), tensor("b.weight", &[3, 4])], "no order of a, b"),
    ] {
        let error = Network::from_tensors(tensors, Activation::relu(), None).unwrap_err().to_string();
        assert!(error.contains(message) && error.contains("W0, W1"), "{error}");
    }
}

#[test]
fn names_of_any_length_are_quoted_in_part() {
    let name = "long.".repeat(1000);
    let tensors = vec![tensor(&format!("0.{name}bias"), &[3]), tensor("1.weight", &[3, 2])];
    let error = Network::from_tensors(tensors, Activation::relu(), None).unwrap_err().to_string();
    assert!(error.len() < 200 && error.contains("...' has a bias"), "{error}");
}

#[test]
fn normalisation_is_composed_with_the_map_before_it() {
    let with = |more: Vec<(String, Array)>| {
        let mut tensors = vec![tensor("0.weight", &[2, 3]), tensor("0.bias", &[2]), tensor("3.weight", &[1, 2])];
        tensors.extend(more);
        Network::from_tensors(tensors, Activation::relu(), None)
    };
    let norm = |module: &str| {
        ["weight", "bias", "running_mean", "running_var"].map(|name| tensor(&format!("{module}.{name}"), &[2])).to_vec()
    };
    // Gains, shifts, means and variances 0 and 1: the second row of weights is (3, 4, 5), its bias 1.
    let network = with(norm("1")).unwrap();
    let scale = 1.0 / (1.0 + 1e-5f64).sqrt();
    assert_eq!(network.affine()[0].weight, [0.0, 3.0 * scale, 0.0, 4.0 * scale, 0.0, 5.0 * scale]);
    assert_eq!(network.affine()[0].bias, [0.0, 1.0]);
    for (module, expected) in
        [("2", "tensor '2.running_mean'"), ("bn1", "tensor 'bn1.running_mean'"), ("4", "expected (1,)")]
    {
        let message = with(norm(module)).expect_err(module).to_string();
        assert!(message.contains(expected), "{message}");
    }
    let mut negative = norm("1");
    negative[3].1.values[0] = -1.0;
    assert!(with(negative).unwrap_err().to_string().contains("1.running_var: element 0 is -1"));
    assert!(with(norm("1")[..3].to_vec()).unwrap_err().to_string().contains("alone"));
}

#[test]
fn tensors_that_do_not_fit_their_architecture_are_refused_by_name() {
    let good = || vec![tensor("W0", &[2, 1, 3, 3]), tensor("W1", &[3, 8]), tensor("W2", &[1, 3])];
    shaped(good(), IMAGE).unwrap();
    type Change = fn(&mut Vec<(String, Array)>);
    let cases: [(Change, &[&str]); 9] = [
        (|t| t[0] = tensor("W0", &[2, 3, 3]), &["W0", "(2, 3, 3)", "hidden layer 1 of 1x4x4", "(2, 1, 3, 3)"]),
        (|t| t[1] = tensor("W1", &[8, 3]), &["W1", "(8, 3)", "hidden layer 2", "(3, 8)"]),
        (|t| t[2] = tensor("W2", &[1, 4]), &["W2", "(1, 4)", "the read-out", "(1, 3)"]),
        (|t| t[2] = tensor("W2", &[1, 3, 1]), &["W2", "[1, 3, 1]", "read-out, (out, in)"]),
        (|t| t.truncate(2), &["takes 3 weight tensors", "the file has 2: W0, W1"]),
        (|t| t.push(tensor("W3", &[1, 1])), &["takes 3 weight tensors", "the file has 4"]),
        (|t| t.push(tensor("b0", &[8])), &["W0", "bias of shape [8]", "(2,)"]),
        (|t| t.push(tensor("S1", &[3, 8])), &["takes 0 weight tensors of skips", "1: S1"]),
        (|t| t[0].1.values[3] = f64::NAN, &["W0", "NaN"]),
    ];
    for (change, parts) in cases {
        let mut tensors = good();
        change(&mut tensors);
        let message = shaped(tensors, IMAGE).expect_err(parts[0]).to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
    }
    let message = Network::from_tensors(good(), Activation::relu(), None).unwrap_err().to_string();
    assert!(message.contains("W0") && message.contains("--arch"), "{message}");
    let skip =
        |name: &str| vec![tensor("W0", &[4, 3]), tensor("W1", &[4, 4]), tensor(name, &[4, 3]), tensor("W2", &[1, 4])];
    shaped(skip("S1"), "3-4-4+").unwrap();
    let message = shaped(skip("S0"), "3-4-4+").unwrap_err().to_string();
    assert!(message.contains("'S0'") && message.contains("'S1'"), "{message}");
    let message = Network::from_tensors(skip("S1"), Activation::relu(), None).unwrap_err().to_string();
    assert!(message.contains("S1") && message.contains("--arch"), "{message}");
}
