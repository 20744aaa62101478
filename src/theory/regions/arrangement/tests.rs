//! Exact counts against enumeration, graphs and published values.

use super::super::conv::xiong_2020_one_layer;
use super::*;

fn conv(input: [usize; 2], c: usize, kernel: [usize; 2], s: usize, f: usize) -> ConvLayer {
    ConvLayer::new(input, c, kernel, s, f).unwrap()
}

fn count(normals: &[Vec<u64>]) -> u128 {
    independent_sets(normals).unwrap().try_into().unwrap()
}

/// Reference: the rank of every subset.
fn by_subsets(normals: &[Vec<u64>]) -> u128 {
    (0u32..1 << normals.len())
        .filter(|s| {
            let chosen: Vec<_> = (0..normals.len()).filter(|i| s >> i & 1 == 1).map(|i| normals[i].clone()).collect();
            rank(&chosen).unwrap() == chosen.len()
        })
        .count() as u128
}

/// Reference: regions of an affine arrangement (normal, then offset), by deletion and restriction of hyperplanes.
fn regions(mut planes: Vec<Vec<u64>>) -> u128 {
    for a in &mut planes {
        let normal = a.split_last().unwrap().1;
        if let Some(s) = normal.iter().find(|&&v| v != 0).map(|&v| inv(v)) {
            a.iter_mut().for_each(|v| *v = mul(*v, s));
        } else {
            a.clear();
        }
    }
    planes.retain(|a| !a.is_empty());
    planes.sort();
    planes.dedup();
    let Some(h) = planes.pop() else { return 1 };
    let j = h.iter().position(|&v| v != 0).unwrap();
    let restricted = planes
        .iter()
        .map(|a| {
            let mut b: Vec<u64> = a.iter().zip(&h).map(|(&v, &w)| sub(v, mul(a[j], w))).collect();
            b.remove(j);
            b
        })
        .collect();
    regions(planes) + regions(restricted)
}

#[test]
fn field() {
    assert_eq!(mul(PRIME - 1, PRIME - 1), 1);
    assert_eq!((add(PRIME - 1, 1), sub(0, 1)), (0, PRIME - 1));
    let mut random = Residues(1);
    for _ in 0..100 {
        let a = random.next();
        assert_eq!(mul(a, inv(a)), 1);
    }
}

#[test]
fn against_all_subsets() {
    let mut random = Residues(7);
    for case in 0..400usize {
        // Entries from 0..k make dependent subsets of all kinds: loops, parallel and series classes, components.
        let (n, d, k) = (1 + case % 10, 1 + case / 10 % 7, 2 + case as u64 / 70 % 3);
        let normals: Vec<Vec<u64>> = (0..n).map(|_| (0..d).map(|_| random.next() % k).collect()).collect();
        assert_eq!(count(&normals), by_subsets(&normals), "{normals:?}");
    }
}

#[test]
fn graphs_and_uniform_matroids() {
    // Complete graphs: labelled forests.
    for (n, forests) in [(3, 7), (4, 38), (5, 291), (6, 2932), (7, 36961)] {
        let edge = |i: usize, j: usize| {
            let mut a = vec![0; n];
            (a[i], a[j]) = (1, PRIME - 1);
            a
        };
        let normals: Vec<_> = (0..n).flat_map(|i| (0..i).map(move |j| edge(i, j))).collect();
        assert_eq!(count(&normals), forests);
    }
    let mut random = Residues(3);
    for (n, d) in [(5, 5), (6, 5), (12, 4), (16, 8), (40, 3), (40, 37), (64, 64), (64, 63), (64, 62), (64, 2), (64, 1)]
    {
        let normals: Vec<Vec<u64>> = (0..n).map(|_| (0..d).map(|_| random.next()).collect()).collect();
        let (mut sum, mut c) = (0u128, 1u128);
        for i in 0..=d as u128 {
            sum += c;
            c = c * (n as u128 - i) / (i + 1);
        }
        assert_eq!(count(&normals), sum, "{n} {d}");
    }
    assert_eq!((count(&[]), count(&[vec![], vec![]]), count(&[vec![0], vec![PRIME], vec![5]])), (1, 1, 2));
}

#[test]
fn published_formula_fails_in_two_dimensions() {
    for (input, f, upper, exact) in [([3, 3], 2, 256u32, 255u32), ([3, 3], 3, 4013, 3998), ([3, 4], 2, 4096, 4061)] {
        let l = conv(input, 1, [2, 2], 1, f);
        assert_eq!(xiong_2020_one_layer(&l).unwrap(), upper.into());
        for seed in 0..5 {
            assert_eq!(generic_conv_count(&l, seed).unwrap(), exact.into());
        }
    }
}

#[test]
fn published_formula_holds_on_lines() {
    let mut cases = 0;
    for (n, c, k) in (1..=7).flat_map(|n| (1..=3).flat_map(move |c| (1..=n).map(move |k| (n, c, k)))) {
        for (s, f) in (1..=3).flat_map(|s| (1..=4).map(move |f| (s, f))) {
            let l = conv([1, n], c, [1, k], s, f);
            if l.positions() * f <= 20 {
                assert_eq!(generic_conv_count(&l, 11).unwrap(), xiong_2020_one_layer(&l).unwrap(), "{l:?}");
                cases += 1;
            }
        }
    }
    assert!(cases > 990, "{cases}");
}

#[test]
fn formula_is_exact_without_weight_sharing() {
    for l in [
        conv([3, 3], 1, [2, 2], 1, 2),
        conv([3, 3], 1, [2, 2], 1, 3),
        conv([3, 4], 1, [2, 2], 1, 2),
        conv([4, 4], 1, [3, 3], 2, 3),
        conv([5, 4], 1, [3, 2], 1, 2),
        conv([1, 6], 1, [1, 3], 1, 3),
        conv([2, 3], 2, [2, 2], 1, 5),
    ] {
        let mut random = Residues(23);
        let mut normals = conv_normals(&l, 1).unwrap();
        normals.iter_mut().flatten().filter(|v| **v != 0).for_each(|v| *v = random.next());
        assert_eq!(independent_sets(&normals).unwrap(), xiong_2020_one_layer(&l).unwrap(), "{l:?}");
    }
}

#[test]
fn one_bias_per_filter_is_generic_enough() {
    let mut cases = 0;
    for (h, w, c) in (1..=3).flat_map(|h| (h..=6).flat_map(move |w| (1..=2).map(move |c| (h, w, c)))) {
        for (kh, kw) in (1..=h).flat_map(|kh| (1..=w).map(move |kw| (kh, kw))) {
            for (s, f) in (1..=2).flat_map(|s| (1..=5).map(move |f| (s, f))) {
                let l = conv([h, w], c, [kh, kw], s, f);
                if l.positions() * f > 12 {
                    continue;
                }
                let mut random = Residues(29);
                let bias: Vec<u64> = (0..f).map(|_| random.next()).collect();
                let mut planes = conv_normals(&l, 31).unwrap();
                planes.iter_mut().zip(bias.iter().cycle()).for_each(|(a, &b)| a.push(b));
                assert_eq!(BigUint::from(regions(planes)), generic_conv_count(&l, 31).unwrap(), "{l:?}");
                cases += 1;
            }
        }
    }
    assert!(cases > 300, "{cases}");
}

#[test]
fn ranks() {
    for (n, c, k, s, f, shared) in [
        (4, 1, 2, 1, 2, 14),
        (6, 1, 3, 1, 2, 28),
        (8, 1, 3, 1, 2, 56),
        (4, 2, 2, 1, 3, 26),
        (5, 2, 2, 1, 3, 44),
        (10, 1, 3, 2, 5, 76),
    ] {
        let l = conv([n, n], c, [k, k], s, f);
        assert_eq!(generic_conv_rank(&l, 2).unwrap(), shared, "{l:?}");
    }
}

/// Reference: enumeration of the independent sets, with a basis of the span in echelon form.
fn by_enumeration(normals: &[Vec<u64>], basis: &mut Vec<(usize, Vec<u64>)>) -> u128 {
    let mut total = 1;
    for (i, a) in normals.iter().enumerate() {
        let mut a = a.clone();
        for (p, b) in basis.iter() {
            let f = a[*p];
            if f != 0 {
                a.iter_mut().zip(b).for_each(|(v, &w)| *v = sub(*v, mul(f, w)));
            }
        }
        if let Some(p) = a.iter().position(|&v| v != 0) {
            let s = inv(a[p]);
            a.iter_mut().for_each(|v| *v = mul(*v, s));
            basis.push((p, a));
            total += by_enumeration(&normals[i + 1..], basis);
            basis.pop();
        }
    }
    total
}

#[test]
fn larger_layers() {
    for (l, n, expected) in [
        (conv([4, 4], 1, [2, 2], 1, 2), 18, 257_108),
        (conv([3, 3], 1, [2, 2], 1, 5), 20, 391_966),
        (conv([3, 4], 1, [2, 2], 1, 3), 18, 243_651),
        (conv([4, 4], 2, [2, 2], 1, 3), 27, (1 << 27) - 1),
        (conv([4, 4], 1, [2, 2], 1, 3), 27, 108_359_232),
        (conv([6, 6], 1, [3, 3], 1, 2), 32, 4_294_887_781),
        (conv([5, 5], 1, [2, 2], 1, 2), 32, 4_087_405_363),
        (conv([5, 5], 2, [2, 2], 1, 3), 48, 281_474_968_031_031),
    ] {
        let mut normals = conv_normals(&l, 4).unwrap();
        assert_eq!((normals.len(), count(&normals)), (n, expected), "{l:?}");
        if n <= 20 {
            assert_eq!(by_enumeration(&normals, &mut Vec::new()), expected, "{l:?}");
        }
        // Another order of elements takes quite another course.
        normals.reverse();
        normals.rotate_left(n / 3);
        assert_eq!(count(&normals), expected, "{l:?}");
    }
}

#[test]
fn refusals() {
    assert!(independent_sets(&vec![vec![1]; 65]).unwrap_err().0.contains("65 normals"));
    assert!(independent_sets(&[vec![1], vec![1, 2]]).unwrap_err().0.contains("normal 1 has 2 entries"));
    let normals = conv_normals(&conv([4, 4], 1, [2, 2], 1, 4), 0).unwrap();
    let e = Counter::new(100_000).count(Tableau::new(&normals).unwrap()).unwrap_err();
    assert!(e.0.contains("work limit of 100000 steps"), "{e}");
    assert!(rank(&[vec![0; MAX_ENTRIES + 1]]).unwrap_err().0.contains("entries"));
    assert!(generic_conv_count(&conv([1, 1000], 1, [1, 2], 1, 2), 0).unwrap_err().0.contains("1998 normals"));
    assert!(generic_conv_count(&conv([1 << 12, 1 << 12], 1, [1 << 12, 1 << 12], 1, 2), 0).is_err());
}
