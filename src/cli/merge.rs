//! `linregions merge`.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::error::Result;
use crate::experiment::merge;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  linregions merge results --out merged")]
pub(super) struct MergeArgs {
    /// Journals of all shards, or directories with them
    #[arg(value_name = "JOURNAL|DIR", required = true)]
    inputs: Vec<PathBuf>,

    /// Directory of the result: exactly what one run would have written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &MergeArgs) -> Result<()> {
    let summary = merge(&args.inputs, &args.out)?;
    print(|out| writeln!(out, "{}", summary.display()))
}
