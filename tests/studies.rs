//! The plans of `benches/studies`: they run, and the density grows as theory says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use linregions::network::{Activation, Architecture};

type Row = HashMap<String, String>;

/// Runs a plan in its directory; the rows of boundaries.
fn sweep(plan: &str) -> Vec<Row> {
    let out = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_linregions"))
        .args(["sweep", plan, "--engine", "cpu", "--quiet", "--out"])
        .arg(out.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/studies"))
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{plan}: {}", String::from_utf8_lossy(&output.stderr));
    let mut csv = csv::Reader::from_path(out.path().join("summary.csv")).expect("a summary");
    let rows: Vec<Row> = csv.deserialize().collect::<csv::Result<_>>().expect("CSV");
    rows.into_iter().filter(|row| row["quantity"] == "boundaries").collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {}", row[column]))
}

/// The exponent of density ~ x^exponent by weighted least squares of logarithms, and its standard error.
fn exponent(x: &[f64], rows: &[Row]) -> (f64, f64) {
    assert_eq!(x.len(), rows.len());
    let points: Vec<(f64, f64, f64)> = x
        .iter()
        .zip(rows)
        .map(|(x, row)| {
            let (density, error) = (number(row, "mean_density"), number(row, "std_error"));
            (x.ln(), density.ln(), (density / error).powi(2))
        })
        .collect();
    let sum = |f: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
    let weight = sum(&|(_, _, w)| *w);
    let middle = sum(&|(x, _, w)| w * x) / weight;
    let spread = sum(&|(x, _, w)| w * (x - middle).powi(2));
    (sum(&|(x, y, w)| w * (x - middle) * y) / spread, spread.powf(-0.5))
}

/// Density grows linearly with depth, with width, and with the number of breakpoints. Deviations of a finite width are
/// within 2 %; the false-alarm rate beyond these is 1e-6 for each exponent.
#[test]
fn density_is_linear_in_depth_width_and_pieces() {
    let depth = |row: &Row| number(row, "depth");
    let width = |row: &Row| number(row, "units") / number(row, "depth");
    let breakpoints = |row: &Row| number(row, "pieces") - 1.0;
    for (name, x, ends) in [
        ("depth", &depth as &dyn Fn(&Row) -> f64, [1.0, 20.0]),
        ("width", &width, [8.0, 512.0]),
        ("pieces", &breakpoints, [1.0, 7.0]),
    ] {
        let rows = sweep(&format!("{name}.toml"));
        let x: Vec<f64> = rows.iter().map(x).collect();
        assert_eq!([x[0], x[x.len() - 1]], ends, "{name}");
        let (exponent, error) = exponent(&x, &rows);
        println!("{name}: exponent {exponent:.3} ± {error:.3}");
        assert!((exponent - 1.0).abs() < 0.02 + 4.9 * error && error < 0.01, "{name}: {exponent} ± {error}");
        assert!(rows.iter().all(|row| number(row, "bound_ratio") < 1.0), "{name}");
    }
}

/// Along a line as many regions as units, at any depth; 2 % for the finite width and length.
#[test]
fn a_line_has_as_many_regions_as_units() {
    for row in sweep("regions-per-unit.toml") {
        let unit = number(&row, "length") / number(&row, "units");
        let (regions, error) = (number(&row, "mean_density") * unit, number(&row, "std_error") * unit);
        assert!((regions - 1.0).abs() < 0.02 + 4.9 * error, "{}: {regions} ± {error}", row["architecture"]);
    }
}

/// A unit of a convolution is crossed as often as a dense one, but there are more of them to a parameter; 3 % for the finite width, and a
/// false-alarm rate of 1e-6 for each architecture.
#[test]
fn convolutions_have_more_boundaries_per_parameter() {
    let rows = sweep("convolutions.toml");
    let parameters = |row: &Row| {
        let shape = Architecture::parse(&row["architecture"], Activation::relu(), 1).expect("a shape");
        shape.n_hidden_parameters() as f64
    };
    let (convolutional, dense): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row["architecture"].contains('c'));
    assert_eq!([convolutional.len(), dense.len()], [6, 7]);
    let per_unit = |row: &Row, column: &str| number(row, column) / number(row, "units");
    let (widest, mut n_compared) = (dense[dense.len() - 1], 0);
    for row in &convolutional {
        let ratio = per_unit(row, "mean_density") / per_unit(widest, "mean_density");
        let error = |row: &Row| number(row, "std_error") / number(row, "mean_density");
        assert!((ratio - 1.0).abs() < 0.03 + 4.9 * error(row).hypot(error(widest)), "{}: {ratio}", row["architecture"]);
        if let Some(larger) = dense.iter().find(|dense| parameters(dense) >= parameters(row)) {
            let more = number(row, "mean_density") / number(larger, "mean_density");
            println!("{} against {}: {more:.1}", row["architecture"], larger["architecture"]);
            assert!(more > 10.0, "{}: {more}", row["architecture"]);
            n_compared += 1;
        }
    }
    assert_eq!(n_compared, 5);
}

#[test]
fn every_plan_runs() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/studies");
    let files = std::fs::read_dir(directory).expect("the plans").map(|entry| entry.expect("an entry").path());
    let is_plan = |file: &PathBuf| {
        file.extension().is_some_and(|extension| extension == "toml")
            && std::fs::read_to_string(file).expect("text").contains("linregions sweep")
    };
    let plans: Vec<PathBuf> = files.filter(is_plan).collect();
    assert_eq!(plans.len(), 9);
    for plan in plans {
        let rows = sweep(&plan.display().to_string());
        let precise = |row: &Row| number(row, "std_error") <= 0.0101 * number(row, "mean_density");
        assert!(rows.len() >= 6 && rows.iter().all(precise), "{}", plan.display());
    }
}
