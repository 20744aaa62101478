//! `linregions bounds`.

use serde_json::Value;

use super::{refuse, rows, succeed};

fn json(args: &[&str]) -> Vec<Value> {
    let text = succeed(&[&["bounds", "--format", "json"], args].concat());
    serde_json::from_str(&text).expect("a list")
}

fn value(list: &[Value], id: &str) -> Option<String> {
    let entry = list.iter().find(|entry| entry["id"] == id).unwrap_or_else(|| panic!("{id} is listed"));
    assert_eq!(entry["applicable"], !entry["value"].is_null());
    assert_eq!(entry["applicable"], entry["reason"].is_null());
    assert_eq!(entry["applicable"], !entry["log10"].is_null());
    entry["value"].as_str().map(str::to_owned)
}

#[test]
fn exact_integers_with_their_sources() {
    let list = json(&["--arch", "784-100x10"]);
    for id in [
        "trivial_upper",
        "zaslavsky_1975",
        "raghu_2017_upper",
        "pascanu_2013_lower",
        "montufar_2014_lower",
        "montufar_2017_upper",
        "serra_2018_upper",
        "serra_2018_lower",
        "serra_2018_maxout_upper",
        "montufar_ren_zhang_2021_upper",
        "goujon_2024_upper",
        "layer_polynomial_upper",
        "hinz_vandegeer_2019_upper",
    ] {
        value(&list, id);
    }
    let serra = value(&list, "serra_2018_upper").expect("applies");
    assert!(serra.starts_with("31817179594478178240075840623170396838601856086563") && serra.len() == 299, "{serra}");
    assert_eq!(value(&list, "trivial_upper").map(|digits| digits.len()), Some(302));
    assert_eq!(value(&list, "pascanu_2013_lower"), None);
    assert!(list.iter().all(|entry| entry["source"].as_str().is_some_and(|s| !s.is_empty())));
    let log = list.iter().find(|e| e["id"] == "serra_2018_upper").expect("listed")["log10"].as_f64();
    assert!((log.expect("a number") - 298.502_66).abs() < 1e-4, "{log:?}");
}

#[test]
fn other_units_have_their_own_bounds() {
    let of = |activation: &str, id: &str| value(&json(&["--arch", "2-12x2", "--activation", activation]), id);
    assert_eq!(of("group-sort:3", "layer_polynomial_upper").as_deref(), Some("5625"));
    assert_eq!(of("group-sort:3", "goujon_2024_upper").as_deref(), Some("29241"));
    assert_eq!(of("abs", "serra_2018_upper"), None, "ranks do not drop");
    assert!(of("abs", "montufar_2017_upper").is_some() && of("hard-tanh", "montufar_2017_upper").is_none());
    let maxout = json(&["--arch", "2-4x2", "--activation", "maxout:4"]);
    assert_eq!(value(&maxout, "serra_2018_maxout_upper").as_deref(), Some("90601"));
    assert_eq!(value(&maxout, "montufar_ren_zhang_2021_upper").as_deref(), Some("4489"));
}

/// The published formula is above the number of regions where filters are shared in two dimensions.
#[test]
fn convolutions_are_counted_exactly() {
    let list = json(&["--arch", "1x3x3-c2k2"]);
    assert_eq!(value(&list, "xiong_2020_one_layer").as_deref(), Some("256"));
    assert_eq!(value(&list, "one_layer_regions").as_deref(), Some("255"));
    // 8 units in 9 dimensions: no dense bound is lower.
    assert_eq!(value(&list, "trivial_upper").as_deref(), Some("256"));
    assert_eq!(value(&list, "serra_2018_upper").as_deref(), Some("256"));
    let direction = |id: &str| list.iter().find(|e| e["id"] == id).expect("listed")["direction"].clone();
    assert_eq!((direction("xiong_2020_one_layer"), direction("one_layer_regions")), ("upper".into(), "exact".into()));
    let deep = json(&["--arch", "1x4-c2k2-c3k2"]);
    assert_eq!(value(&deep, "xiong_2020_lower").as_deref(), Some("320"));
    assert_eq!(value(&deep, "xiong_2020_upper").as_deref(), Some("3135"));
    // 6 + 15 parameters; 4-2x2 has 10 + 6, 4-3x2 has 15 + 12.
    let table = succeed(&["bounds", "--arch", "1x4-c2k2-c3k2"]);
    assert!(table.contains("It has 21 parameters. A dense network of as many, 4-2x2, has at most"), "{table}");
}

/// What holds for all weights stays, what does not says why.
#[test]
fn other_layers_have_upper_bounds() {
    for (arch, activation, upper, reason) in [
        ("1x4x4-c1k1-max2", "relu", "16777216", "hidden layer 2 is a max-pooling"),
        ("1x3x3-c2k2", "abs", "256", "rectified"),
        ("3-2-5+", "relu", "104", "hidden layer 1 is dense"),
    ] {
        let list = json(&["--arch", arch, "--activation", activation]);
        assert_eq!(value(&list, "layer_polynomial_upper").as_deref(), Some(upper));
        let formula = list.iter().find(|e| e["id"] == "xiong_2020_one_layer").expect("listed");
        assert!(formula["reason"].as_str().is_some_and(|text| text.contains(reason)), "{formula}");
        for id in ["zaslavsky_1975", "montufar_2014_lower", "serra_2018_lower", "zigzag_lower"] {
            assert_eq!(value(&list, id), None);
        }
    }
    let list = json(&["--arch", "1x3x3-c2k2", "--density"]);
    let entry = list.iter().find(|e| e["id"] == "density_upper").expect("listed");
    assert!(entry["reason"].as_str().is_some_and(|text| text.contains("none for convolutions")), "{entry}");
    let limit = list.iter().find(|e| e["id"] == "infinite_width_density").expect("listed");
    assert!(!limit["value"].is_null(), "{limit}");
    let list = json(&["--arch", "1x3x3-c2k2-avg", "--density"]);
    let entry = list.iter().find(|e| e["id"] == "infinite_width_density").expect("listed");
    assert!(entry["reason"].as_str().is_some_and(|text| text.contains("none for pooling")), "{entry}");
}

#[test]
fn tables_mark_the_tightest_and_say_what_does_not_apply() {
    let table = succeed(&["bounds", "--arch", "4-4x2"]);
    let line = |id: &str| table.lines().find(|l| l.starts_with(id)).unwrap_or_else(|| panic!("{id}: {table}"));
    assert!(line("serra_2018_upper").ends_with("163 *") && !line("montufar_2017_upper").ends_with('*'), "{table}");
    assert!(table.contains("serra_2018_lower: layer 1 has 4 units, fewer than 3 x 4 inputs"), "{table}");
    assert!(succeed(&["bounds", "--arch", "784-100x10"]).contains("3.18172e298 *"));
}

#[test]
fn densities_take_the_flags_of_an_ensemble() {
    let csv = rows(&succeed(&["bounds", "--density", "--bias", "normal:0.5", "--format", "csv"]));
    let density =
        |id: &str| csv.iter().find(|r| r["id"] == id).expect("listed")["value"].parse::<f64>().expect("a number");
    assert!((density("density_upper") - 611.155 / 5.0).abs() < 1e-2);
    assert!(density("infinite_width_density") < density("density_upper"));
    // Two layers of 64 maxout units, 2 / (pi 0.5) c_3 a unit: the second grows by 2 m_3.
    let maxout = ["bounds", "--arch", "2-64x2", "--activation", "maxout:3", "--density", "--bias", "normal:0.5"];
    let maxout = rows(&succeed(&[&maxout[..], &["--format", "csv"]].concat()));
    let upper = maxout.iter().find(|r| r["id"] == "density_upper").expect("listed")["value"].parse::<f64>();
    let expected = 64.0 * 1.5 / (0.5 * std::f64::consts::PI) * (1.0 + (2.0 * 1.275_664_45f64).sqrt());
    assert!((upper.expect("a number") - expected).abs() < 1e-4);
    let zero = rows(&succeed(&["bounds", "--density", "--bias", "zero", "--format", "csv"]));
    let upper = zero.iter().find(|r| r["id"] == "density_upper").expect("listed");
    assert!(upper["applicable"] == "false" && !upper["reason"].is_empty());
}

#[test]
fn bad_shapes_are_refused() {
    refuse(&["bounds", "--arch", "2-0"], &["--arch", "width 0"]);
    refuse(&["bounds", "--activation", "maxout:1"], &["--activation", "from 2"]);
    refuse(&["bounds", "--arch", "2-5", "--activation", "max-min"], &["layer 1 '5': has width 5", "group size 2"]);
    refuse(&["bounds", "--arch", "1x3x3-c2k4"], &["--arch", "layer 1 'c2k4'", "kernel of height 4"]);
    refuse(&["bounds", "--arch", "1x3x3-c2k2-max3s1"], &["layer 2 'max3s1'", "kernel of height 3"]);
    refuse(&["bounds", "--density", "--bias", "none"], &["--bias"]);
}

/// On one input no path of a network has more regions than Serra's number.
#[test]
fn estimates_stay_below_the_bound_of_a_line() {
    let directory = super::Directory::new();
    let draws = directory.text("draws.csv");
    let flags =
        ["--arch", "1-3x3", "--length", "50", "--bias", "normal:1", "--weights", "normal:1.5", "--networks", "500"];
    succeed(&[&["estimate", "--draws", &draws], &flags[..]].concat());
    let most: u64 = value(&json(&["--arch", "1-3x3"]), "serra_2018_upper").expect("applies").parse().expect("digits");
    assert_eq!(most, 64);
    let counts = rows(&super::read(draws.as_ref()));
    let boundaries: Vec<u64> = counts.iter().map(|r| r["boundaries"].parse().expect("a number")).collect();
    assert!(
        boundaries.iter().all(|&b| b < most) && boundaries.iter().any(|&b| b >= 9),
        "{:?}",
        boundaries.iter().max()
    );
}
