//! The laws of random weights, against independent distribution functions and an independent generator.
//!
//! All tests are deterministic. Kolmogorov-Smirnov statistics are compared with their asymptotic quantile of false-alarm rate 1e-6
//! (2.69 / sqrt(n) for one sample); normal scores with 4.9, rate 1e-6.

use std::f64::consts::PI;

use linregions::random::{QuantileTable, StandardLaw, Stream};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal, StandardUniform, StudentT};
use sha2::{Digest, Sha256};
use statrs::distribution::{ContinuousCDF, Normal};

const KS_QUANTILE: f64 = 2.69;
const Z: f64 = 4.9;

fn values(law: StandardLaw, seed: u64, draw: u64, tensor: u32, n: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; n];
    QuantileTable::new(law).expect("valid").fill(&Stream::new(seed, draw, tensor), 1.0, &mut values);
    values
}

/// Largest distance between the empirical distribution function of a sample and a distribution function.
fn ks_statistic(mut sample: Vec<f32>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_unstable_by(f32::total_cmp);
    let n = sample.len() as f64;
    let distance = |(i, &x): (usize, &f32)| {
        let f = cdf(f64::from(x));
        (f - i as f64 / n).abs().max(((i + 1) as f64 / n - f).abs())
    };
    sample.iter().enumerate().map(distance).fold(0.0, f64::max)
}

fn ks_two_samples(mut a: Vec<f32>, mut b: Vec<f32>) -> f64 {
    a.sort_unstable_by(f32::total_cmp);
    b.sort_unstable_by(f32::total_cmp);
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        let x = a[i].min(b[j]);
        i += a[i..].iter().take_while(|&&v| v <= x).count();
        j += b[j..].iter().take_while(|&&v| v <= x).count();
        largest = largest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    largest
}

fn normal_cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

fn laplace_cdf(x: f64) -> f64 {
    let tail = 0.5 * (-x.abs() * 2f64.sqrt()).exp();
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// Student's t with 3 degrees of freedom, in its elementary form, scaled to variance 1.
fn student3_cdf(x: f64) -> f64 {
    let t = x;
    0.5 + (t / (1.0 + t * t) + t.atan()) / PI
}

/// Five million values of each law.
#[test]
fn every_law_passes_kolmogorov_and_smirnov() {
    const N: usize = 5_000_000;
    type Case = (StandardLaw, fn(f64) -> f64);
    let cases: [Case; 4] = [
        (StandardLaw::Normal, normal_cdf),
        (StandardLaw::Uniform, |x| (0.5 + x / 12f64.sqrt()).clamp(0.0, 1.0)),
        (StandardLaw::Laplace, laplace_cdf),
        (StandardLaw::StudentT(3.0), student3_cdf),
    ];
    for (law, cdf) in cases {
        let d = ks_statistic(values(law, 1, 0, 0, N), cdf) * (N as f64).sqrt();
        assert!(d < KS_QUANTILE, "{law:?}: {d}");
    }
    // The negative control: a standard deviation that is 1 % off does not pass.
    let d = ks_statistic(values(StandardLaw::Normal, 1, 0, 0, N), |x| normal_cdf(1.01 * x)) * (N as f64).sqrt();
    assert!(d > KS_QUANTILE, "{d}");
}

/// A million values against a million of rand_distr's.
#[test]
fn laws_equal_those_of_an_independent_generator() {
    const N: usize = 1_000_000;
    let mut rng = SmallRng::seed_from_u64(7);
    let student = StudentT::new(5.0).expect("valid");
    let samples: [(StandardLaw, Vec<f32>); 3] = [
        (StandardLaw::Normal, (0..N).map(|_| rng.sample(StandardNormal)).collect()),
        (
            StandardLaw::Uniform,
            (0..N)
                .map(|_| {
                    let unit: f32 = StandardUniform.sample(&mut rng);
                    12f32.sqrt() * (unit - 0.5)
                })
                .collect(),
        ),
        (
            StandardLaw::StudentT(5.0),
            (0..N).map(|_| (student.sample(&mut rng) * (3.0f64 / 5.0).sqrt()) as f32).collect(),
        ),
    ];
    for (law, theirs) in samples {
        let d = ks_two_samples(values(law, 3, 1, 4, N), theirs) * (N as f64 / 2.0).sqrt();
        assert!(d < KS_QUANTILE, "{law:?}: {d}");
    }
}

/// Sixteen million normal values: tail counts against the law, in standard deviations of a binomial count.
#[test]
fn tails_have_their_weight() {
    const N: usize = 1 << 24;
    let sample = values(StandardLaw::Normal, 11, 5, 2, N);
    for threshold in [1.0, 2.0, 3.0, 4.0, 4.5] {
        for sign in [1.0, -1.0] {
            let count = sample.iter().filter(|&&x| sign * f64::from(x) > threshold).count() as f64;
            let p = normal_cdf(-threshold);
            let z = (count - N as f64 * p) / (N as f64 * p).sqrt();
            assert!(z.abs() < Z, "beyond {}: {count}, z = {z}", sign * threshold);
        }
    }
    // 9.6 are expected beyond 5 on both sides; P(more than 30) is 1e-7, P(none) 7e-5.
    let extreme = sample.iter().filter(|x| x.abs() > 5.0).count();
    assert!((1..=30).contains(&extreme), "{extreme}");
    assert!(sample.iter().all(|x| x.abs() < 6.4));
}

#[test]
fn moments_are_those_of_the_law() {
    const N: usize = 4_000_000;
    // Mean fourth and eighth powers give the errors of the second and fourth.
    for (law, kurtosis, eighth) in
        [(StandardLaw::Normal, 3.0, 105.0), (StandardLaw::Uniform, 1.8, 9.0), (StandardLaw::Laplace, 6.0, 2520.0)]
    {
        let sample = values(law, 2, 9, 1, N);
        let mean = |power: i32| sample.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / N as f64;
        let root = (N as f64).sqrt();
        assert!((mean(1) * root).abs() < Z, "{law:?} mean");
        assert!(((mean(2) - 1.0) * root / (kurtosis - 1.0f64).sqrt()).abs() < Z, "{law:?} variance");
        assert!(((mean(4) - kurtosis) * root / (eighth - kurtosis * kurtosis).sqrt()).abs() < Z, "{law:?} kurtosis");
    }
}

/// Correlations of a million pairs, of values and of squares: along elements, draws, tensors and seeds.
#[test]
fn nothing_is_correlated() {
    const N: usize = 1_000_000;
    let base = values(StandardLaw::Normal, 5, 8, 3, N + 64);
    let other = |seed, draw, tensor| values(StandardLaw::Normal, seed, draw, tensor, N);
    let correlation = |a: &[f32], b: &[f32], f: fn(f64) -> f64| {
        let sum: f64 = a.iter().zip(b).map(|(&x, &y)| f(f64::from(x)) * f(f64::from(y))).sum();
        sum / (N as f64).sqrt()
    };
    let check = |name: &str, b: &[f32]| {
        let plain = correlation(&base[..N], b, |x| x);
        // (x^2 - 1) / sqrt 2 has mean 0 and variance 1.
        let squares = correlation(&base[..N], b, |x| (x * x - 1.0) / 2f64.sqrt());
        assert!(plain.abs() < Z && squares.abs() < Z, "{name}: {plain} {squares}");
    };
    for lag in [1, 2, 3, 4, 16, 64] {
        check(&format!("lag {lag}"), &base[lag..lag + N]);
    }
    check("next draw", &other(5, 9, 3));
    check("draw 2^32 away", &other(5, 8 + (1 << 32), 3));
    check("next tensor", &other(5, 8, 4));
    check("next seed", &other(6, 8, 3));
    check("seed 2^32 away", &other(5 + (1 << 32), 8, 3));
    // One element over many draws is a sample of the law, too.
    let table = QuantileTable::new(StandardLaw::Normal).expect("valid");
    let across: Vec<f32> = (0..N as u64).map(|k| table.element(&Stream::new(5, k, 3), 17, 1.0)).collect();
    let d = ks_statistic(across, normal_cdf) * (N as f64).sqrt();
    assert!(d < KS_QUANTILE, "across draws: {d}");
}

/// The bits that results of other versions and other machines rest on.
#[test]
fn values_are_stable() {
    let first: Vec<u32> = values(StandardLaw::Normal, 1, 2, 3, 6).iter().map(|v| v.to_bits()).collect();
    assert_eq!(first, [0xbe57_666f, 0x3e76_28fe, 0x3fa6_2ab2, 0x3eaf_3fb2, 0xc018_4d67, 0x3f64_485a], "{first:#010x?}");
    let digest = |law| {
        let bytes: Vec<u8> = values(law, 1, 2, 3, 100_003).iter().flat_map(|v| v.to_bits().to_le_bytes()).collect();
        Sha256::digest(bytes)[..8].iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    assert_eq!(digest(StandardLaw::Normal), "06f7554d2bba15ed");
    assert_eq!(digest(StandardLaw::Uniform), "14cb16756695dc96");
    assert_eq!(digest(StandardLaw::Laplace), "927beb0be9b5c127");
}
