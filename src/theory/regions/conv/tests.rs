//! Formulas against literal sums, published values and exact counts.

use super::*;

fn layer(h: usize, w: usize, c: usize, kernel: [usize; 2], stride: usize, filters: usize) -> ConvLayer {
    ConvLayer::new([h, w], c, kernel, stride, filters).unwrap()
}

fn formula(l: &ConvLayer) -> String {
    xiong_2020_one_layer(l).unwrap().to_string()
}

/// The definition: all vectors `t`, all sets of positions.
fn literal(l: &ConvLayer) -> BigUint {
    let [rows, cols] = l.output();
    let n = rows * cols;
    let union: Vec<usize> = (0..1usize << n)
        .map(|set| {
            let mut seen = vec![false; l.input[0] * l.input[1]];
            for p in (0..n).filter(|p| set >> p & 1 == 1) {
                for (y, x) in (0..l.kernel[0]).flat_map(|y| (0..l.kernel[1]).map(move |x| (y, x))) {
                    seen[(p / cols * l.stride + y) * l.input[1] + p % cols * l.stride + x] = true;
                }
            }
            seen.iter().filter(|&&s| s).count() * l.channels
        })
        .collect();
    let choose: Vec<BigUint> = binomials(l.filters).collect();
    let (mut total, mut t) = (BigUint::zero(), vec![0; n]);
    loop {
        if (0..1usize << n).all(|s| (0..n).filter(|p| s >> p & 1 == 1).map(|p| t[p]).sum::<usize>() <= union[s]) {
            total += t.iter().map(|&k: &usize| &choose[k]).product::<BigUint>();
        }
        let Some(p) = t.iter().position(|&k| k < l.filters) else { return total };
        t[p] += 1;
        t[..p].fill(0);
    }
}

/// Layers with few positions and few vectors, in 1-D and 2-D.
fn tiny() -> Vec<ConvLayer> {
    let mut all = Vec::new();
    for (h, w, c) in (1..=4).flat_map(|h| (1..=5).flat_map(move |w| (1..=2).map(move |c| (h, w, c)))) {
        for (kh, kw) in (1..=h).flat_map(|kh| (1..=w).map(move |kw| (kh, kw))) {
            for (s, f) in (1..=3).flat_map(|s| (1..=5).map(move |f| (s, f))) {
                let l = layer(h, w, c, [kh, kw], s, f);
                let n = l.positions() as u32;
                if n <= 6 && (f as u64 + 1).pow(n) << n <= 300_000 {
                    all.push(l);
                }
            }
        }
    }
    all
}

#[test]
fn fast_algorithms_agree_with_the_literal_sum() {
    let all = tiny();
    assert!(all.len() > 4000, "{}", all.len());
    assert!(all.iter().filter(|l| !l.formula_is_exact()).count() > 60);
    for l in all {
        let expected = literal(&l);
        assert_eq!(xiong_2020_one_layer(&l).unwrap(), expected, "{l:?}");
        // The search is correct for every layer, not only for those that need it.
        assert_eq!(plane(&l).unwrap(), expected, "{l:?}");
        let choose: Vec<BigUint> = binomials(l.filters).take(l.filters.min(l.window()) + 1).collect();
        assert_eq!(Matching::new(&l).sum(0, &choose), expected, "{l:?}");
    }
}

#[test]
fn one_dimensional_values() {
    let cases = [
        (3, 1, 2, 1, 1, "4"),
        (3, 1, 2, 1, 2, "15"),
        (3, 1, 2, 1, 3, "40"),
        (3, 1, 2, 1, 4, "85"),
        (3, 1, 2, 1, 5, "156"),
        (3, 1, 2, 1, 6, "259"),
        (4, 1, 2, 1, 2, "55"),
        (4, 1, 2, 2, 3, "49"),
        (5, 1, 3, 2, 3, "63"),
        (5, 1, 2, 1, 3, "1159"),
        (6, 1, 3, 1, 2, "245"),
        (6, 1, 3, 1, 3, "2289"),
        (3, 2, 2, 1, 3, "64"),
        (4, 2, 2, 1, 3, "511"),
        (7, 1, 3, 2, 4, "2863"),
        (16, 1, 3, 1, 4, "12981401480881"),
        (28, 1, 5, 1, 8, "454044070558512298457757054212365"),
        (28, 1, 5, 2, 8, "161882778139791132768821"),
        (10, 1, 10, 1, 25, "7119516"),
        (64, 1, 3, 3, 10, "143141651667446561018375183315400380757548466176"),
        (
            32,
            3,
            3,
            1,
            16,
            "292396926695794802691978141904968311014189999510216766119032267639282679550380897161029637005899805381",
        ),
    ];
    for (n, c, f, s, d1, expected) in cases {
        for l in [layer(1, n, c, [1, f], s, d1), layer(n, 1, c, [f, 1], s, d1), layer(c, n, 1, [c, f], s, d1)] {
            assert!(l.formula_is_exact());
            assert_eq!(formula(&l), expected, "{l:?}");
        }
    }
    assert_eq!(xiong_2020_one_layer(&layer(1, 64, 1, [1, 3], 3, 10)).unwrap(), BigUint::from(176u32).pow(21));
}

#[test]
fn two_dimensional_values() {
    let cases = [
        ([2, 2, 1], [2, 2], 1, 5, "31", "31"),
        ([3, 3, 1], [2, 2], 1, 1, "16", "16"),
        ([3, 3, 1], [2, 2], 1, 2, "256", "255"),
        ([3, 3, 1], [2, 2], 1, 3, "4013", "3998"),
        ([3, 4, 1], [2, 2], 1, 2, "4096", "4061"),
        ([3, 2, 1], [2, 2], 1, 3, "64", "64"),
        ([3, 2, 1], [2, 2], 1, 5, "836", "836"),
        ([3, 3, 1], [1, 2], 1, 2, "3375", "3375"),
        ([3, 3, 1], [3, 1], 2, 3, "64", "64"),
        ([4, 4, 1], [2, 2], 2, 2, "256", "256"),
        ([4, 4, 1], [2, 2], 2, 3, "4096", "4096"),
        ([4, 4, 1], [3, 3], 1, 2, "256", "256"),
        ([3, 3, 2], [2, 2], 1, 2, "256", "256"),
        ([2, 3, 2], [2, 2], 1, 4, "256", "256"),
    ];
    for ([h, w, c], kernel, s, d1, upper, exact) in cases {
        let l = layer(h, w, c, kernel, s, d1);
        assert_eq!(formula(&l), upper, "{l:?}");
        assert_eq!(one_layer_regions(&l).unwrap().to_string(), exact, "{l:?}");
        assert!(!l.formula_is_exact() || upper == exact);
    }
    // All units active together: no search, however many vectors there are.
    assert_eq!(xiong_2020_one_layer(&layer(6, 6, 1, [3, 3], 1, 2)).unwrap(), BigUint::one() << 32);
}

#[test]
fn json_vectors() {
    let text = include_str!("../../../../tests/vectors/cnn_one_layer.json");
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let cases = json["one_layer_cnn"].as_array().unwrap();
    assert_eq!(cases.len(), 13);
    for v in cases {
        let number = |v: &serde_json::Value| v.as_u64().unwrap() as usize;
        let pair = |name: &str| [number(&v[name][0]), number(&v[name][1])];
        let (c, s, f) = (number(&v["input_channels"]), number(&v["stride"]), number(&v["filters"]));
        let l = ConvLayer::new(pair("input_hw"), c, pair("kernel_hw"), s, f).unwrap();
        assert_eq!(l.output(), pair("output_hw"));
        assert_eq!(formula(&l), v["formula"].as_str().unwrap(), "{l:?}");
        let exact = v["exact_shared_filters"].as_str().unwrap();
        assert_eq!(one_layer_regions(&l).unwrap().to_string(), exact, "{l:?}");
        assert_eq!(generic_conv_count(&l, 5).unwrap().to_string(), exact, "{l:?}");
    }
}

#[test]
fn more_filters_never_lower_the_count() {
    let shapes = [([1, 9], 2, [1, 3], 2), ([3, 4], 1, [2, 2], 1), ([4, 4], 1, [2, 2], 2), ([2, 3], 2, [2, 2], 1)];
    for (input, c, kernel, s) in shapes {
        let counts: Vec<BigUint> =
            (1..=5).map(|f| xiong_2020_one_layer(&ConvLayer::new(input, c, kernel, s, f).unwrap()).unwrap()).collect();
        assert!(counts.is_sorted() && counts[0] < counts[4], "{counts:?}");
    }
}

#[test]
fn thousand_positions() {
    let start = std::time::Instant::now();
    let l = layer(1, 1002, 3, [1, 3], 1, 64);
    assert_eq!(l.positions(), 1000);
    assert!(xiong_2020_one_layer(&l).unwrap().bits() > 3000);
    let l = layer(5, 1004, 1, [5, 5], 1, 32);
    assert_eq!(l.positions(), 1000);
    assert!(xiong_2020_one_layer(&l).unwrap().bits() > 5000);
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn two_layers() {
    let network = ConvNetwork::new(vec![layer(1, 4, 1, [1, 2], 1, 2), layer(1, 3, 2, [1, 2], 1, 3)]).unwrap();
    assert_eq!(xiong_2020_lower(&network).unwrap(), 320u32.into());
    assert_eq!(xiong_2020_upper(&network).unwrap(), 3135u32.into());

    let single = ConvNetwork::new(vec![layer(3, 3, 1, [2, 2], 1, 2)]).unwrap();
    assert_eq!(xiong_2020_lower(&single).unwrap(), 255u32.into());
    assert_eq!(xiong_2020_upper(&single).unwrap(), 256u32.into());

    // N' is the 3x3x1 layer with three filters: 3998, not 4013. Factor floor(2 / 1)^9 of the first layer.
    let flat = ConvNetwork::new(vec![layer(4, 4, 1, [2, 2], 1, 2), layer(3, 3, 2, [2, 2], 1, 3)]).unwrap();
    assert_eq!(xiong_2020_lower(&flat).unwrap(), (3998u32 * 512).into());
    assert!(xiong_2020_upper(&flat).unwrap() > xiong_2020_lower(&flat).unwrap());

    let too_large = ConvNetwork::new(vec![layer(8, 8, 1, [2, 2], 1, 2), layer(7, 7, 2, [2, 2], 1, 3)]).unwrap();
    let e = xiong_2020_lower(&too_large).unwrap_err();
    assert!(e.0.contains("genuinely two-dimensional") && e.0.contains("108 normals"), "{e}");
}

#[test]
fn refusals() {
    let bad = |input, c, kernel, s, f| ConvLayer::new(input, c, kernel, s, f).unwrap_err();
    assert_eq!(bad([0, 3], 1, [1, 1], 1, 1).0, "the input height is 0; it must be at least 1");
    assert_eq!(bad([3, 3], 1, [1, 1], 0, 1).0, "the stride is 0; it must be at least 1");
    assert_eq!(bad([3, 3], 1, [1, 1], 1, 0).0, "the number of filters is 0; it must be at least 1");
    let e = bad([3, 3], 1, [2, 4], 1, 1);
    assert_eq!(e.0, "the kernel width 4 exceeds the input width 3; without padding it must be at most 3");
    assert!(bad([usize::MAX, 2], 1, [1, 1], 1, 1).0.contains("input height, width and channels"));
    assert!(bad([9, 9], 1, [1, 1], 1, usize::MAX).0.contains("output height, width and filters"));

    // Fields are open, so an invalid layer can exist; nothing may panic on it.
    let invalid = ConvLayer { input: [2, 2], channels: 1, kernel: [3, 0], stride: 0, filters: 7 };
    assert_eq!((invalid.output(), invalid.positions()), ([0, 0], 0));
    invalid.formula_is_exact();
    assert!(xiong_2020_one_layer(&invalid).is_err() && one_layer_regions(&invalid).is_err());
    assert!(generic_conv_count(&invalid, 0).is_err());

    let e = xiong_2020_one_layer(&layer(28, 28, 1, [3, 3], 1, 8)).unwrap_err();
    assert!(e.0.contains("676 positions") && e.0.contains("limit is 2e7"), "{e}");
    assert!(xiong_2020_one_layer(&layer(1, usize::MAX, 1, [1, 2], 1, 1)).unwrap_err().0.contains("bits"));
    assert!(xiong_2020_one_layer(&layer(1, usize::MAX / 4, 1, [1, 2], 1, 2)).unwrap_err().0.contains("limit"));
    assert!(xiong_2020_one_layer(&layer(1, usize::MAX, 1, [1, usize::MAX], usize::MAX, 9)).is_ok());
    assert!(xiong_2020_one_layer(&layer(2, 1 << 40, 1, [2, 1 << 39], 1, 1 << 20)).unwrap_err().0.contains("limit"));

    assert!(ConvNetwork::new(Vec::new()).is_err());
    let (a, b) = (layer(1, 4, 2, [1, 2], 1, 1), layer(1, 3, 2, [1, 2], 1, 3));
    let e = ConvNetwork::new(vec![a.clone(), b]).unwrap_err();
    assert_eq!(e.0, "layer 2 takes 1x3 inputs with 2 channels, but layer 1 gives 1x3 with 1");
    assert!(ConvNetwork::new(vec![a.clone(), invalid]).unwrap_err().0.starts_with("layer 2: "));
    let thin = ConvNetwork::new(vec![a, layer(1, 3, 1, [1, 2], 1, 3)]).unwrap();
    assert!(xiong_2020_lower(&thin).unwrap_err().0.contains("layer 1 has 1 filters"));
    assert!(xiong_2020_upper(&thin).is_ok());
}

/// The number of regions over d1^e tends to a constant, at a rate of 1/d1.
#[test]
fn many_filters_follow_their_exponent() {
    for l in [
        layer(1, 5, 1, [1, 2], 1, 1),
        layer(1, 7, 2, [1, 2], 3, 1),
        layer(3, 3, 1, [1, 2], 1, 1),
        layer(4, 4, 1, [2, 2], 2, 1),
    ] {
        let exponent = xiong_2020_exponent(&l);
        let log = |filters: usize| {
            let many = ConvLayer { filters, ..l.clone() };
            let digits = formula(&many);
            digits.len() as f64 + format!("0.{digits}").parse::<f64>().unwrap().log10()
        };
        let slope = (log(20_000) - log(10_000)) / 2f64.log10();
        assert!((slope - exponent as f64).abs() < 2e-3, "{l:?}: {slope} against {exponent}");
    }
}

#[test]
fn dense_networks_of_equal_size() {
    let network = ConvNetwork::new(vec![layer(1, 8, 1, [1, 3], 1, 10), layer(1, 6, 10, [1, 2], 1, 4)]).unwrap();
    assert_eq!(network.n_parameters(), 40 + 84);
    let width = network.equal_dense_width().unwrap();
    let parameters = |w: usize| (8 + 1) * w + (w + 1) * w;
    assert!(parameters(width) <= 124 && parameters(width + 1) > 124, "{width}");
}
