//! `linregions slurm`.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::error::{Error, Result};
use crate::experiment::{SlurmJob, SweepPlan, submit};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  linregions slurm plan.toml --out results --tasks 16 --submit -- --time=2:00:00 --partition=long"
)]
pub(super) struct SlurmArgs {
    /// The plan of the sweep
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,

    /// Directory of the results, which all nodes see
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Tasks of the job array, a shard each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    tasks: u64,

    /// Processors of each task
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    cpus_per_task: u64,

    /// GPUs of each task, which then compute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    gpus_per_task: Option<u64>,

    /// Submit both jobs, the merge to start after the array
    #[arg(long)]
    submit: bool,

    /// Further options of sbatch
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

pub(super) fn run(args: &SlurmArgs) -> Result<()> {
    SweepPlan::read(&args.plan)?;
    let absolute =
        |path: &PathBuf| std::path::absolute(path).map_err(|e| Error::usage(e.to_string()).at(path.display()));
    let job = SlurmJob {
        program: std::env::current_exe().map_err(|e| Error::failed(format!("where is this program? {e}")))?,
        plan: absolute(&args.plan)?,
        directory: absolute(&args.out)?,
        tasks: args.tasks,
        cpus_per_task: args.cpus_per_task,
        gpus_per_task: args.gpus_per_task,
        options: args.options.clone(),
    };
    let scripts = job.write()?;
    if !args.submit {
        let [array, merge] = &scripts;
        return print(|out| writeln!(out, "{}\n{}", array.display(), merge.display()));
    }
    let [array, merge] = submit(&scripts)?;
    print(|out| writeln!(out, "array {array}\nmerge {merge}"))
}
