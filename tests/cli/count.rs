//! `linregions count`.

use serde_json::Value;

use super::trace::{known_network, npz};
use super::{Directory, refuse, rows, run, stderr, succeed};

/// Four lines in the plane, no two parallel and no three through one point: 11 regions, 7 of them in the box.
pub(super) fn four_lines(directory: &Directory) -> String {
    let tensors: [(&str, &str, &[f32]); 4] = [
        ("W0", "(4, 2)", &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, -1.0]),
        ("b0", "(4,)", &[-0.5, 0.25, -4.0, 0.25]),
        ("W1", "(1, 4)", &[1.0, 2.0, 3.0, 5.0]),
        ("b1", "(1,)", &[0.0]),
    ];
    directory.file("lines.npz", npz(&tensors))
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&succeed(&[&["count", "--format", "json"], args].concat())).expect("JSON")
}

fn numbers(result: &Value) -> (Option<u64>, Option<u64>) {
    (result["activation_regions"].as_u64(), result["linear_regions"].as_u64())
}

#[test]
fn regions_are_counted_everywhere_and_in_boxes() {
    let directory = Directory::new();
    let lines = four_lines(&directory);
    let everywhere = json(&["--network", &lines]);
    // An architecture may be given to dense networks, and then it must be theirs.
    assert_eq!(numbers(&json(&["--network", &lines, "--arch", "2-4"])), (Some(11), Some(11)));
    refuse(
        &["count", "--network", &lines, "--arch", "2-5"],
        &["lines.npz", "W0", "(4, 2)", "hidden layer 1 of 2-5", "(5, 2)"],
    );
    assert_eq!(numbers(&everywhere), (Some(11), Some(11)));
    assert_eq!((&everywhere["method"], &everywhere["complete"]), (&"tree".into(), &true.into()));
    assert!(everywhere["seconds"].as_f64().is_some_and(|s| s > 0.0));
    // x + y = 4 passes the box by.
    let expected = (Some(7), Some(7));
    for domain in
        [&["--box", "-1,1"][..], &["--box=-1,1"], &["--box", &directory.file("box.csv", "lo,hi\n-1,1\n-1,1\n")]]
    {
        assert_eq!(numbers(&json(&[&["--network", &lines], domain].concat())), expected);
    }
    for method in ["auto", "tree", "milp", "plane"] {
        let result = json(&["--network", &lines, "--box", "-1,1", "--method", method, "--threads", "2"]);
        assert_eq!(result["activation_regions"], 7, "{method}");
    }
    // x -> |x - 1| - |x + 1| by four units, of which one is a copy.
    let [known, torch] = known_network(&directory);
    for network in [known, torch] {
        assert_eq!(numbers(&json(&["--network", &network, "--box", "-4,4"])), (Some(3), Some(3)));
        assert_eq!(numbers(&json(&["--network", &network, "--box", "-0.5,4"])), (Some(2), Some(2)));
    }
}

/// Max-min of the same rows: two lines where rows 0 and 1, and rows 2 and 3, change order. A residual connection adds no region.
#[test]
fn groups_and_skips_are_counted() {
    let directory = Directory::new();
    let lines = four_lines(&directory);
    let of_pairs = ["--network", &lines, "--activation", "max-min"];
    assert_eq!(numbers(&json(&of_pairs)), (Some(4), Some(4)));
    assert_eq!(numbers(&json(&[&of_pairs[..], &["--box", "-1,1"]].concat())), (Some(2), Some(2)));
    // max(x, y) - max(-x, -y) = x + y.
    let tensors: [(&str, &str, &[f32]); 2] = [("W0", "(2, 1, 1)", &[1.0, -1.0]), ("W1", "(1, 2)", &[1.0, -1.0])];
    let pooled = directory.file("pooled.npz", npz(&tensors));
    let args = ["--network", &pooled, "--arch", "1x2-c2k1-max2", "--activation", "identity", "--box", "-1,1"];
    assert_eq!(numbers(&json(&args)), (Some(2), Some(1)));
    let table = succeed(&[&["count"], &args[..]].concat());
    assert!(table.contains("1x2-c2k1-max identity on [-1, 1]^2"), "{table}");
    let tensors: [(&str, &str, &[f32]); 4] =
        [("W0", "(1, 1)", &[1.0]), ("b0", "(1,)", &[-0.5]), ("W1", "(1, 1)", &[1.0]), ("W2", "(1, 1)", &[1.0])];
    let residual = directory.file("residual.npz", npz(&tensors));
    let args = ["--network", &residual, "--arch", "1-[1-1]", "--box", "-1,1"];
    // relu(relu(x - 1/2) + x).
    assert_eq!(numbers(&json(&args)), (Some(3), Some(3)));
    // Filters in sorted pairs: |x| and |y|, then -|x| and -|y|. The sums are |x| + |y| and |x| - |x|.
    for (readout, linear) in [([1.0, 1.0, 0.0, 0.0], 4), ([1.0, 0.0, 1.0, 0.0], 1)] {
        let tensors: [(&str, &str, &[f32]); 2] = [("W0", "(2, 1, 1)", &[1.0, -1.0]), ("W1", "(1, 4)", &readout)];
        let sorted = directory.file("sorted.npz", npz(&tensors));
        for box_of in [&[][..], &["--box", "-1,2"], &["--box", "-1,2", "--method", "plane"]] {
            let args = [&["--network", &sorted, "--arch", "1x2-c2k1", "--activation", "max-min"], box_of].concat();
            assert_eq!(numbers(&json(&args)), (Some(4), Some(linear)), "{box_of:?}");
        }
    }
}

#[test]
fn bounds_stand_beside_the_count() {
    let directory = Directory::new();
    let lines = four_lines(&directory);
    let result = json(&["--network", &lines]);
    let bounds = result["bounds"].as_array().expect("a list");
    let value = |id: &str| bounds.iter().find(|b| b["id"] == id).unwrap_or_else(|| panic!("{id}"))["value"].clone();
    assert_eq!((value("zaslavsky_1975"), value("trivial_upper")), ("11".into(), "16".into()));
    assert!(bounds.iter().all(|b| b["applicable"] == true && b["quantity"] == "regions"), "{bounds:?}");
    let table = succeed(&["count", "--network", &lines]);
    for part in
        ["2-4 relu on R^n", "activation regions  11\n", "linear regions      11\n", "zaslavsky_1975", "regions/s"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let csv = rows(&succeed(&["count", "--network", &lines, "--format", "csv"]));
    assert_eq!((csv[0]["activation_regions"].as_str(), csv[0]["complete"].as_str()), ("11", "true"));
    // The bound of rectified units is not offered for others.
    let abs = json(&["--network", &lines, "--activation", "abs"]);
    assert!(abs["bounds"].as_array().is_some_and(|list| list.iter().all(|b| b["id"] != "serra_2018_upper")));
}

#[test]
fn probable_bounds_are_marked() {
    let directory = Directory::new();
    let lines = four_lines(&directory);
    let args = ["--network", &lines, "--method", "xor", "--seed", "3"];
    let result = json(&args);
    assert_eq!((&result["complete"], &result["linear_regions"]), (&false.into(), &Value::Null));
    assert!(result["confidence"].as_f64().is_some_and(|c| c > 0.999));
    assert!(result["activation_regions"].as_u64().is_some_and(|n| n <= 11));
    assert_eq!(json(&args)["activation_regions"], result["activation_regions"]);
    let table = succeed(&[&["count"], &args[..]].concat());
    assert!(table.contains("a lower bound with a probability of 0.999"), "{table}");
}

#[test]
fn journals_go_on_and_are_not_mixed_up() {
    let directory = Directory::new();
    let (lines, journal) = (four_lines(&directory), directory.text("count.journal"));
    let args = ["--network", &lines, "--journal", &journal];
    assert_eq!(numbers(&json(&args)), (Some(11), Some(11)));
    assert_eq!(numbers(&json(&args)), (Some(11), Some(11)), "again, from the journal");
    refuse(&[&["count"], &args[..], &["--box", "-1,1"]].concat(), &["count.journal", "the box was R^n, now [-1, 1]^2"]);
    refuse(&[&["count"], &args[..], &["--activation", "abs"]].concat(), &["count.journal", "2-4 relu", "2-4 abs"]);
    refuse(&["count", "--network", &lines, "--journal", &lines], &["lines.npz"]);
    refuse(&[&["count"], &args[..], &["--method", "xor"]].concat(), &["--journal", "tree"]);
}

#[test]
fn bad_input_is_refused() {
    let directory = Directory::new();
    let lines = four_lines(&directory);
    let refuse_with =
        |more: &[&str], message: &[&str]| refuse(&[&["count", "--network", &lines], more].concat(), message);
    refuse(&["count", "--network", "missing.npz"], &["missing.npz"]);
    for method in ["tree", "xor"] {
        refuse_with(&["--method", method, "--threads", "100000"], &["--threads 100000: give 1 to 1024"]);
    }
    refuse_with(&["--method", "plane"], &["--method plane needs a box"]);
    refuse_with(
        &["--activation", "max-min", "--method", "xor"],
        &["--method xor takes no groups", "hidden layer 1 has max-min", "use --method tree"],
    );
    refuse_with(&["--activation", "maxout:2"], &["lines.npz", "W1", "4 inputs", "2 units"]);
    let [line, _] = known_network(&directory);
    refuse(&["count", "--network", &line, "--box", "0,1", "--method", "plane"], &["is about 2 inputs", "has 1"]);
    refuse(&["count"], &["--network"]);
    refuse_with(&["--box", "1,1"], &["--box", "not below"]);
    refuse_with(&["--box", "nan,1"], &["--box", "finite"]);
    refuse_with(&["--box", "0,1,2"], &["--box", "LO,HI"]);
    refuse_with(&["--box", "missing.csv"], &["--box", "missing.csv"]);
    refuse_with(&["--box", &directory.file("box.csv", "lo,hi\n0,1\n")], &["box.csv", "1 rows", "2 inputs"]);
    refuse_with(&["--box", &directory.file("bad.csv", "lo,hi\n0,1\n0,one\n")], &["bad.csv:3"]);
    refuse_with(&["--activation", "gelu"], &["--activation", "gelu"]);
    refuse_with(&["--threads", "0"], &["--threads 0"]);
    refuse_with(&["--method", "milp"], &["--method milp needs a box"]);
    refuse_with(&["--method", "milp", "--box", "0,1", "--activation", "abs"], &["not abs"]);
    refuse_with(&["--method", "xor", "--trials", "0"], &["--trials"]);
    for (flag, method) in [("--trials", "tree"), ("--slack", "milp"), ("--effort", "plane"), ("--seed", "auto")] {
        refuse_with(&[flag, "3", "--method", method, "--box", "0,1"], &[flag, "is about --method xor"]);
    }
    refuse_with(&["--box", ""], &["--box", "give LO,HI"]);
    refuse_with(&["--arch", "2-x"], &["--arch: architecture '2-x': hidden layer 1 'x': write a width"]);
    let huge = npz(&[
        ("W0", "(1, 1)", &[3e38]),
        ("W1", "(1, 1)", &[3e38]),
        ("W2", "(1, 1)", &[3e38]),
        ("W3", "(1, 1)", &[3e38]),
        ("W4", "(1, 1)", &[1.0]),
    ]);
    refuse(&["count", "--network", &directory.file("huge.npz", huge)], &["layer 4", "rescale"]);
}

/// What was found before Ctrl-C is printed as a lower bound.
#[cfg(unix)]
#[test]
fn interrupted_counts_are_lower_bounds() {
    let directory = Directory::new();
    // So many regions that no machine counts them in the time this test takes.
    let weights =
        |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * i * 7919 + i * 104_729) % 1009) as f32 / 504.0 - 1.0).collect() };
    let tensors: [(&str, &str, &[f32]); 4] = [
        ("W0", "(60, 12)", &weights(720)),
        ("b0", "(60,)", &weights(60)),
        ("W1", "(1, 60)", &weights(60)),
        ("b1", "(1,)", &[0.0]),
    ];
    let network = directory.file("large.npz", npz(&tensors));
    let child = super::linregions(&["count", "--network", &network, "--box", "-1,1", "--format", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(kill.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("lower bound"), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&result["complete"], &result["linear_regions"]), (&false.into(), &Value::Null));
    assert!(result["activation_regions"].as_u64().is_some_and(|n| n > 0));
    assert!(run(&["count", "--help"]).status.success());
}
