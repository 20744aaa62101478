//! `linregions slice`.

use super::trace::{npy, npz};
use super::{Directory, linregions, read, refuse, rows, run, stderr, stdout, succeed};

/// |u| + relu(v - 1/2) by three units and a copy, with a unit that is never active.
fn network(directory: &Directory) -> String {
    let tensors: [(&str, &str, &[f32]); 4] = [
        ("W0", "(5, 2)", &[1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 2.0, 1.0, 1.0]),
        ("b0", "(5,)", &[0.0, 0.0, -0.5, -1.0, -99.0]),
        ("W1", "(1, 5)", &[1.0, 1.0, 0.5, 0.25, 1.0]),
        ("b1", "(1,)", &[0.0]),
    ];
    directory.file("known.npz", npz(&tensors))
}

/// The same of three inputs: |x0| + relu(x2 - 1/2), and a layer that changes nothing where it is not 0.
fn deep_network(directory: &Directory) -> String {
    let tensors: [(&str, &str, &[f32]); 6] = [
        ("W0", "(3, 3)", &[1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        ("b0", "(3,)", &[0.0, 0.0, -0.5]),
        ("W1", "(1, 3)", &[1.0, 1.0, 1.0]),
        ("b1", "(1,)", &[-3.0]),
        ("W2", "(2, 1)", &[1.0, -1.0]),
        ("b2", "(2,)", &[0.0, 7.0]),
    ];
    directory.file("deep.npz", npz(&tensors))
}

#[test]
fn regions_of_a_known_network() {
    let directory = Directory::new();
    let network = network(&directory);
    let (cells, picture) = (directory.text("cells.csv"), directory.text("picture.svg"));
    let text = succeed(&["slice", "--network", &network, "--cells", &cells, "--out", &picture]);
    assert!(text.contains("4 activation regions, 4 linear regions, ") && text.contains("input x0"), "{text}");
    let cells = rows(&read(&directory.path("cells.csv")));
    assert_eq!(cells.len(), 4);
    let mut found: Vec<[&str; 4]> =
        cells.iter().map(|c| ["area", "slope", "gradients", "pattern"].map(|name| c[name].as_str())).collect();
    found.sort_unstable();
    // d/dv is 1/2 + 1/4 * 2 above v = 1/2.
    let steep = 2f64.sqrt().to_string();
    let expected = [
        ["0.5", steep.as_str(), "-1 1", "01110"],
        ["0.5", steep.as_str(), "1 1", "10110"],
        ["1.5", "1.0", "-1 0", "01000"],
        ["1.5", "1.0", "1 0", "10000"],
    ];
    assert_eq!(found, expected);
    let right = cells.iter().find(|c| c["pattern"] == "10110").expect("a cell");
    let corners: std::collections::BTreeSet<&str> = right["vertices"].split(';').collect();
    assert_eq!(corners, ["0 0.5", "0 1", "1 0.5", "1 1"].into());
    let svg = read(&directory.path("picture.svg"));
    assert!(svg.contains("width=\"90mm\"") && svg.matches("<polygon").count() == 4, "{svg}");
    assert!(svg.contains("layer 1") && svg.contains("input x1"));
}

#[test]
fn planes_of_more_inputs_by_points_directions_and_axes() {
    let directory = Directory::new();
    let network = deep_network(&directory);
    let summary = |more: &[&str]| -> serde_json::Value {
        let args = [&["slice", "--network", &network, "--format", "json"], more].concat();
        serde_json::from_str(&succeed(&args)).expect("JSON")
    };
    let counts = |json: &serde_json::Value| [json["activation_regions"].as_u64(), json["linear_regions"].as_u64()];
    let axes = summary(&["--axes", "0,2"]);
    assert_eq!(counts(&axes), [Some(4), Some(1)], "the second layer is dead: {axes}");
    assert_eq!(axes["layers"][0]["edges"], 4);
    assert_eq!(axes["layers"][0]["length"], 4.0);
    assert_eq!((&axes["layers"][0]["knots"], &axes["layers"][1]["edges"]), (&0.into(), &0.into()));
    assert_eq!((&axes["area"], &axes["activation_region_areas"]["max"]), (&4.0.into(), &1.5.into()));
    // The same plane, turned by 90 degrees, with directions that are not orthonormal.
    let turned = summary(&["--directions", "0,0,5", "-2,0,1", "--window=-1,1"]);
    assert_eq!(turned["directions"], serde_json::json!([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]));
    assert_eq!((counts(&turned), &turned["layers"]), (counts(&axes), &axes["layers"]));
    let moved = summary(&["--directions", "1,0,0", "0,0,1", "--origin=0.5,7,-10", "--window", "-1,1,10,11"]);
    assert_eq!(counts(&moved), [Some(4), Some(1)]);
    // Where the second layer is not dead: |x0| + relu(x2 - 1/2) > 3.
    let csv = directory.file("points.csv", "x0,x1,x2\n0,5,0\n4,5,0\n0,5,4\n");
    let array = directory.file("points.npy", npy("(3, 3)", &[0.0, 5.0, 0.0, 4.0, 5.0, 0.0, 0.0, 5.0, 4.0]));
    let [from_csv, from_array] = [&csv, &array].map(|file| summary(&["--points", file]));
    assert_eq!(counts(&from_csv), counts(&from_array));
    assert_eq!(from_csv["window"], serde_json::json!([[-1.0, -1.0], [5.0, -1.0], [5.0, 5.0], [-1.0, 5.0]]));
    assert_eq!(counts(&from_csv), [Some(7), Some(4)]);
    assert_eq!(summary(&["--points", &csv, "--margin", "0"])["area"], 16.0);
}

#[test]
fn files_are_the_same_for_any_number_of_threads() {
    let directory = Directory::new();
    let mut stream = (0..).map(|k: i32| ((k * 7919 + 13) % 1009) as f32 / 504.5 - 1.0);
    let mut values = |n: usize| stream.by_ref().take(n).collect::<Vec<f32>>();
    let (w0, b0, w1, b1, w2) = (values(40), values(20), values(400), values(20), values(20));
    let tensors: [(&str, &str, &[f32]); 5] = [
        ("W0", "(20, 2)", &w0),
        ("b0", "(20,)", &b0),
        ("W1", "(20, 20)", &w1),
        ("b1", "(20,)", &b1),
        ("W2", "(1, 20)", &w2),
    ];
    let network = directory.file("random.npz", npz(&tensors));
    let outputs = |threads: &str| {
        let names = ["png", "svg", "csv", "json"].map(|kind| directory.text(&format!("{threads}.{kind}")));
        let [png, svg, csv, json] = &names;
        for (picture, cells) in [(png, csv), (svg, json)] {
            let args = ["slice", "--network", &network, "--threads", threads, "--out", picture, "--cells", cells];
            succeed(&[&args[..], &["--color", "slope"]].concat());
        }
        names.map(|name| std::fs::read(name).expect("written"))
    };
    let one = outputs("1");
    assert!(one == outputs("2") && one == outputs("5"));
    assert!(one[0].starts_with(b"\x89PNG") && one.iter().all(|file| file.len() > 10_000));
    let json: serde_json::Value = serde_json::from_slice(&one[3]).expect("JSON");
    let cells = json["cells"].as_array().expect("a list");
    let total: f64 = cells.iter().map(|cell| cell["area"].as_f64().expect("a number")).sum();
    assert!(cells.len() > 100 && (total - 4.0).abs() < 1e-12, "{total}");
    assert_eq!(rows(&String::from_utf8(one[2].clone()).expect("UTF-8")).len(), cells.len());
}

#[test]
fn summaries_have_three_formats() {
    let directory = Directory::new();
    let network = network(&directory);
    let csv = rows(&succeed(&["slice", "--network", &network, "--format", "csv", "--window=-2,2,-1,1"]));
    let value = |quantity: &str, layer: &str| {
        let row = csv.iter().find(|row| row["quantity"] == quantity && row["layer"] == layer);
        row.map(|row| row["value"].clone())
    };
    assert_eq!(value("activation_regions", "").as_deref(), Some("4"));
    assert_eq!(value("area", "").as_deref(), Some("8"));
    assert_eq!(value("activation_region_area_median", "").as_deref(), Some("1"));
    assert_eq!(value("edges", "1").as_deref(), Some("4"));
    assert_eq!(value("length", "1").as_deref(), Some("6"));
    assert!(value("seconds", "").is_some() && value("close_calls", "").is_some());
}

#[test]
fn bad_input_is_refused_before_anything_is_written() {
    let directory = Directory::new();
    let (flat, deep) = (network(&directory), deep_network(&directory));
    let slice = |network: &str, more: &[&str], message: &[&str]| {
        refuse(&[&["slice", "--network", network], more].concat(), message);
    };
    slice("missing.npz", &[], &["missing.npz"]);
    slice(&deep, &[], &["3 inputs", "--points, --directions or --axes"]);
    slice(&deep, &["--axes", "0,3"], &["--axes 0,3", "from 0 to 2"]);
    slice(&deep, &["--axes", "1,1"], &["two different inputs"]);
    slice(&deep, &["--directions", "1,0,0", "2,0,0"], &["--directions", "one line"]);
    slice(&deep, &["--directions", "1,0,0", "2,0"], &["--directions", "2 coordinates", "3 inputs"]);
    slice(&deep, &["--directions", "1,0,0", "nan,0,0"], &["--directions", "'nan'"]);
    slice(&deep, &["--directions", "1,0,0", "0,1,0", "--axes", "0,1"], &["cannot be used with"]);
    slice(&flat, &["--origin", "1,2,3"], &["--origin", "3 coordinates", "2 inputs"]);
    let points = |text: &str| directory.file("three.csv", text);
    slice(&flat, &["--points", &points("x0,x1\n0,0\n1,1\n0.1,0.1\n")], &["three.csv", "three points", "one line"]);
    slice(&flat, &["--points", &points("x0,x1\n0,0\n1,NaN\n2,3\n")], &["three.csv", "line 3", "'NaN'"]);
    slice(&flat, &["--points", &points("x0,x1\n0,0\n1,2\n")], &["three.csv", "2 points", "give three"]);
    slice(&deep, &["--points", &points("x0,x1\n0,0\n1,2\n2,0\n")], &["three.csv", "2 coordinates", "3 inputs"]);
    let good = points("x0,x1\n0,0\n1,0\n0,1\n");
    slice(&flat, &["--points", &good, "--margin", "-1"], &["--margin -1"]);
    slice(&flat, &["--points", &good, "--axes", "0,1"], &["cannot be used with"]);
    for window in ["1,1", "2,1", "0,1,2,2", "0", "0,1,2", "0,nan", "0,inf", "a,b", ""] {
        slice(&flat, &["--window", window], &["--window"]);
    }
    slice(&flat, &["--out", "picture.jpg"], &["--out picture.jpg", ".svg or .png"]);
    slice(&flat, &["--cells", "cells.txt"], &["--cells cells.txt", ".csv or .json"]);
    slice(&flat, &["--out", &directory.text("nowhere/picture.svg")], &["nowhere", "cannot write"]);
    slice(&flat, &["--cells", &directory.text("nowhere/cells.csv")], &["nowhere", "cannot write"]);
    slice(&flat, &["--points", &good, "--cells", &good], &["is an input"]);
    slice(&flat, &["--color", "pink"], &["pink", "adjacency"]);
    slice(&flat, &["--threads", "0"], &["--threads 0"]);
    slice(&flat, &["--activation", "sigmoid"], &["--activation", "sigmoid"]);
    let left = std::fs::read_dir(directory.0.path()).expect("readable").count();
    assert_eq!(left, 3, "the networks and the points, no output");
}

#[test]
fn a_pre_activation_beyond_the_range_is_a_failure() {
    let directory = Directory::new();
    let names: Vec<String> = (0..10).map(|layer| format!("W{layer}")).collect();
    let mut huge: Vec<(&str, &str, &[f32])> =
        names.iter().map(|name| (name.as_str(), "(1, 1)", &[1e38f32][..])).collect();
    huge[0] = ("W0", "(1, 2)", &[1e38, 1e38]);
    let network = directory.file("huge.npz", npz(&huge));
    let picture = directory.text("picture.png");
    let output = run(&["slice", "--network", &network, "--out", &picture]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("range of f64") && stdout(&output).is_empty());
    assert!(!directory.path("picture.png").exists() && !directory.path("picture.png.partial").exists());
}

/// A region count that never ends within the test: the first Ctrl-C ends it at once and leaves no file.
#[cfg(unix)]
#[test]
fn ctrl_c_is_heard() {
    let directory = Directory::new();
    let mut stream = (0..).map(|k: i64| ((k * 48271 + 11) % 65537) as f32 / 32768.0 - 1.0);
    let mut values = |n: usize| stream.by_ref().take(n).collect::<Vec<f32>>();
    let (w0, b0, w1) = (values(4000), values(2000), values(2000));
    let network =
        directory.file("wide.npz", npz(&[("W0", "(2000, 2)", &w0), ("b0", "(2000,)", &b0), ("W1", "(1, 2000)", &w1)]));
    let cells = directory.text("cells.csv");
    let child = linregions(&["slice", "--network", &network, "--cells", &cells])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let partial = directory.path("cells.csv.partial");
    while !partial.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill is there").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: interrupted"), "{}", stderr(&output));
    assert!(!directory.path("cells.csv").exists() && !partial.exists());
}

/// A sorted pair on each side of x1 = x0 - 3/4, and the larger of two values on each side of the diagonal.
#[test]
fn groups_are_sliced() {
    let directory = Directory::new();
    let cells = directory.text("cells.csv");
    let patterns = |args: &[&str]| -> Vec<String> {
        succeed(&[&["slice", "--cells", &cells, "--quiet"], args].concat());
        let mut patterns: Vec<String> =
            rows(&read(cells.as_ref())).iter().map(|cell| cell["pattern"].clone()).collect();
        patterns.sort();
        patterns
    };
    let lines = super::count::four_lines(&directory);
    assert_eq!(patterns(&["--network", &lines, "--activation", "max-min"]), ["0110", "1010"]);
    let pooled = npz(&[("W0", "(1, 1, 1)", &[1.0]), ("W1", "(1, 1)", &[1.0])]);
    let pooled = directory.file("pooled.npz", pooled);
    let args = ["--network", &pooled, "--arch", "1x2-c1k1-max2", "--activation", "relu"];
    // Both values are zero where both inputs are negative: the first counts as the largest.
    assert_eq!(patterns(&args), ["00/0", "01/1", "10/0", "11/0", "11/1"]);
    // Two filters, sorted: |x0| and |x1|, then their negatives.
    let sorted = npz(&[("W0", "(2, 1, 1)", &[1.0, -1.0]), ("W1", "(1, 4)", &[1.0, 2.0, 3.0, 4.0])]);
    let sorted = directory.file("sorted.npz", sorted);
    let args = ["--network", &sorted, "--arch", "1x2-c2k1", "--activation", "max-min"];
    assert_eq!(patterns(&args), ["0101", "0110", "1001", "1010"]);
    let positive = rows(&read(cells.as_ref())).into_iter().find(|cell| cell["pattern"] == "0101").expect("a cell");
    assert_eq!(positive["gradients"], "-2 -2");
}
