//! `linregions estimate`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Directory, read, refuse, rows, run, stderr, succeed};

/// The result without the one column that differs from run to run.
fn without_time(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows: Vec<BTreeMap<String, String>> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<csv::Result<_>>().expect("CSV");
    rows.iter_mut().for_each(|row| drop(row.remove("wall_seconds").expect("the column")));
    rows
}

#[test]
fn the_default_ensemble_has_its_known_density() {
    let rows = rows(&succeed(&["estimate", "--format", "csv", "--engine", "cpu"]));
    let boundaries = rows.iter().find(|r| r["quantity"] == "boundaries").expect("a row");
    let number = |column: &str| boundaries[column].parse::<f64>().expect("a number");
    // An independent f64 count of 20,000 networks, written in numpy, gave 34.186 with standard error 0.167.
    let z = (number("mean_density") - 34.186) / number("std_error").hypot(0.167);
    assert!(z.abs() < 4.5, "{z}");
    assert!(number("bound_ratio") < 1.0);
    assert_eq!((boundaries["networks"].as_str(), boundaries["engine"].as_str()), ("1000", "cpu"));
}

/// Most machines have AVX2 and FMA without AVX-512.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_vector_instructions_of_the_machine_are_used() {
    let rows = rows(&succeed(&["estimate", "--networks", "1", "--engine", "cpu", "--format", "csv"]));
    let level = match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("avx2")) {
        (true, _) => "v4",
        (_, true) => "v3",
        _ => return,
    };
    assert_eq!(rows[0]["adapter"], format!("x86_64-{level}"));
}

#[test]
fn the_table_says_whether_the_bound_holds() {
    let table = succeed(&["estimate", "--networks", "50"]);
    assert!(table.contains("is below its upper bound 611.15"), "{table}");
    assert!(table.contains("depth 3 x width 64 x 1 x 3.1831"), "{table}");
    let table = succeed(&["estimate", "--networks", "50", "--bias", "zero"]);
    assert!(table.contains("No upper bound on the density applies: zero biases have no density"), "{table}");
    let table = succeed(&["estimate", "--networks", "1", "--length", "0"]);
    assert!(table.contains("no density"), "{table}");
}

#[test]
fn files_and_standard_output_agree_and_do_not_depend_on_threads() {
    let directory = Directory::new();
    let result = |threads: &str, name: &str| {
        let (csv, draws) = (directory.text(&format!("{name}.csv")), directory.text(&format!("{name}-draws.csv")));
        let flags = ["--arch", "3-20-10", "--path", "chord", "--paths-per-network", "3", "--networks", "101"];
        let outputs = ["--csv", &csv, "--draws", &draws, "--threads", threads, "--format", "csv"];
        let printed = succeed(&[&["estimate"], &flags[..], &outputs[..]].concat());
        assert_eq!(printed, read(csv.as_ref()));
        (without_time(&printed), read(draws.as_ref()))
    };
    let (summary, draws) = result("1", "one");
    assert_eq!((summary.clone(), draws.clone()), result("3", "three"));
    let draws = rows(&draws);
    assert_eq!(draws.len(), 303);
    let sum = |column: &str| draws.iter().map(|r| r[column].parse::<f64>().expect("a number")).sum::<f64>();
    assert_eq!(sum("crossings"), sum("crossings_layer_1") + sum("crossings_layer_2"));
    let density: f64 = summary[1]["mean_density"].parse().expect("a number");
    assert!((density - sum("boundaries") / sum("length")).abs() < 1e-9 * density);
    assert!(draws.iter().all(|r| r["plan_digest"] == summary[0]["plan_digest"]));
    assert!(!directory.path("one.csv.partial").exists());
}

#[test]
fn convolutions_and_skips_are_architectures() {
    let row = |arch: &str, more: &[&str]| {
        let flags = ["estimate", "--networks", "40", "--format", "csv", "--arch", arch];
        rows(&succeed(&[&flags, more].concat()))
    };
    for (arch, text, depth) in [
        ("1x9-c4k3-max2-5", "1x9-c4k3-max2-5", "3"),
        ("3x6x6-c4k3p1-[c4k3p1-c4k3p1]x2-avg", "3x6x6-c4k3p1-c4k3p1-c4k3p1~1-c4k3p1-c4k3p1~3-avg", "6"),
        ("10-20-20+x3", "10-20-20+x3", "4"),
    ] {
        let exact = row(arch, &[]);
        assert_eq!((exact[0]["architecture"].as_str(), exact[0]["depth"].as_str()), (text, depth));
        let density =
            |row: &std::collections::HashMap<String, String>| row["mean_density"].parse::<f64>().expect("one");
        assert!(density(&exact[2]) > 0.5 * density(&exact[1]) && density(&exact[2]) <= density(&exact[1]), "{arch}");
        let sampled = row(arch, &["--method", "sampled", "--grid", "2000"]);
        assert!(density(&sampled[1]) <= density(&exact[1]) && density(&sampled[1]) > 0.95 * density(&exact[1]));
    }
    let refuse_with = |arch: &str, more: &[&str], message: &str| {
        refuse(&[&["estimate", "--arch", arch], more].concat(), &["--arch", message]);
    };
    refuse_with("1x9-c4k0", &[], "hidden layer 1 'c4k0': a kernel of width 0");
    refuse_with("1x9-c4k3-c2k3s8", &[], "hidden layer 2 'c2k3s8': a stride of 8 is larger than the input's width of 7");
    refuse_with("1x9-c4k3p3", &[], "a padding of 3 is beyond a kernel of width 3");
    refuse_with("3x9-c4k3g2", &[], "2 groups");
    refuse_with("9-c4k3", &[], "needs an image before it");
    refuse_with("3-4-5~1", &[], "hidden layer 2: has 5 pre-activations");
    refuse_with("1x9-c3k3", &["--activation", "max-min"], "hidden layer 1 'c3k3': has width 3, no multiple");
    let pairs = row("1x9-c4k3", &["--activation", "max-min"]);
    assert_eq!((pairs[0]["units"].as_str(), pairs[0]["engine"].as_str()), ("28", "cpu"));
    let table = succeed(&["estimate", "--networks", "5", "--arch", "1x9-c4k3"]);
    assert!(table.contains("No upper bound on the density applies: there is none for convolutions"), "{table}");
    let rice = row("3x6x6-c4k3p1-[c4k3p1-c4k3p1]x2-avg", &["--method", "rice", "--quiet"]);
    assert!(rice[1]["mean_density"] == rice[0]["mean_density"] && rice[2]["mean_density"].is_empty());
    refuse(
        &["estimate", "--arch", "1x9-c4k3-avg2-max2", "--method", "rice"],
        &["--method rice: hidden layer 3: compares values", "average pooling"],
    );
    let vast = "64x4096x4096-c4096k3p1-avg";
    refuse(&["estimate", "--arch", vast, "--networks", "1"], &["memory"]);
}

#[test]
fn json_has_numbers_and_nulls() {
    let json = succeed(&["estimate", "--networks", "40", "--bias", "zero", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["rows"][0]["mean_density"].is_f64());
    assert!(json["rows"][0]["density_upper_bound"].is_null());
    assert_eq!(json["rows"][0]["depth"], 3);
}

#[test]
fn target_errors_are_reached() {
    let rows = rows(&succeed(&["estimate", "--target-error", "5%", "--format", "csv"]));
    let boundaries = &rows[1];
    let number = |column: &str| boundaries[column].parse::<f64>().expect("a number");
    assert!(number("std_error") / number("mean_density") <= 0.05);
    assert!(number("networks") < 1000.0);
    // Without breakpoints there is nothing to count, and the run ends all the same.
    let output = run(&["estimate", "--activation", "identity", "--target-error", "1%"]);
    assert!(output.status.success() && stderr(&output).contains("do not reach the target error of 1 %"));
    let output = run(&["estimate", "--length", "0", "--target-error", "1%"]);
    assert!(output.status.success() && stderr(&output).contains("do not reach the target error of 1 %"));
}

#[test]
fn vanishing_pre_activations_are_pointed_out() {
    let run_with = |weights: &str, precision: &str| {
        let shape = ["--arch", "2-8x60", "--bias", "zero", "--networks", "2"];
        let output = run(&[&["estimate", "--weights", weights, "--precision", precision], &shape[..]].concat());
        assert!(output.status.success());
        stderr(&output).to_owned()
    };
    let warning = run_with("torch", "f32");
    assert!(warning.contains("warning: pre-activations of layer") && warning.contains("f64"), "{warning}");
    assert_eq!(run_with("torch", "f64"), "");
    assert_eq!(run_with("he-normal", "f32"), "");
}

#[test]
fn sampling_is_a_lower_bound_and_warns_when_it_is_too_fine() {
    let mean = |args: &[&str]| {
        rows(&succeed(&[&["estimate", "--format", "csv", "--networks", "100"], args].concat()))[0]["mean_density"]
            .parse::<f64>()
            .expect("a number")
    };
    let (coarse, exact) = (mean(&["--method", "sampled", "--grid", "128"]), mean(&[]));
    assert!(coarse < exact && coarse > 0.9 * exact, "{coarse} {exact}");
    let output = run(&["estimate", "--method", "sampled", "--grid", "3000000", "--networks", "1", "--arch", "2-4"]);
    assert!(output.status.success() && stderr(&output).contains("warning: --grid 3000000"), "{}", stderr(&output));
}

#[test]
fn wrong_flags_are_refused_in_one_line() {
    let directory = Directory::new();
    let nowhere = directory.text("no/such/directory/x.csv");
    for (args, message) in [
        (vec!["--activation", "gelu"], vec!["--activation", "unknown activation 'gelu'", "relu"]),
        (vec!["--activation", "leaky-relu:x"], vec!["'x'"]),
        (vec!["--arch", "2-0x3"], vec!["--arch", "layer 1: has width 0"]),
        (vec!["--arch", "64"], vec!["hidden layer", "2-64x3"]),
        (vec!["--arch", "2-8-5", "--activation", "max-min"], vec!["layer 2 '5': has width 5", "group size 2"]),
        (vec!["--arch", "2-8", "--activation", "group-sort:3"], vec!["layer 1 '8': has width 8", "group size 3"]),
        (vec!["--activation", "maxout:0"], vec!["--activation", "'maxout:0'", "from 2 to 1000"]),
        (vec!["--arch", "1-9999999x9", "--activation", "maxout:1000"], vec!["--arch", "2^34"]),
        (vec!["--activation", "maxout:3", "--method", "rice", "--weights", "torch"], vec!["rice", "maxout:3", "torch"]),
        (
            vec!["--activation", "max-min", "--method", "rice", "--bias", "uniform:1"],
            vec!["rice", "max-min", "uniform:1"],
        ),
        (vec!["--arch", "1-100000x50"], vec!["--arch 1-100000x50", "GiB"]),
        (vec!["--length", "-1"], vec!["--length -1"]),
        (vec!["--length", "nan"], vec!["--length NaN"]),
        (vec!["--length", "inf"], vec!["--length inf"]),
        (vec!["--networks", "0"], vec!["--networks 0"]),
        (vec!["--networks", "-5"], vec!["--networks", "-5"]),
        (vec!["--paths-per-network", "0"], vec!["--paths-per-network 0"]),
        (vec!["--paths-per-network", "18446744073709551615"], vec!["--paths-per-network"]),
        (vec!["--path", "circle"], vec!["--path circle", "segment"]),
        (vec!["--path", "polyline:1"], vec!["at least 2"]),
        (vec!["--path", "polyline:99999999999"], vec!["2^34"]),
        (vec!["--path", "chord", "--start", "origin"], vec!["--start origin"]),
        (vec!["--start", "normal:-1"], vec!["--start", "'-1'"]),
        (vec!["--weights", "he"], vec!["--weights", "he-normal"]),
        (vec!["--weights", "student-t:2:1"], vec!["--weights", "degrees of freedom"]),
        (vec!["--weights", "normal:1e99"], vec!["--weights", "range of f32"]),
        (vec!["--bias", "normal"], vec!["--bias", "normal:STD"]),
        (vec!["--method", "counting"], vec!["--method counting", "exact, sampled, rice or rice-features"]),
        (vec!["--method", "sampled", "--grid", "1"], vec!["--grid 1"]),
        (vec!["--target-error", "0"], vec!["--target-error 0"]),
        (vec!["--target-error", "5"], vec!["--target-error 5", "100 %"]),
        (vec!["--method", "sampled", "--grid", "18446744073709551615"], vec!["--grid"]),
        #[cfg(not(feature = "gpu"))]
        (vec!["--engine", "gpu"], vec!["--engine gpu", "no GPU support"]),
        (vec!["--engine", "tpu"], vec!["tpu", "auto, gpu, cpu"]),
        (vec!["--threads", "0", "--engine", "cpu"], vec!["--threads 0"]),
        (vec!["--threads", "3000"], vec!["--threads 3000", "1 to 1024"]),
        (vec!["--outputs", "0"], vec!["--outputs 0", "at least 1"]),
        (vec!["--seed", "-1"], vec!["--seed"]),
        (vec!["--no-such-flag"], vec!["--no-such-flag"]),
        (vec!["--csv", &nowhere], vec!["x.csv", "cannot write there"]),
        (vec!["--draws", &nowhere], vec!["x.csv", "cannot write there"]),
        (vec!["--path", "file:missing.csv"], vec!["missing.csv"]),
    ] {
        refuse(&[&["estimate"], args.as_slice()].concat(), &message);
    }
    refuse(&["estimat"], &["estimat"]);
    let same = directory.text("same.csv");
    for draws in [&same, &format!("{same}.partial")] {
        refuse(&["estimate", "--csv", &same, "--draws", draws], &["--csv and --draws name the same file"]);
    }
    assert_eq!(std::fs::read_dir(directory.0.path()).expect("readable").count(), 0, "nothing is left behind");
}

#[test]
fn wrong_files_are_refused_with_their_place() {
    let directory = Directory::new();
    for (content, message) in [
        ("breakpoints = [1.0, 0.0]\nslopes = [0, 1, 2]\nanchor = [0, 0]\n", "breakpoints must increase"),
        ("breakpoints = [0.0]\nslopes = [0, 1, 2]\nanchor = [0, 0]\n", "one slope more than breakpoints"),
        ("breakpoints = [0.0]\nslopes = [1, 1]\nanchor = [0, 0]\n", "no breakpoint at 0"),
        ("breakpoints = [0.0]\nslopes = [0, nan]\nanchor = [0, 0]\n", "not a finite number"),
        ("breakpoints = [0.0]\nslopes = [0, 1]\n", "anchor"),
        ("breakpoints = [0.0]\nslopes = [0, 1]\nanchor = [0, 0, 0]\n", "anchor has 3 numbers"),
        ("breakpoints = [0.0]\nslopes = [0, 1]\nanchor = [0, 0]\nvalues = [1]\n", ":4: unknown field `values`"),
        ("breakpoints = [0.0\n", "spline.toml:"),
    ] {
        let file = directory.file("spline.toml", content);
        refuse(&["estimate", "--activation", &format!("spline:{file}")], &["spline.toml", message]);
    }
    for (content, message) in [
        ("path,x0,x1\na,0,0\na,1,NaN\n", "line 3: coordinate 1 is 'NaN'"),
        ("path,x0,x1\na,0,0\na,1\n", "line 3"),
        ("path,x0,x1,x2\na,0,0,0\n", "dimension 3, but the networks have 2 inputs"),
        ("path,x0,x1\na,0,\x1b[2J\n", "'\\u{1b}[2J'"),
        ("", "header"),
    ] {
        let file = directory.file("paths.csv", content);
        refuse(&["estimate", "--path", &format!("file:{file}")], &["paths.csv", message]);
    }
    let one_row = directory.file("data.csv", "a,b\n1,2\n");
    refuse(&["estimate", "--path", &format!("data:{one_row}")], &["at least 2 rows"]);
}

#[test]
fn counts_that_overflow_the_number_type_are_an_error_of_the_run() {
    let output = run(&["estimate", "--weights", "normal:1e30", "--networks", "3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("draw 0, layer 2") && stderr(&output).contains("f64"), "{}", stderr(&output));
    succeed(&["estimate", "--weights", "normal:1e30", "--networks", "3", "--precision", "f64"]);
}

#[test]
fn paths_and_data_come_from_files() {
    let directory = Directory::new();
    let paths = directory.file("paths.csv", "path,x0,x1\na,0,0\na,3,4\nb,1,1\nb,1,3\n");
    let result =
        rows(&succeed(&["estimate", "--path", &format!("file:{paths}"), "--format", "csv", "--networks", "100"]));
    assert_eq!(result[0]["length"].parse::<f64>(), Ok(3.5));
    let mut data = "x,y\n".to_owned();
    (0..50).for_each(|i| writeln!(data, "{},{}", i % 7, i % 5).expect("memory"));
    let data = directory.file("data.csv", data);
    let result =
        rows(&succeed(&["estimate", "--path", &format!("data:{data}"), "--format", "csv", "--networks", "100"]));
    assert!(result[0]["length"].parse::<f64>().expect("a number") > 1.0);
    let spline = directory.file("s.toml", "breakpoints = [-1, 1]\nslopes = [0, 1, 0]\nanchor = [0, 0]\n");
    let density = |activation: &str| {
        rows(&succeed(&["estimate", "--activation", activation, "--format", "csv"]))[1]["mean_density"].clone()
    };
    assert_eq!(density(&format!("spline:{spline}")), density("hard-tanh"));
}
