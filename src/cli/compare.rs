//! `linregions estimate --compare`.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::estimate::{EstimateArgs, Output, write_summary};
use super::{Format, complain, interrupted, print, table};
use crate::engine::Estimator;
use crate::error::{Error, Result};
use crate::experiment::{Choice, EnsembleFlags, Estimate, OutputFile, Plan, SummaryRow, allocate, estimate};
use crate::stats::{Density, Quantity};

/// One method's run.
struct Run {
    plan: Plan,
    estimate: Estimate,
    rows: Vec<SummaryRow>,
}

impl Run {
    /// The density of crossings, which all methods give, of the sampled one flips.
    fn density(&self) -> Option<Density> {
        let quantity = Quantity::Crossings;
        self.estimate.moments.density(quantity).filter(|_| self.plan.knows(quantity))
    }

    /// Time x variance: what does not change with the number of networks.
    fn effort(&self) -> Option<f64> {
        self.density()?.std_error.map(|error| self.estimate.wall_seconds * error * error)
    }
}

pub(super) fn run(args: &EstimateArgs, stop: &AtomicBool) -> Result<()> {
    let (plans, mut left_out) = plans(&args.ensemble)?;
    let mut planned = Vec::new();
    for plan in plans {
        let engine = args.engine.build_for(&[&plan], args.quiet)?;
        match plan.check_memory(engine.as_ref()) {
            Err(reason) if plan.estimator == Estimator::RiceFeatures => left_out.push(reason),
            checked => {
                checked?;
                planned.push((plan, engine));
            }
        }
    }
    let summary = args.csv.as_deref().map(OutputFile::create).transpose()?;
    let (mut runs, mut told) = (Vec::new(), BTreeSet::new());
    for (mut plan, engine) in planned {
        let allocation = allocate(&mut plan, engine.as_ref(), stop)?;
        if !args.quiet {
            let warnings = plan.warnings(engine.provenance().precision);
            warnings.iter().filter(|warning| told.insert((*warning).clone())).for_each(|warning| {
                complain(format_args!("warning: {warning}"));
            });
        }
        let mut output = Output::progress_only(args.quiet);
        let mut estimate = estimate(&plan, engine.as_ref(), &mut output, stop)?;
        estimate.wall_seconds += allocation.map_or(0.0, |allocation| allocation.pilot_seconds);
        if estimate.interrupted {
            return Err(interrupted("not all methods were run"));
        }
        let rows = SummaryRow::of_estimate(&plan, &engine.provenance(), &estimate);
        runs.push(Run { plan, estimate, rows });
    }
    let rows: Vec<SummaryRow> = runs.iter().flat_map(|run| run.rows.iter().cloned()).collect();
    summary.map(|file| write_summary(file, &rows)).transpose()?;
    print(|out| match args.format {
        Format::Table => write_table(out, &runs),
        Format::Csv => SummaryRow::write_csv(&rows, out),
        Format::Json => SummaryRow::write_json(&rows, out),
    })?;
    if !args.quiet {
        left_out.iter().for_each(|reason| complain(format_args!("left out: {reason}")));
    }
    Ok(())
}

/// The methods to compare, exact counting first, and why others are left out.
fn plans(flags: &EnsembleFlags) -> Result<(Vec<Plan>, Vec<Error>)> {
    let target = match (&flags.target_error, flags.networks) {
        (None, None) => Some("1%".to_owned()),
        (target, _) => target.clone(),
    };
    let plan = |method: &str, paths: Option<Choice>| {
        Plan::from_flags(&EnsembleFlags {
            method: method.to_owned(),
            target_error: target.clone(),
            paths_per_network: flags.paths_per_network.or(paths).filter(|_| method != "rice-features"),
            points: flags.points.filter(|_| method == "rice"),
            ..flags.clone()
        })
    };
    let mut plans = vec![plan("exact", None)?];
    if flags.paths_per_network.is_none() {
        plans.push(plan("exact", Some(Choice::Auto))?);
    }
    plans.push(plan("sampled", None)?);
    // What the first methods admit, only these can refuse.
    let mut left_out: Vec<Error> = Vec::new();
    for method in ["rice", "rice-features"] {
        match plan(method, None) {
            Ok(plan) => plans.push(plan),
            // Both for one reason.
            Err(reason) if left_out.iter().any(|other| other.to_string() == reason.to_string()) => {}
            Err(reason) => left_out.push(reason),
        }
    }
    Ok((plans, left_out))
}

fn write_table(out: &mut dyn Write, runs: &[Run]) -> std::io::Result<()> {
    let header = [
        "method",
        "engine",
        "networks",
        "paths",
        "points",
        "density",
        "std error",
        "error",
        "from exact",
        "seconds",
        "speed-up",
    ];
    let mut cells = vec![header.map(str::to_owned).to_vec()];
    let baseline = &runs[0];
    for run in runs {
        let row = &run.rows[0];
        let density = run.density();
        let optional = |x: Option<f64>, digits: i32| x.map_or("-".to_owned(), |x| table::digits(x, digits));
        let error = density.and_then(|d| d.std_error);
        let relative = density.and_then(|d| d.relative_error());
        let difference = density.zip(baseline.density()).and_then(|(d, exact)| {
            let scale = d.std_error?.hypot(exact.std_error?);
            (scale > 0.0).then(|| (d.mean - exact.mean) / scale)
        });
        let is_baseline = std::ptr::eq(run, baseline);
        let speed_up = baseline.effort().zip(run.effort()).filter(|(_, effort)| *effort > 0.0).map(|(a, b)| a / b);
        cells.push(vec![
            row.method.clone(),
            format!("{} {}", row.engine, row.precision),
            row.networks.to_string(),
            row.paths_per_network.to_string(),
            row.grid_points.or(row.points_per_path).map_or("-".to_owned(), |n| n.to_string()),
            optional(density.map(|d| d.mean), 5),
            optional(error, 2),
            relative.map_or("-".to_owned(), |e| format!("{} %", table::digits(100.0 * e, 2))),
            if is_baseline { "-".to_owned() } else { difference.map_or("-".to_owned(), |z| format!("{z:+.1} s.e.")) },
            table::digits(run.estimate.wall_seconds, 3),
            optional(speed_up, 3),
        ]);
    }
    table::columns(out, &cells)?;
    writeln!(out)?;
    writeln!(
        out,
        "crossings per unit length; speed-up: time to equal error. The sampled method is a lower bound, whatever its error."
    )
}
