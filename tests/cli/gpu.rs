//! `--engine gpu`, `--adapter` and `linregions devices`.

use super::trace::known_network;
use super::{Directory, linregions, read, refuse, rows, run, stderr, stdout, succeed};

/// Whether two numbers are the same but for counts that differ by rounding.
fn close(a: &str, b: &str) -> bool {
    a == b || a.parse::<f64>().ok().zip(b.parse::<f64>().ok()).is_some_and(|(a, b)| (a - b).abs() <= 1e-2 * a.abs())
}

/// The same files from both engines but for the engine's columns, and for at most 2 of 200 networks whose counts rounding changes.
#[test]
fn both_engines_write_the_same_results() {
    let spline = "breakpoints = [-2, -0.5, 0, 0.25, 3]\nslopes = [0, 1, -1, 0.5, 2, 0]\nanchor = [0, 1]\n";
    for (method, arch, activation) in [
        ("exact", "2-64x3", "relu"),
        ("sampled", "2-64x3", "relu"),
        ("exact", "2-64x3", "spline"),
        ("sampled", "2-64x3", "spline"),
        ("exact", "2-64x3", "maxout:3"),
        ("sampled", "2-64x3", "max-min"),
        ("exact", "2-64x3", "group-sort:4"),
        ("exact", "3-20-20+1-12+x2", "crelu"),
        ("exact", "2x6x5-c6k3p1-max2-[c6k3p1-c6k3p1]-avg-9", "relu"),
        ("sampled", "1x15-[c4k3p1-c6k3s2p1g2]-avg2s1-c4k3", "leaky-relu:0.1"),
    ] {
        let directory = Directory::new();
        let file = directory.file("spline.toml", spline);
        let activation = if activation == "spline" { format!("spline:{file}") } else { activation.to_owned() };
        let result = |engine: &str| {
            let (csv, draws) =
                (directory.text(&format!("{engine}.csv")), directory.text(&format!("{engine}-draws.csv")));
            let flags = ["--networks", "200", "--grid", "256", "--arch", arch, "--method", method];
            let flags = [&flags[..], &["--activation", &activation]].concat();
            succeed(&[&["estimate", "--engine", engine, "--csv", &csv, "--draws", &draws], &flags[..]].concat());
            (rows(&read(csv.as_ref())), rows(&read(draws.as_ref())))
        };
        let (cpu, gpu) = (result("cpu"), result("gpu"));
        let own = ["engine", "adapter", "driver", "wall_seconds"];
        for (a, b) in cpu.0.iter().zip(&gpu.0) {
            let different: Vec<&String> = a.keys().filter(|key| !own.contains(&key.as_str())).collect();
            let different: Vec<&&String> = different.iter().filter(|key| !close(&a[**key], &b[**key])).collect();
            assert!(different.is_empty(), "{method} {arch} {activation}: {different:?}");
        }
        assert_eq!((cpu.0.len(), cpu.1.len()), (gpu.0.len(), gpu.1.len()));
        let different = cpu.1.iter().zip(&gpu.1).filter(|(a, b)| a != b).count();
        assert!(different <= 2, "{method} {arch} {activation}: {different} of 200");
        let row = &gpu.0[0];
        assert!(row["engine"] == "gpu" && !row["adapter"].is_empty() && !row["driver"].is_empty(), "{row:?}");
    }
}

#[test]
fn devices_are_listed_with_what_auto_takes() {
    let table = succeed(&["devices"]);
    assert!(table.contains("--engine auto takes"), "{table}");
    let listed = rows(&succeed(&["devices", "--format", "csv"]));
    assert!(!listed.is_empty() && listed.iter().filter(|row| row["auto"] == "true").count() <= 1);
    assert!(listed.iter().all(|row| row["kind"] != "software" || row["auto"] == "false"));
    let json: serde_json::Value = serde_json::from_str(&succeed(&["devices", "--format", "json"])).expect("JSON");
    assert_eq!(json[0]["name"], listed[0]["name"].as_str());
    let result = rows(&succeed(&["estimate", "--networks", "40", "--adapter", "0", "--format", "csv"]));
    assert_eq!(result[0]["adapter"], listed[0]["name"]);
}

#[test]
fn without_a_device_nothing_falls_back_silently() {
    let without = |args: &[&str]| linregions(args).env("VK_DRIVER_FILES", "/nonexistent").output().expect("it starts");
    let output = without(&["estimate", "--engine", "gpu"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("no GPU") && stderr(&output).contains("--engine cpu"), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && stderr(&output).lines().count() == 1);
    assert!(stdout(&without(&["devices"])).contains("no device is found"));
    let output = without(&["estimate", "--networks", "40", "--format", "csv"]);
    assert_eq!(rows(stdout(&output))[0]["engine"], "cpu", "auto goes on without one");
}

#[test]
fn wrong_choices_are_refused() {
    refuse(&["estimate", "--adapter", "99"], &["--adapter 99", "linregions devices"]);
    let pool = ["estimate", "--arch", "1x9-c4k3-max2", "--method", "rice", "--engine", "gpu"];
    refuse(&pool, &["layer 2: the GPU engine has no crossing rate of max-pooling", "--engine cpu"]);
    refuse(&["estimate", "--adapter", "first"], &["--adapter first", "all"]);
    refuse(&["estimate", "--method", "rice-features", "--engine", "gpu"], &["--method rice-features", "--engine cpu"]);
    refuse(&["estimate", "--adapter", "0", "--engine", "cpu"], &["--adapter", "--engine gpu"]);
    refuse(&["estimate", "--engine", "gpu", "--precision", "f64"], &["--precision f64", "--engine cpu"]);
    refuse(&["estimate", "--engine", "gpu", "--threads", "2"], &["--threads"]);
    let directory = Directory::new();
    let csv = directory.text("result.csv");
    refuse(&["estimate", "--engine", "gpu", "--arch", "2-40000-40000", "--csv", &csv], &["weights", "MiB"]);
    refuse(&["estimate", "--engine", "gpu", "--arch", "1-60000", "--csv", &csv], &["60000 breakpoints"]);
    let wide = ["estimate", "--engine", "gpu", "--arch", "2-9-2048", "--csv", &csv, "--activation"];
    refuse(&[&wide[..], &["maxout:64"]].concat(), &["layer 2", "2048 maxout units of rank 64", "--engine cpu"]);
    assert!(!directory.path("result.csv").exists() && !directory.path("result.csv.partial").exists());
    let output = run(&["estimate", "--engine", "gpu", "--weights", "normal:1e30", "--networks", "3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("draw 0, layer 2"), "{}", stderr(&output));
}

#[test]
fn traces_are_the_same() {
    let directory = Directory::new();
    let [network, _] = known_network(&directory);
    let flags = ["trace", "--network", &network, "--path", "segment", "--n-paths", "20", "--length", "9", "--summary"];
    let summary = |engine: &[&str]| rows(&succeed(&[&flags[..], &["--format", "csv"], engine].concat()));
    let reference = summary(&[]);
    assert_eq!(summary(&["--engine", "gpu"]), reference);
    assert!(reference.iter().any(|row| row["crossings"] != "0"));
}

/// Software devices compute in vectors of any width; nothing depends on it.
#[test]
fn the_width_of_vectors_does_not_matter() {
    let draws = |width: &str, activation: &str| {
        let directory = Directory::new();
        let file = directory.text("draws.csv");
        let args = ["estimate", "--engine", "gpu", "--arch", "2-20x2", "--networks", "50", "--draws", &file];
        let args = [&args[..], &["--activation", activation]].concat();
        let output = linregions(&args).env("LP_NATIVE_VECTOR_WIDTH", width).output().expect("it starts");
        assert!(output.status.success(), "{}", stderr(&output));
        read(file.as_ref())
    };
    for activation in ["relu", "maxout:3", "group-sort:4"] {
        let usual = draws("256", activation);
        assert_eq!(draws("128", activation), usual, "{activation}");
        assert_eq!(draws("512", activation), usual, "{activation}");
    }
}
