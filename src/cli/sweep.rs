//! `linregions sweep`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use indicatif::ProgressBar;

use super::engine::EngineFlags;
use super::estimate::{progress_bar, show};
use super::{complain, interrupted, print, table};
use crate::engine::Engine;
use crate::error::Result;
use crate::experiment::{Member, Plan, Progress, Shard, Sweep, SweepObserver, SweepPlan, expected_seconds};

#[derive(Debug, Args)]
#[command(
    after_help = "Example plan, four ensembles:\n  networks = 3000\n  arch = [\"2-24x2\", \"2-24x4\"]\n  bias = \
                        [\"normal:0.1\", \"normal:0.5\"]\nKeys are the flags of estimate with underscores; a list makes a grid, \
                        and [[ensembles]] tables add to it; without a list on top there are only the tables. Files that a plan names are \
                        relative to the working directory.\nAlso: draws = true keeps the counts of every path, max_networks limits a \
                        target_error, max_seconds any ensemble.\n\nExample:\n  linregions sweep plan.toml --out results"
)]
pub(super) struct SweepArgs {
    /// The plan: TOML whose keys are the flags of estimate
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,

    /// Directory of the results; of an earlier run to go on with it
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,

    /// Run a part of every ensemble only, such as 3/16; merge makes one result of all parts
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Print the ensembles and the time they may take, and end
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    engine: EngineFlags,

    /// No progress bar and no warnings
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &SweepArgs, stop: &AtomicBool) -> Result<()> {
    let plan = SweepPlan::read(&args.plan)?;
    let plans: Vec<&Plan> = plan.members.iter().map(|member| &member.plan).collect();
    let engine = args.engine.build_for(&plans, args.quiet)?;
    for (ix, member) in plan.members.iter().enumerate() {
        let checked = member.plan.check_memory(engine.as_ref());
        checked.map_err(|e| e.at(format!("{}: ensemble {}", args.plan.display(), ix + 1)))?;
    }
    let Some(directory) = args.out.as_deref().filter(|_| !args.dry_run) else {
        return dry_run(&plan, engine.as_ref());
    };
    let precision = engine.provenance().precision;
    if !args.quiet {
        for (ix, member) in plan.members.iter().enumerate() {
            let warnings = member.plan.warnings(precision);
            warnings.iter().for_each(|warning| complain(format_args!("warning: ensemble {}: {warning}", ix + 1)));
        }
    }
    let mut sweep = Sweep::open(&plan, directory, args.shard.unwrap_or(Shard::WHOLE), precision)?;
    let mut output = Output { bar: progress_bar(args.quiet), about: String::new() };
    let result = sweep.run(engine.as_ref(), &mut output, stop)?;
    output.bar.finish_and_clear();
    if !args.quiet {
        for (ix, target) in sweep.missed_targets() {
            let remedy = "give it more networks";
            complain(format_args!(
                "warning: ensemble {} does not reach its target error of {target}: {remedy}",
                ix + 1
            ));
        }
    }
    match result {
        Some(file) => print(|out| writeln!(out, "{}", file.display())),
        None => Err(interrupted("what is finished is on disk, the same command goes on")),
    }
}

/// Prints what would be done.
fn dry_run(plan: &SweepPlan, engine: &dyn Engine) -> Result<()> {
    let header = ["ensemble", "keys", "networks", "memory", "about"];
    let mut cells = vec![header.map(str::to_owned).to_vec()];
    let threads = engine.networks_at_once();
    let (mut total, mut open, mut most) = (0.0, 0, 0);
    for (ix, member) in plan.members.iter().enumerate() {
        let keys: Vec<String> = member.keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = expected_seconds(&member.plan, threads);
        let seconds = expected.into_iter().chain(member.max_seconds).reduce(f64::min);
        let memory = engine.memory_needed(&member.plan.ensemble, member.plan.estimator)?;
        total += seconds.unwrap_or(0.0);
        open += usize::from(seconds.is_none());
        most = most.max(memory);
        cells.push(vec![
            (ix + 1).to_string(),
            keys.join(" "),
            match member.plan.target_error {
                Some(target) => format!("to {} %", (1e14 * target).round() / 1e12),
                None => member.plan.networks.to_string(),
            },
            mebibytes(memory),
            seconds.map_or("-".to_owned(), |seconds| format!("{} s", table::digits(seconds, 2))),
        ]);
    }
    let n = plan.members.len();
    let open = match open {
        0 => String::new(),
        1 => ", and one that ends by its error".to_owned(),
        open => format!(", and {open} that end by their error"),
    };
    print(|out| {
        table::columns(out, &cells)?;
        writeln!(out, "\n{} ensembles in {} of memory: about {} s{open}", n, mebibytes(most), table::digits(total, 2))
    })
}

fn mebibytes(bytes: u128) -> String {
    format!("{} MiB", table::digits(bytes as f64 / f64::from(1 << 20), 2))
}

struct Output {
    bar: ProgressBar,
    about: String,
}

impl SweepObserver for Output {
    fn started(&mut self, ix: usize, of: usize, member: &Member) {
        self.about = format!("ensemble {}/{of} ({}): ", ix + 1, member.plan.ensemble.network.architecture());
        self.bar.reset();
        self.bar.set_message(self.about.clone());
    }

    fn progress(&mut self, progress: Progress) {
        show(&self.bar, &progress, &self.about);
    }
}
