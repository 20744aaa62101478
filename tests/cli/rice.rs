//! `linregions estimate` with the Rice estimator, with chosen numbers of paths, and comparing methods.

use std::process::Command;

use super::{Directory, read, refuse, rows, run, stderr, stdout, succeed};

fn number(row: &std::collections::HashMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {}", row[column]))
}

#[test]
fn one_percent_takes_tens_of_networks_and_agrees_with_theory() {
    let output = run(&["estimate", "--method", "rice", "--target-error", "1%", "--format", "csv"]);
    assert!(output.status.success());
    let message = stderr(&output);
    assert!(message.starts_with("pilot (") && message.contains(" paths per network, 1 point on each; "), "{message}");
    let rows = rows(stdout(&output));
    let boundaries = &rows[1];
    assert!(number(boundaries, "networks") < 200.0 && number(boundaries, "paths_per_network") > 4.0);
    assert!(number(boundaries, "std_error") / number(boundaries, "mean_density") <= 0.01);
    // The independent count of 20,000 networks: 34.186 with standard error 0.167.
    let z = (number(boundaries, "mean_density") - 34.186) / number(boundaries, "std_error").hypot(0.167);
    assert!(z.abs() < 4.5, "{z}");
    assert_eq!((boundaries["method"].as_str(), boundaries["points_per_path"].as_str()), ("rice", "1"));
    assert_eq!((boundaries["engine"].as_str(), rows[2]["mean_density"].as_str()), ("cpu", ""), "no knots");
    assert_eq!(boundaries["within_network_std"], "", "paths of a network are not independent");
    assert_eq!(stderr(&run(&["estimate", "--method", "rice", "--quiet"])), "");
}

#[test]
fn results_depend_neither_on_threads_nor_on_who_chose_the_paths() {
    let directory = Directory::new();
    let result = |name: &str, more: &[&str]| {
        let draws = directory.text(name);
        let flags = [
            "--method",
            "rice",
            "--arch",
            "3-20-10",
            "--networks",
            "40",
            "--draws",
            &draws,
            "--format",
            "csv",
            "--quiet",
        ];
        let mut summary = rows(&succeed(&[&["estimate"], &flags[..], more].concat()));
        summary.iter_mut().for_each(|row| drop(row.remove("wall_seconds")));
        (summary, read(draws.as_ref()))
    };
    let (summary, draws) = result("one.csv", &["--threads", "1"]);
    assert_eq!((&summary, &draws), (&result("three.csv", &["--threads", "3"]).0, &result("again.csv", &[]).1));
    let (paths, points) = (&summary[0]["paths_per_network"], &summary[0]["points_per_path"]);
    let chosen = result("chosen.csv", &["--paths-per-network", paths, "--points", points]);
    assert_eq!((&summary, &draws), (&chosen.0, &chosen.1));
    let draws = rows(&draws);
    assert_eq!(draws.len() as f64, 40.0 * number(&summary[0], "paths_per_network"));
    let sum = |column: &str| draws.iter().map(|row| number(row, column)).sum::<f64>();
    assert!((sum("crossings") - sum("crossings_layer_1") - sum("crossings_layer_2")).abs() < 1e-9 * sum("crossings"));
    assert!((number(&summary[0], "mean_density") - sum("crossings") / sum("length")).abs() < 1e-9 * sum("crossings"));
    assert!(draws.iter().all(|row| row["knots"].is_empty() && row["boundaries"] == row["crossings"]));
}

#[test]
fn exact_counting_takes_as_many_paths_as_pay() {
    let table =
        succeed(&["estimate", "--paths-per-network", "auto", "--target-error", "3%", "--engine", "cpu", "--quiet"]);
    assert!(table.contains("exact, ") && !table.contains(" x 1 paths"), "{table}");
}

#[test]
fn wrong_numbers_and_ensembles_without_rates_are_refused() {
    for (args, message) in [
        (vec!["--paths-per-network", "many"], vec!["--paths-per-network", "many", "give a whole number, or auto"]),
        (vec!["--paths-per-network", "-1"], vec!["--paths-per-network", "give a whole number, or auto"]),
        (vec!["--method", "rice", "--paths-per-network", "0"], vec!["--paths-per-network 0: give at least 1"]),
        (vec!["--method", "rice", "--points", "0"], vec!["--points 0: give at least 1"]),
        (vec!["--method", "rice", "--points", "99999999"], vec!["--points 99999999: give at most"]),
        (vec!["--points", "2"], vec!["--points is about --method rice"]),
        (vec!["--method", "counting"], vec!["use exact, sampled, rice or rice-features"]),
        (
            vec!["--method", "rice", "--bias", "zero", "--weights", "torch"],
            vec!["no closed-form crossing rate", "exact"],
        ),
        (vec!["--method", "rice", "--bias", "zero", "--path", "through-origin"], vec!["cross at the origin", "exact"]),
        (vec!["--method", "rice-features", "--points", "1"], vec!["--points is about --method rice"]),
        (
            vec!["--method", "rice-features", "--paths-per-network", "2"],
            vec!["each network has one path", "--method rice"],
        ),
        (vec!["--method", "rice-features", "--weights", "torch"], vec!["--weights torch", "normal weights"]),
        (vec!["--method", "rice-features", "--weights", "orthogonal"], vec!["--weights orthogonal", "normal weights"]),
        (vec!["--method", "rice-features", "--arch", "1x9-c4k3"], vec!["1x9-c4k3 has layers that are not dense"]),
        (vec!["--compare", "--method", "rice"], vec!["--compare", "--method"]),
        (vec!["--compare", "--draws", "d.csv"], vec!["--compare", "--draws"]),
    ] {
        refuse(&[&["estimate"], args.as_slice()].concat(), &message);
    }
    // What cannot fit is refused before the pilot.
    refuse(
        &["estimate", "--method", "rice", "--arch", "1-8000000000-2", "--engine", "cpu"],
        &["1-8000000000-2", "GiB of memory", "are available"],
    );
}

/// The weights of this network would take 3.2 GB; a limit of the shell allows less than half of that.
#[test]
fn weights_are_not_kept() {
    let script = "ulimit -v 1500000; exec \"$0\" estimate --method rice --engine cpu --threads 1 \
                  --arch 100-20000x3 --networks 2 --paths-per-network 1 --format csv";
    let output = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_linregions")]).output().expect("a shell");
    assert!(output.status.success(), "{}", stderr(&output));
    let total = &rows(stdout(&output))[0];
    let [density, at_infinite_width] = [number(total, "mean_density"), number(total, "infinite_width_density")];
    assert!((density / at_infinite_width - 1.0).abs() < 0.1, "{density}, {at_infinite_width}");
}

/// Whoever waits for weights is told how to do without.
#[test]
fn many_weights_are_pointed_out() {
    let warns = |arch: &str, weights: &str| {
        let flags =
            ["--arch", arch, "--weights", weights, "--networks", "1", "--paths-per-network", "1", "--points", "1"];
        let output = run(&[&["estimate", "--method", "rice"], &flags[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output).contains("each network has 1e8 weights to draw: --method rice-features")
    };
    assert!(warns("2-10100x3", "he-normal"));
    // The last layer is not drawn; others need their weights.
    assert!(!warns("2-9900x3", "he-normal") && !warns("2-10100x2", "he-normal") && !warns("2-10100x3", "torch"));
}

/// These weights would take 134 GB.
#[test]
fn features_need_no_weights() {
    let script = "ulimit -v 1500000; exec \"$0\" estimate --method rice-features --threads 1 --arch 100-130000x3 \
                  --target-error 1% --format csv";
    let output = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_linregions")]).output().expect("a shell");
    assert!(output.status.success(), "{}", stderr(&output));
    let total = &rows(stdout(&output))[0];
    assert_eq!((total["method"].as_str(), total["engine"].as_str()), ("rice-features", "cpu"));
    assert_eq!((total["paths_per_network"].as_str(), total["points_per_path"].as_str()), ("1", "1"));
    let z = (number(total, "mean_density") - number(total, "infinite_width_density")) / number(total, "std_error");
    assert!(z.abs() < 4.9, "{z}: a false-alarm rate of 1e-6");
}

/// Without biases boundaries are known and crossings are not, where narrow layers fall silent.
#[test]
fn what_points_do_not_meet_is_pointed_out_or_refused() {
    let run_on = |arch: &str, bias: &str| {
        let flags = ["--method", "rice", "--bias", bias, "--arch", arch, "--networks", "30", "--format", "csv"];
        let output = run(&[&["estimate"], &flags[..]].concat());
        assert!(output.status.success());
        (rows(stdout(&output)), stderr(&output).to_owned())
    };
    let (summary, message) = run_on("3-4x3", "zero");
    assert!(message.contains("warning: without biases about ") && message.contains("boundaries alone"), "{message}");
    let known: Vec<bool> = summary.iter().map(|row| !row["mean_density"].is_empty()).collect();
    assert_eq!(known, [false, true, false, true, false, false], "crossings, boundaries, knots, three layers");
    for (arch, bias) in [("3-40x3", "zero"), ("3-8", "zero"), ("3-4x3", "normal:0.1")] {
        let (summary, message) = run_on(arch, bias);
        assert!(!message.contains("warning") && !summary[0]["mean_density"].is_empty(), "{message}");
    }
    assert!(run_on("3-4x3", "normal:0.001").1.contains("--method exact may be faster"));
    refuse(
        &["estimate", "--method", "rice", "--arch", "2-6x3", "--bias", "normal:1e-8"],
        &["e-9 of the pre-activations", "--method exact"],
    );
}

#[test]
fn methods_are_compared_at_one_error() {
    let directory = Directory::new();
    let csv = directory.text("compared.csv");
    let flags = ["--arch", "3-12x2", "--bias", "normal:0.3", "--engine", "cpu"];
    let table = succeed(
        &[&["estimate", "--compare", "--target-error", "4%", "--grid", "64", "--csv", &csv], &flags[..]].concat(),
    );
    let methods: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(methods, ["method", "exact", "exact", "sampled", "rice", "rice-features", "crossings"], "{table}");
    let rows = rows(&read(csv.as_ref()));
    let densities: Vec<_> = rows.iter().filter(|row| row["quantity"] == "crossings" && row["layer"] == "all").collect();
    assert_eq!(densities.len(), 5);
    for row in &densities {
        assert!(number(row, "std_error") <= 0.045 * number(row, "mean_density"), "{row:?}");
        let difference = number(row, "mean_density") - number(densities[0], "mean_density");
        // Four differences, each with a false-alarm rate of 1e-6; the grid takes a few percent.
        assert!(difference.abs() < 4.9 * number(row, "std_error").hypot(number(densities[0], "std_error")) + 0.3);
    }
    // A number of networks instead of a target, a number of paths, and a method that does not apply.
    let law = ["--weights", "laplace:0.3", "--bias", "zero", "--paths-per-network", "2", "--networks", "40"];
    let output = run(&[&["estimate", "--compare", "--grid", "64", "--engine", "cpu"], &law[..]].concat());
    let table = stdout(&output);
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(stderr(&output).contains("left out: --method rice with zero biases"), "{}", stderr(&output));
}
