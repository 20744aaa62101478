//! Bounds on the number of regions against published and independently computed numbers, literal sums, each other, and what is counted.

mod common;

use linregions::engine::Method;
use linregions::theory::regions::dense::*;
use linregions::theory::regions::piecewise::*;
use num_bigint::BigUint;
use serde_json::Value;

fn vectors(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors/bounds.json")).expect("JSON");
    all[kind].as_array().expect("a list").clone()
}

fn inputs_and_widths(vector: &Value) -> (usize, Vec<usize>) {
    let number = |v: &Value| v.as_u64().expect("a whole number") as usize;
    (number(&vector["n0"]), vector["widths"].as_array().expect("a list").iter().map(number).collect())
}

fn big(text: &Value) -> Option<BigUint> {
    text.as_str().map(|digits| digits.parse().expect("digits"))
}

#[test]
fn dense_relu_bounds_have_their_known_values() {
    let vectors = vectors("relu");
    assert!(vectors.len() >= 10);
    for vector in vectors {
        let (inputs, widths) = inputs_and_widths(&vector);
        let check = |name: &str, value: Option<BigUint>| assert_eq!(value, big(&vector[name]), "{name}: {vector}");
        check("naive", Some(trivial_upper(&widths, 2)));
        check("raghu", Some(raghu_2017_upper(inputs, &widths)));
        check("montufar2017", Some(montufar_2017_upper(inputs, &widths)));
        check("serra", Some(serra_2018_upper(inputs, &widths)));
        check("serra", Some(hinz_vandegeer_2019_upper(inputs, &widths)));
        check("lb_pascanu", pascanu_2013_lower(inputs, &widths).ok());
        check("lb_montufar2014", montufar_2014_lower(inputs, &widths).ok());
        check("lb_serra", serra_2018_lower(inputs, &widths).ok());
        check("lb_arora", arora_2018_lower(inputs, &widths).ok());
    }
}

/// More values of the same bounds: 2^N, Montufar 2017, Serra, then the lower bounds of Pascanu 2013, Montufar 2014 and Serra.
#[test]
fn dense_relu_bounds_have_further_known_values() {
    for (inputs, widths, upper, lower) in [
        (1, vec![8, 8, 8], [16_777_216u64, 729, 729], [576u64, 576, 729]),
        (2, vec![4, 4], [256, 121, 121], [22, 44, 0]),
        (2, vec![10, 12], [4_194_304, 4424, 4424], [395, 1975, 2844]),
        (4, vec![8, 8, 8], [16_777_216, 4_330_747, 4_330_747], [652, 41_728, 0]),
        (2, vec![3, 2, 4], [512, 308, 133], [11, 11, 0]),
        (4, vec![2, 2, 2, 2], [256, 256, 85], [0, 0, 0]),
        (2, vec![1, 1], [4, 4, 3], [0, 0, 0]),
        (3, vec![4, 4, 4], [4096, 3375, 1631], [15, 15, 0]),
        (
            10,
            vec![20, 20, 20],
            [1 << 60, 234_503_869_074_896_296, 234_503_869_074_896_296],
            [2_466_664, 646_621_167_616, 0],
        ),
        // The configurations of 22 hidden units of Serra et al. 2018, section 7, without and with ten outputs.
        (784, vec![1, 21], [1 << 22, 44, 23], [0, 0, 0]),
        (784, vec![5, 17], [1 << 22, 300_864, 35_443], [0, 0, 0]),
        (784, vec![8, 14], [1 << 22, 3_305_216, 600_370], [0, 0, 0]),
        (784, vec![11, 11], [1 << 22, 4_194_304, 2_449_868], [0, 0, 0]),
        (784, vec![12, 10], [1 << 22, 4_194_304, 3_096_514], [0, 0, 0]),
        (784, vec![17, 5], [1 << 22, 4_194_304, 4_185_195], [0, 0, 0]),
        (784, vec![21, 1], [1 << 22, 4_194_304, 4_194_303], [0, 0, 0]),
        (784, vec![1, 21, 10], [1 << 32, 484, 243], [0, 0, 0]),
        (784, vec![5, 17, 10], [1 << 32, 191_951_232, 13_756_567], [0, 0, 0]),
        (784, vec![8, 14, 10], [1 << 32, 3_348_183_808, 411_552_217], [0, 0, 0]),
        (784, vec![11, 11, 10], [1 << 32, 4_294_967_296, 1_690_286_436], [0, 0, 0]),
        (784, vec![12, 10, 10], [1 << 32, 4_294_967_296, 1_902_816_995], [0, 0, 0]),
        (784, vec![17, 5, 10], [1 << 32, 2_675_965_952, 645_713_191], [0, 0, 0]),
        (784, vec![21, 1, 10], [1 << 32, 46_137_344, 25_165_813], [0, 0, 0]),
    ] {
        let place = format!("{inputs} {widths:?}");
        let found =
            [trivial_upper(&widths, 2), montufar_2017_upper(inputs, &widths), serra_2018_upper(inputs, &widths)];
        assert_eq!(found, upper.map(BigUint::from), "{place}");
        let bounds = [pascanu_2013_lower, montufar_2014_lower, serra_2018_lower];
        for (bound, expected) in bounds.iter().zip(lower) {
            // 0 stands for a bound whose hypotheses fail.
            assert_eq!(bound(inputs, &widths).ok(), Some(BigUint::from(expected)).filter(|_| expected > 0), "{place}");
        }
    }
}

#[test]
fn maxout_spline_and_sorting_bounds_have_their_known_values() {
    for vector in vectors("maxout_cpwl") {
        let (inputs, widths) = inputs_and_widths(&vector);
        let k = vector["k"].as_u64().expect("a rank") as usize;
        let maxout: Vec<Layer> = widths.iter().map(|&units| Layer::Maxout { units, rank: k }).collect();
        let scalar: Vec<Layer> = widths.iter().map(|&units| Layer::Scalar { units, kappa: k }).collect();
        let check = |name: &str, value: Option<BigUint>| assert_eq!(value, big(&vector[name]), "{name}: {vector}");
        check("maxout_serra", serra_2018_maxout_upper(inputs, &maxout).ok());
        check("maxout_sharp", montufar_ren_zhang_2021_upper(inputs, &maxout).ok());
        check("cpwl_kappa", Some(goujon_2024_upper(inputs, &scalar)));
        check("cpwl_kappa", Some(layer_polynomial_upper(inputs, &scalar)));
        check("lb_sawtooth", zigzag_lower(inputs, &scalar).ok());
        assert!(serra_2018_maxout_upper(inputs, &scalar).is_err() && zigzag_lower(inputs, &maxout).is_err());
    }
    for vector in vectors("groupsort") {
        let (inputs, widths) = inputs_and_widths(&vector);
        let size = vector["g"].as_u64().expect("a size") as usize;
        let layers: Vec<Layer> = widths.iter().map(|&n| Layer::GroupSort { groups: n / size, size }).collect();
        assert_eq!(Some(layer_polynomial_upper(inputs, &layers)), big(&vector["groupsort"]), "{vector}");
        assert_eq!(Some(goujon_2024_upper(inputs, &layers)), big(&vector["kappa_factorial"]), "{vector}");
    }
}

/// More values: Serra's maxout bound, the sharp one (equal to that by complexity), the zigzag; and for sorted groups.
#[test]
fn other_units_have_further_known_values() {
    for (inputs, widths, k, [serra, sharp, zigzag]) in [
        (1, vec![4, 4], 3, [169u64, 81, 81]),
        (2, vec![4, 4], 3, [6241, 1089, 625]),
        (4, vec![6, 6], 3, [16_386_304, 223_729, 6561]),
        (3, vec![5], 3, [576, 131, 27]),
        (3, vec![10; 4], 3, [419_621_950_824_976, 1_816_891_022_241, 13_841_287_201]),
    ] {
        let maxout: Vec<Layer> = widths.iter().map(|&units| Layer::Maxout { units, rank: k }).collect();
        let scalar: Vec<Layer> = widths.iter().map(|&units| Layer::Scalar { units, kappa: k }).collect();
        assert_eq!(serra_2018_maxout_upper(inputs, &maxout), Ok(serra.into()), "{inputs} {widths:?}");
        assert_eq!(montufar_ren_zhang_2021_upper(inputs, &maxout), Ok(sharp.into()), "{inputs} {widths:?}");
        assert_eq!(goujon_2024_upper(inputs, &scalar), sharp.into(), "{inputs} {widths:?}");
        assert_eq!(zigzag_lower(inputs, &scalar), Ok(zigzag.into()), "{inputs} {widths:?}");
    }
    for (inputs, widths, size, polynomial, complexity) in
        [(2, vec![4, 4], 2, 16u64, 16u64), (3, vec![6], 3, 32, 36), (3, vec![12, 12], 4, 624_100, 191_102_976)]
    {
        let layers: Vec<Layer> = widths.iter().map(|&n| Layer::GroupSort { groups: n / size, size }).collect();
        assert_eq!(layer_polynomial_upper(inputs, &layers), polynomial.into(), "{inputs} {widths:?}");
        assert_eq!(goujon_2024_upper(inputs, &layers), complexity.into(), "{inputs} {widths:?}");
    }
    let three: BigUint = "563534629808595428807402814082128467322317949690820782727574053284280752794544628938597584"
        .parse()
        .expect("digits");
    assert_eq!(serra_2018_upper(784, &[100; 3]), three);
    let ten = "7613372653431519342739564208762472146896535992934734629403006953925131331769100726830946515409338371520322528257982389319979395710976";
    assert_eq!(serra_2018_upper(10, &[100; 10]).to_string(), ten);
}

/// Values of one layer that were found by counting regions exactly.
#[test]
fn one_layer_maxima() {
    let equals = |layer: Layer, dim, expected: u32| {
        assert_eq!(layer_maximum(&layer, dim), BigUint::from(expected), "{layer:?} in {dim} dimensions");
    };
    for (units, rank, dim, expected) in
        [(2, 3, 2, 9), (3, 3, 2, 19), (4, 3, 2, 33), (2, 4, 2, 16), (3, 4, 2, 37), (3, 3, 3, 27), (4, 3, 3, 65)]
    {
        equals(Layer::Maxout { units, rank }, dim, expected);
    }
    for (dim, width, size, expected) in [
        (1, 3, 3, 4),
        (2, 3, 3, 6),
        (2, 4, 4, 18),
        (3, 4, 4, 24),
        (3, 8, 4, 215),
        (2, 5, 5, 46),
        (3, 5, 5, 96),
        (4, 6, 3, 36),
    ] {
        equals(Layer::GroupSort { groups: width / size, size }, dim, expected);
    }
    for (dim, units, kappa, expected) in [(1, 3, 3, 7), (2, 3, 3, 19), (2, 4, 4, 67), (3, 3, 4, 64), (3, 4, 3, 65)] {
        equals(Layer::Scalar { units, kappa }, dim, expected);
    }
}

/// The sum of Serra's theorem, term by term.
fn serra_literally(inputs: usize, widths: &[usize]) -> BigUint {
    fn go(dim: usize, widths: &[usize]) -> u64 {
        let Some((&n, rest)) = widths.split_first() else { return 1 };
        let binomial = |j: u64| (1..=j).fold(1, |c, i| c * (n as u64 - i + 1) / i);
        (0..=dim.min(n)).map(|j| binomial(j as u64) * go(dim.min(n - j), rest)).sum()
    }
    BigUint::from(go(inputs, widths))
}

#[test]
fn programmes_equal_literal_sums_and_bounds_keep_their_order() {
    for inputs in 1..=5 {
        for a in 1..=6 {
            for b in 1..=6 {
                for c in 1..=4 {
                    let widths = [a, b, c];
                    let serra = serra_2018_upper(inputs, &widths);
                    let place = format!("{inputs} {widths:?}");
                    assert_eq!(serra, serra_literally(inputs, &widths), "{place}");
                    assert_eq!(serra, hinz_vandegeer_2019_upper(inputs, &widths), "{place}");
                    let montufar = montufar_2017_upper(inputs, &widths);
                    assert!(serra <= montufar && montufar <= raghu_2017_upper(inputs, &widths), "{place}");
                    assert!(raghu_2017_upper(inputs, &widths) <= trivial_upper(&widths, 2), "{place}");
                    let lower = [pascanu_2013_lower, montufar_2014_lower, serra_2018_lower, arora_2018_lower];
                    for bound in lower.iter().filter_map(|f| f(inputs, &widths).ok()) {
                        assert!(bound <= serra, "{place}: {bound} > {serra}");
                    }
                    // More units never lower a bound.
                    for layer in 0..3 {
                        let mut wider = widths;
                        wider[layer] += 1;
                        assert!(montufar_2017_upper(inputs, &wider) >= montufar, "{place}");
                        assert!(serra_2018_upper(inputs, &wider) >= serra, "{place}");
                    }
                }
            }
        }
    }
}

/// On one input the maximum is known, and reached: test networks of three units a layer have 4^L pieces.
#[test]
fn one_input_is_exact() {
    for widths in [vec![3, 3, 3], vec![4, 7], vec![5], vec![1], vec![2]] {
        let exact = serra_2018_one_input(1, &widths).expect("applies");
        assert_eq!(exact, serra_2018_upper(1, &widths));
    }
    assert_eq!(serra_2018_one_input(1, &[3; 5]), Ok(BigUint::from(1024u32)));
    assert!(serra_2018_one_input(1, &[2, 2]).is_err() && serra_2018_one_input(2, &[3, 3]).is_err());
}

/// 784 inputs and ten layers of 100 units: 299 digits.
#[test]
fn large_networks_are_exact() {
    let digits = serra_2018_upper(784, &[100; 10]).to_string();
    assert_eq!((digits.len(), &digits[..20]), (299, "31817179594478178240"));
}

/// Along a line a network has one input: no path ever has more regions than the bounds for that, on any engine.
#[test]
fn counted_networks_never_exceed_their_bounds() {
    let mut close = 0;
    for (shape, activation) in [
        ("1-3x4", "relu"),
        ("2-2x6", "relu"),
        ("3-4-1-4", "relu"),
        ("1-2x5", "hard-tanh"),
        ("2-3x4", "abs"),
        ("1-1x8", "soft-threshold:0.5"),
        ("5-3-2", "leaky-relu:0.1"),
    ] {
        let flags = [
            ("arch", shape),
            ("activation", activation),
            ("length", "30"),
            ("bias", "normal:1"),
            ("weights", "normal:2"),
        ];
        let ensemble = common::ensemble(&flags);
        let layers = ensemble.network.architecture().layers();
        let widths: Vec<usize> = layers.iter().map(|l| l.affine.units()).collect();
        let kappa = layers[0].activation.pieces().slopes.len();
        let scalar: Vec<Layer> = widths.iter().map(|&units| Layer::Scalar { units, kappa }).collect();
        let mut uppers =
            vec![layer_polynomial_upper(1, &scalar), goujon_2024_upper(1, &scalar), trivial_upper(&widths, kappa)];
        if activation == "relu" {
            uppers.extend([
                serra_2018_upper(1, &widths),
                montufar_2017_upper(1, &widths),
                raghu_2017_upper(1, &widths),
            ]);
        }
        let least = uppers.iter().min().expect("bounds");
        for (name, engine) in common::engines() {
            for counts in engine.count(&ensemble, Method::Exact, 0..150, &common::GO_ON).expect("finite") {
                let regions = BigUint::from(counts.boundaries + 1);
                assert!(regions <= *least, "{name}, {shape} {activation}: {regions} > {least}");
                close += u64::from(regions * 4u32 > *least);
            }
        }
    }
    assert!(close > 100, "bounds were nearly reached only {close} times");
}
