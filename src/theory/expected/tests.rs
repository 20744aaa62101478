//! Closed forms against vectors, quadrature, each other and limits.

use std::f64::consts::{FRAC_1_PI, FRAC_2_PI, FRAC_PI_2, LN_2, PI, TAU};

use super::law::*;
use super::lines::*;
use super::plane::*;
use super::pooling::*;
use super::published::*;
use super::quadrature::*;

const WHOLE: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

fn relu(inputs: usize, weight_gain: f64, bias_variance: f64) -> GaussianLaw {
    GaussianLaw { inputs, weight_gain, bias_variance, slopes: [1.0, 0.0] }
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} and {b} differ by {:e}", (a - b).abs());
}

fn all_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).for_each(|(a, b)| close(*a, *b, tolerance));
}

#[test]
fn segments_match_the_vectors() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/vectors/kac_rice.json")).unwrap();
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let number = |key: &str| vector[key].as_f64().unwrap();
        let list = |key: &str| vector[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
        let pair = |key: &str| <[f64; 2]>::try_from(list(key)).unwrap();
        let law = GaussianLaw {
            inputs: number("n0") as usize,
            weight_gain: number("sw2"),
            bias_variance: number("sb2"),
            slopes: pair("slopes"),
        };
        let expected = list("per_neuron");
        let (x, xd, d) = (number("x0_norm2"), number("x0_dot_d"), number("d_norm2"));
        let found = crossings_on_segment(&law, expected.len(), x, xd, d, pair("window"));
        all_close(&found, &expected, 1e-13);
    }
}

#[test]
fn segments_match_the_table_for_one_input() {
    let law = relu(1, 2.0, 1.0);
    let table = [
        ([-0.5, 0.5], [0.39183, 0.29517, 0.24675, 0.21635]),
        ([-1.0, 1.0], [0.60817, 0.5, 0.43591, 0.39183]),
        ([0.5, 3.0], [0.23041, 0.25, 0.25325, 0.25161]),
    ];
    for (window, expected) in table {
        all_close(&crossings_on_segment(&law, 4, 0.0, 0.0, 1.0, window), &expected, 6e-6);
    }
    let leaky = |a: f64| GaussianLaw { slopes: [1.0, a], ..relu(1, 2.0 / (1.0 + a * a), 0.25) };
    close(crossings_on_segment(&leaky(0.2), 4, 0.0, 0.0, 1.0, [-1.0, 1.0])[3], 0.6023, 6e-5);
    close(crossings_on_segment(&relu(1, 2.0, 0.01), 4, 0.0, 0.0, 1.0, [-0.5, 0.5])[3], 0.8245, 6e-5);
    close(crossings_on_segment(&relu(1, 1.5, 0.09), 4, 0.0, 0.0, 1.0, [-0.5, 0.5])[3], 0.4302, 6e-5);
}

#[test]
fn layers_follow_their_recursion() {
    for law in [relu(3, 2.0, 0.3), relu(1, 1.5, 0.2), relu(2, 2.0 + 1e-9, 1.0), relu(7, 5.0, 0.0)] {
        let (mut a, mut beta) = (law.weight_gain / law.inputs as f64, law.bias_variance);
        for (l, ratio) in (1..30).zip(law.ratios(29)) {
            let (found_a, found_beta) = law.layer(l);
            close(found_a / a, 1.0, 1e-13);
            close(found_beta, beta, 1e-12 * beta);
            close(ratio, beta / a, 1e-12 * ratio);
            (a, beta) = (law.chi() * a, law.chi() * beta + law.bias_variance);
        }
    }
    assert!(relu(3, 2.0, 0.3).layer(0).0.is_nan());
}

#[test]
fn whole_lines_have_one_crossing_and_windows_add() {
    for law in [relu(1, 2.0, 1.0), relu(9, 0.1, 4.0), GaussianLaw { slopes: [0.3, -2.0], ..relu(5, 3.0, 1e-6) }] {
        let line = |window| crossings_on_segment(&law, 20, 3.0, -1.0, 0.7, window);
        all_close(&line(WHOLE), &[1.0; 20], 1e-14);
        let ends = [f64::NEG_INFINITY, -1e9, -3.0, 0.1, 0.2, 55.0, f64::INFINITY];
        let mut sum = vec![0.0; 20];
        for pair in ends.windows(2) {
            let part = line([pair[0], pair[1]]);
            assert!(part.iter().all(|x| *x >= 0.0));
            sum.iter_mut().zip(part).for_each(|(s, x)| *s += x);
        }
        all_close(&sum, &[1.0; 20], 1e-14);
        all_close(&line([0.4, 0.4]), &[0.0; 20], 0.0);
        // Symmetry about the nearest point t = 1 / 0.7, and the same line with twice the speed.
        let centre = 1.0 / 0.7;
        all_close(&line([centre, centre + 2.0]), &line([centre - 2.0, centre]), 1e-14);
        let faster = crossings_on_segment(&law, 20, 3.0, -2.0, 2.8, [-0.5, 1.0]);
        all_close(&faster, &line([-1.0, 2.0]), 1e-14);
    }
    // The law spreads with depth, so a window at the centre loses crossings.
    let central = crossings_on_segment(&relu(1, 2.0, 1.0), 50, 0.0, 0.0, 1.0, [-1.0, 1.0]);
    assert!(central.windows(2).all(|w| w[1] < w[0]));
    // A far window keeps its relative accuracy: w (1 / a - 1 / b) / pi.
    let far = crossings_on_segment(&relu(1, 2.0, 2.0), 1, 0.0, 0.0, 1.0, [1e9, 1e9 + 1.0])[0];
    close(far * PI * 1e18, 1.0, 1e-8);
}

#[test]
fn lines_outside_the_domain_give_nan() {
    let law = relu(2, 2.0, 1.0);
    let nan = |found: Vec<f64>| assert!(found.len() == 3 && found.iter().all(|x| x.is_nan()), "{found:?}");
    nan(crossings_on_segment(&law, 3, 1.0, 0.0, 0.0, [0.0, 1.0]));
    nan(crossings_on_segment(&law, 3, 1.0, 3.0, 1.0, [0.0, 1.0]));
    nan(crossings_on_segment(&law, 3, 1.0, 0.0, 1.0, [1.0, 0.0]));
    nan(crossings_on_segment(&law, 3, 1.0, 0.0, 1.0, [f64::NAN, 0.0]));
    nan(crossings_on_segment(&law, 3, f64::NAN, 0.0, 1.0, [0.0, 1.0]));
    nan(crossings_on_segment(&law, 3, 1.0, f64::NAN, 1.0, [0.0, 1.0]));
    nan(crossings_on_segment(&relu(2, 2.0, 0.0), 3, 0.0, 0.0, 1.0, [-1.0, 1.0]));
    for bad in [relu(0, 2.0, 1.0), relu(2, 0.0, 1.0), relu(2, 2.0, -1.0), relu(2, f64::INFINITY, 1.0)] {
        nan(crossings_on_segment(&bad, 3, 1.0, 0.0, 1.0, [0.0, 1.0]));
        nan(crossings_on_circle(&bad, 3, 1.0, 1.0));
        assert!(regions_in_plane(&bad, &[3]).is_nan());
    }
    nan(crossings_on_segment(&GaussianLaw { slopes: [0.0; 2], ..law }, 3, 1.0, 0.0, 1.0, [0.0, 1.0]));
    nan(crossings_on_circle(&relu(1, 2.0, 1.0), 3, 1.0, 1.0));
    let pool = PoolLaw { inputs: 1, weight_gain: 1.0, bias_variance: 0.0, size: 3 };
    nan(maxout_crossings_on_line(&pool, 3, 0.0, 0.0, 1.0, WHOLE));
    nan(maxout_crossings_on_line(&PoolLaw { size: 0, ..pool }, 3, 1.0, 0.0, 1.0, WHOLE));
    nan(groupsort_crossings_on_line(&PoolLaw { size: 0, ..pool }, 3, 1.0, 0.0, 1.0, WHOLE));
    nan(bias_free_crossings(4.0, &[3, 3, 3]));
    assert!(maxout_crossings_on_line(&pool, 0, 1.0, 0.0, 1.0, WHOLE).is_empty());
}

#[test]
fn deep_layers_neither_overflow_nor_lose_their_limit() {
    // Exploding: the ratio converges. Vanishing: biases take over.
    let exploding = crossings_on_segment(&relu(1, 9.0, 1.0), 5000, 0.0, 0.0, 1.0, [-1.0, 1.0]);
    let limit = (1.0 / 9.0 * (4.5 / 3.5f64)).sqrt();
    close(exploding[4999], FRAC_2_PI * (1.0 / limit).atan(), 1e-12);
    let vanishing = crossings_on_segment(&relu(1, 0.5, 1.0), 5000, 0.0, 0.0, 1.0, [-1.0, 1.0]);
    assert!(vanishing.iter().all(|x| (0.0..1.0).contains(x)) && vanishing[4999] == 0.0);
    let unbiased = crossings_on_segment(&relu(2, 0.5, 0.0), 5000, 1.0, 0.0, 1.0, [-1.0, 1.0]);
    all_close(&unbiased, &[0.5; 5000], 1e-14);
    for gain in [0.1, 20.0] {
        let pool = PoolLaw { inputs: 1, weight_gain: gain, bias_variance: 1.0, size: 3 };
        let found = maxout_crossings_on_line(&pool, 800, 0.0, 0.0, 1.0, [-1.0, 1.0]);
        assert!(found.iter().all(|x| (0.0..1.5).contains(x)));
    }
}

#[test]
fn circles_are_limits_of_polygons() {
    let law = relu(4, 1.7, 0.6);
    let (radius, angle, n) = (1.3, 2.0, 2000);
    let half = 0.5 * angle / f64::from(n);
    // A chord: from a point of the circle, of length 2 R sin(half).
    let length = 2.0 * radius * half.sin();
    let chord = crossings_on_segment(&law, 4, radius * radius, -0.5 * length * length, length * length, [0.0, 1.0]);
    let polygon: Vec<f64> = chord.iter().map(|x| x * f64::from(n)).collect();
    all_close(&crossings_on_circle(&law, 4, radius, angle), &polygon, 1e-6);
    all_close(&crossings_on_circle(&relu(4, 1.7, 0.0), 4, radius, TAU), &[2.0; 4], 1e-15);
    all_close(&crossings_on_circle(&relu(4, 1.7, 0.6), 4, 1e12, TAU), &[2.0; 4], 1e-12);
}

#[test]
fn planes_have_the_regions_of_lines_in_general_position() {
    for (widths, expected) in [(&[40][..], 821.0), (&[20, 20], 821.0), (&[30, 30, 30], 4096.0), (&[20; 5], 5051.0)] {
        close(regions_in_plane(&relu(2, 2.0, 0.25), widths), expected, 0.0);
    }
    close(regions_in_plane(&relu(2, 2.0, 0.25), &[]), 1.0, 0.0);
    assert!(regions_in_plane(&relu(1, 2.0, 0.25), &[3]).is_nan());
    assert!(regions_in_plane(&relu(2, 2.0, 0.0), &[3]).is_nan());
}

#[test]
fn rectangles_match_the_table() {
    let table = [
        (&[40][..], 1.0, 292.35, 0.005),
        (&[20, 20], 1.0, 241.8, 0.05),
        (&[40, 40], 1.0, 917.1, 0.05),
        (&[30, 30, 30], 0.25, 1988.0, 0.5),
        (&[64, 64], 0.25, 4385.0, 0.5),
        (&[20; 5], 0.25, 2096.0, 0.5),
        (&[100, 100], 1.0, 5550.0, 0.5),
    ];
    for (widths, bias_variance, expected, tolerance) in table {
        let found = regions_in_rectangle(&relu(2, 2.0, bias_variance), widths, [-1.0, 1.0], [-1.0, 1.0]);
        close(found, expected, tolerance);
    }
}

#[test]
fn rectangles_grow_to_the_plane_and_shrink_to_segments() {
    let law = GaussianLaw { slopes: [1.0, 0.2], ..relu(3, 1.9, 0.4) };
    let widths = [7, 5, 0, 6];
    let square = |a: f64| regions_in_rectangle(&law, &widths, [-a, a], [-a, a]);
    let mut last = square(0.0);
    close(last, 1.0, 0.0);
    for k in -10..10 {
        let next = square(f64::from(k).exp2());
        assert!(next > last);
        last = next;
    }
    let plane = regions_in_plane(&law, &widths);
    close(square(1e9) / plane, 1.0, 1e-8);
    assert!(last < plane);
    let segment = regions_in_rectangle(&law, &widths, [-0.3, 0.8], [0.4, 0.4]);
    let crossings = crossings_on_segment(&law, 4, 0.16, 0.0, 1.0, [-0.3, 0.8]);
    close(segment, 1.0 + crossings.iter().zip(widths).map(|(x, n)| x * n as f64).sum::<f64>(), 1e-10);
    // Reflections and the exchange of axes.
    let (x, y) = ([0.2, 1.7], [-3.0, 0.9]);
    let value = regions_in_rectangle(&law, &widths, x, y);
    close(regions_in_rectangle(&law, &widths, y, x), value, 1e-10);
    close(regions_in_rectangle(&law, &widths, [-1.7, -0.2], [-0.9, 3.0]), value, 1e-10);
    assert!(regions_in_rectangle(&law, &widths, WHOLE, y).is_nan());
    assert!(regions_in_rectangle(&law, &widths, [1.0, 0.0], y).is_nan());
}

/// E X by a tensor rule in two dimensions, without the reduction to one.
fn plane_crossings_2d(layers: &[(f64, f64)], x: [f64; 2], y: [f64; 2], order: usize) -> f64 {
    let rule = gauss_legendre(order);
    let map = |[low, high]: [f64; 2]| {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        rule.iter().map(move |(x, w)| (middle + half * x, half * w)).collect::<Vec<_>>()
    };
    let (mut sum, ys) = (0.0, map(y));
    for (x, weight) in map(x) {
        for &(y, w) in &ys {
            let r2 = x * x + y * y;
            for (k, &(n, ratio)) in layers.iter().enumerate() {
                sum += weight * w * pairs(n) * crossing_density(r2, ratio, ratio);
                for &(m, other) in &layers[..k] {
                    sum += weight * w * n * m * crossing_density(r2, other, ratio);
                }
            }
        }
    }
    sum
}

#[test]
fn crossings_in_rectangles_agree_with_two_dimensional_quadrature_and_add() {
    let layers = [(3.0, 0.8), (5.0, 1.1), (2.0, 7.0)];
    for (x, y) in
        [([-1.0, 1.0], [-1.0, 1.0]), ([0.3, 2.0], [-0.7, 0.1]), ([-2.0, -1.0], [1.0, 3.0]), ([0.0, 1.0], [0.0, 2.0])]
    {
        let found = plane_crossings(&layers, x, y, ORDER);
        close(found, plane_crossings_2d(&layers, x, y, 60), 1e-11);
        close(found, plane_crossings(&layers, x, y, 2 * ORDER), 1e-12);
        let (a, b) = (0.3 * x[0] + 0.7 * x[1], 0.6 * y[0] + 0.4 * y[1]);
        let parts = [([x[0], a], [y[0], b]), ([x[0], a], [b, y[1]]), ([a, x[1]], [y[0], b]), ([a, x[1]], [b, y[1]])];
        close(parts.iter().map(|(x, y)| plane_crossings(&layers, *x, *y, ORDER)).sum(), found, 1e-12);
    }
    assert_eq!(plane_crossings(&[], [0.0, 1.0], [0.0, 1.0], ORDER), 0.0);
    close(plane_crossings(&[(1.0, 2.0), (1.0, 3.0)], [-1e300, 1e300], [-1e300, 1e300], ORDER), 1.0, 1e-9);
    // Scales far apart, where doubling is the check.
    for layers in [[(1.0, 1e-12), (1.0, 1e-6)], [(1.0, 1e-4), (1.0, 1e8)], [(1.0, 2.0), (1.0, 2.0 + 1e-12)]] {
        for (x, y) in [([-1.0, 1.0], [-2.0, 1.0]), ([1e-5, 30.0], [-1e3, 1e-9]), ([-1e6, 1e6], [-1.0, 1e4])] {
            let (found, doubled) = (plane_crossings(&layers, x, y, ORDER), plane_crossings(&layers, x, y, 2 * ORDER));
            close(found / doubled, 1.0, 1e-9);
        }
    }
}

#[test]
fn elliptic_integrals_agree_with_quadrature() {
    for m in [0.0, 1e-9, 0.1, 0.5, 0.9, 0.99] {
        let rule = gauss_legendre(60);
        let quarter = 0.25 * PI;
        let direct = rule.iter().map(|(x, w)| quarter * w * (1.0 - m * (quarter * (1.0 + x)).sin().powi(2)).sqrt());
        close(complete_elliptic_e(1.0 - m), direct.sum(), 2e-14);
    }
    close(complete_elliptic_e(1.0), FRAC_PI_2, 1e-15);
    close(complete_elliptic_e(0.5), 1.350_643_881_047_675_5, 1e-15);
    // E(1 - e) = 1 + e (ln(4 / sqrt e) - 1/2) / 2 + ...
    for e in [1e-6, 1e-12, 1e-100, 1e-299, 0.0f64] {
        let term = if e > 0.0 { 0.5 * e * ((4.0 / e.sqrt()).ln() - 0.5) } else { 0.0 };
        close(complete_elliptic_e(e), 1.0 + term, 1e-11);
    }
}

#[test]
fn maxout_constants_match_their_values() {
    let factors = [1.0, 1.5, 1.82452034, 2.06130086, 2.24606479, 2.39667377, 2.52326584];
    let moments = [1.0, 1.27566445, 1.55132890, 1.80002044, 2.02173907, 2.22030414, 2.39953497];
    for (k, (c, m)) in factors.into_iter().zip(moments).enumerate() {
        close(maxout_factor(k + 2), c, 6e-9);
        close(maxout_second_moment(k + 2), m, 6e-9);
    }
    close(maxout_factor(3), 1.5, 1e-13);
    close(maxout_factor(4), 1.5 + 3.0 / PI * (1.0 / 3.0f64).asin(), 1e-13);
    close(maxout_second_moment(3), 1.0 + 3f64.sqrt() / TAU, 1e-13);
    close(maxout_second_moment(4), 1.0 + 3f64.sqrt() / PI, 1e-13);
    // The shortcuts for ranks 1 and 2 agree with the integrals.
    close(against_normal_power(0.0, |x| (-x * x).exp() / PI.sqrt()), 1.0, 1e-14);
    close(against_normal_power(1.0, |x| 2.0 * x * x * (-0.5 * x * x).exp() / TAU.sqrt()), 1.0, 1e-14);
    close(maxout_factor(1), 0.0, 0.0);
    // Of 2^60 values no two are on a par, and the squared maximum is near 2 ln K.
    let ranks = [3, 10, 1000, 1 << 30, 1 << 60];
    assert!(ranks.windows(2).all(|r| maxout_factor(r[0]) < maxout_factor(r[1])));
    close(maxout_second_moment(1 << 60) / (2.0 * 60.0 * LN_2), 0.95, 0.03);
    close(against_normal_power(1e18, |x| 1e18 * (-0.5 * x * x).exp() / TAU.sqrt()), 1.0, 1e-12);
}

fn maxout_he(size: usize) -> PoolLaw {
    PoolLaw { inputs: 1, weight_gain: 1.0 / maxout_second_moment(size), bias_variance: 1.0, size }
}

#[test]
fn maxout_of_whole_lines_matches_the_table() {
    let line = |size| maxout_crossings_on_line(&maxout_he(size), 3, 0.0, 0.0, 1.0, WHOLE);
    all_close(&line(3), &[1.5, 1.3803, 1.2766], 6e-5);
    all_close(&line(4), &[1.8245, 1.5773, 1.3818], 6e-5);
    for size in 1..9 {
        close(line(size)[0], maxout_factor(size), 1e-12);
    }
}

#[test]
fn maxout_of_rank_two_is_relu() {
    for (gain, bias) in [(1.0, 1.0), (0.4, 0.3), (2.5, 0.01), (1.0, 0.0)] {
        let pool = PoolLaw { inputs: 3, weight_gain: gain, bias_variance: bias, size: 2 };
        for window in [WHOLE, [-1.0, 0.3], [4.0, 1e4], [2.0, f64::INFINITY], [f64::NEG_INFINITY, -50.0]] {
            let found = maxout_crossings_on_line(&pool, 8, 2.0, 0.5, 1.5, window);
            let law = GaussianLaw { slopes: [1.0, 1.0], ..relu(3, gain, bias) };
            all_close(&found, &crossings_on_segment(&law, 8, 2.0, 0.5, 1.5, window), 1e-12);
        }
    }
    // In the terms of ReLU the gain doubles; the first layer is then that of the difference of two branches.
    let pool = PoolLaw { inputs: 1, weight_gain: 1.0, bias_variance: 0.5, size: 2 };
    let found = maxout_crossings_on_line(&pool, 5, 0.0, 0.0, 1.0, [-1.0, 1.0]);
    all_close(&found, &crossings_on_segment(&relu(1, 2.0, 1.0), 5, 0.0, 0.0, 1.0, [-1.0, 1.0]), 1e-12);
}

/// The rate by the recursion for q, r and s as it stands, with Simpson's rule under t = tan(u).
fn maxout_by_simpson(law: &PoolLaw, depth: usize, distance2: f64, [from, to]: [f64; 2]) -> Vec<f64> {
    let (c, m) = (maxout_factor(law.size), maxout_second_moment(law.size));
    let (n, low, high) = (40_000, from.atan(), to.atan());
    let mut total = vec![0.0; depth];
    for i in 0..=n {
        let u = low + (high - low) * f64::from(i) / f64::from(n);
        let t = u.tan();
        let share = if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
        let weight = share * (high - low) / f64::from(3 * n) * (1.0 + t * t);
        let a = law.weight_gain / law.inputs as f64;
        let (mut q, mut r, mut s) = (a * (distance2 + t * t) + law.bias_variance, a * t, a);
        for sum in &mut total {
            *sum += c * weight * FRAC_1_PI * (s / q - (r / q).powi(2)).sqrt();
            s = law.weight_gain * (s - r * r / q + m * r * r / q);
            (q, r) = (law.weight_gain * m * q + law.bias_variance, law.weight_gain * m * r);
        }
    }
    total
}

#[test]
fn maxout_follows_the_plain_recursion() {
    for (gain, bias, size) in [(0.7, 0.5, 3), (1.0, 0.05, 5), (0.3, 2.0, 8), (3.0, 1.0, 4)] {
        let law = PoolLaw { inputs: 2, weight_gain: gain, bias_variance: bias, size };
        for window in [[-1.0, 2.0], [0.5, 30.0], [-7.0, -0.1]] {
            let found = maxout_crossings_on_line(&law, 6, 0.09, 0.0, 1.0, window);
            all_close(&found, &maxout_by_simpson(&law, 6, 0.09, window), 1e-9);
            let whole = Window::new(0.09, 0.0, 1.0, window).unwrap();
            let doubled = maxout_crossings(&law, 6, whole, 2 * ORDER).unwrap();
            found.iter().zip(&doubled).for_each(|(a, b)| close(a / b, 1.0, 1e-13));
        }
    }
}

#[test]
fn maxout_windows_add_and_doubling_changes_nothing() {
    for (size, gain, bias, depth) in
        [(3, 0.8, 1.0, 10), (100, 0.1, 1e-4, 20), (5, 4.0, 1.0, 30), (1000, 3.0, 1.0, 12), (2000, 0.2, 1.0, 100)]
    {
        let law = PoolLaw { inputs: 1, weight_gain: gain, bias_variance: bias, size };
        let line = |window| maxout_crossings_on_line(&law, depth, 0.0, 0.0, 1.0, window);
        let whole = line(WHOLE);
        let mut sum = vec![0.0; depth];
        for window in [[f64::NEG_INFINITY, -3.0], [-3.0, 0.01], [0.01, 200.0], [200.0, f64::INFINITY]] {
            sum.iter_mut().zip(line(window)).for_each(|(s, x)| *s += x);
        }
        sum.iter().zip(&whole).for_each(|(a, b)| close(a / b, 1.0, 1e-12));
        let doubled = maxout_crossings(&law, depth, Window::new(0.0, 0.0, 1.0, WHOLE).unwrap(), 3 * ORDER).unwrap();
        whole.iter().zip(&doubled).for_each(|(a, b)| close(a / b, 1.0, 1e-12));
        assert!(whole.windows(2).all(|w| w[1] < w[0]), "{whole:?}");
        all_close(&line([-2.0, -1.0]), &line([1.0, 2.0]), 1e-12);
    }
}

#[test]
fn groupsort_matches_the_table() {
    // The table leaves its setting open; gain 1 and bias variance 1/4 on one input reproduce both numbers.
    let law = |size| PoolLaw { inputs: 1, weight_gain: 1.0, bias_variance: 0.25, size };
    close(groupsort_crossings_on_line(&law(2), 3, 0.0, 0.0, 1.0, [-1.0, 1.0])[2], 0.2728, 6e-5);
    close(groupsort_crossings_on_line(&law(4), 3, 0.0, 0.0, 1.0, [-1.0, 1.0])[2], 0.8184, 6e-5);
    for size in 1..6 {
        let expected = 0.5 * (size as f64 - 1.0);
        all_close(&groupsort_crossings_on_line(&law(size), 9, 5.0, 1.0, 2.0, WHOLE), &[expected; 9], 1e-14);
    }
}

#[test]
fn crossings_without_biases_follow_the_active_units() {
    all_close(&bias_free_crossings(PI, &[2, 3, 1, 5]), &[1.0, 0.25, 0.125, 0.0], 1e-15);
    all_close(&bias_free_crossings(1.0, &[1000, 1000]), &[FRAC_1_PI; 2], 1e-15);
    // Wide layers agree with the infinite-width law without biases.
    let (t, wide) = (0.7f64, [64, 64, 64]);
    let segment = crossings_on_segment(&relu(2, 2.0, 0.0), 3, 1.0, 0.0, 1.0, [0.0, t]);
    all_close(&bias_free_crossings(t.atan(), &wide), &segment, 1e-15);
    let narrow = bias_free_crossings(2.0, &[4; 6]);
    assert!(narrow.windows(2).all(|w| w[1] < w[0]));
}

#[test]
fn published_bounds_have_their_values() {
    // (T N)^2 / 2 with T = 1 and N = 20, and (K N)^2 C(4, 4) / 2: the reference lines of Tseran and Montufar.
    close(hanin_rolnick_2019_regions(2, 20, 1.0, 1.0), 200f64.log10(), 1e-13);
    close(tseran_montufar_2021_regions(2, 20, 2, 1.0, 1.0 / 32.0, 1.0), 800f64.log10(), 1e-13);
    close(tseran_montufar_2021_regions(2, 20, 3, 1.0, 1.0 / 32.0, 36.0), (15.0 * 1800.0 * 36f64).log10(), 1e-12);
    close(hanin_rolnick_2019_regions(5, 3, 7.0, 0.1), 8f64.log10(), 1e-14);
    close(tseran_montufar_2021_regions(5, 3, 4, 1.0, 1.0, 0.1), 64f64.log10(), 1e-14);
    assert!(hanin_rolnick_2019_regions(784, 1_000_000, 32.0, 1e300).is_finite());
    close(hanin_rolnick_2019_line(2, 30, 1.5, 0.4, 10.0), 361.0, 1e-12);
    for n in 3..50 {
        assert!(hanin_rolnick_2019_regions(3, n, 32.0, 1.0) < hanin_rolnick_2019_regions(3, n + 1, 32.0, 1.0));
        // Two units of maxout for one of ReLU in rank 2: never below it.
        assert!(tseran_montufar_2021_regions(3, n, 2, 1.0, 1.0, 1.0) >= hanin_rolnick_2019_regions(3, n, 32.0, 1.0));
    }
    assert!(hanin_rolnick_2019_regions(0, 3, 1.0, 1.0).is_nan());
    assert!(hanin_rolnick_2019_line(1, 3, 1.0, 1.0, -1.0).is_nan());
    assert!(tseran_montufar_2021_regions(2, 3, 1, 1.0, 1.0, 1.0).is_nan());
}

#[test]
fn the_exact_law_stays_below_the_published_line() {
    // He-ReLU: the rate never exceeds C_bias times E |z'| at the centre of each layer.
    let (sb, c_bias) = (0.5, 1.0 / (0.5 * TAU.sqrt()));
    for length in [0.01, 0.3, 4.0, 100.0] {
        let per_unit = crossings_on_segment(&relu(1, 2.0, sb * sb), 4, 0.0, 0.0, 1.0, [-0.5 * length, 0.5 * length]);
        let exact = 1.0 + 10.0 * per_unit.iter().sum::<f64>();
        let c_grad = (2.0 * FRAC_2_PI).sqrt();
        assert!(exact <= hanin_rolnick_2019_line(1, 40, c_grad, c_bias, length));
    }
}
