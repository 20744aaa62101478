//! `linregions count`.

mod result;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};
use num_bigint::BigUint;

use self::result::CountResult;
use super::network::NetworkFlags;
use super::progress::with_regions;
use super::{Format, check_not_input, interrupted, print, table};
use crate::engine::cpu::thread_pool;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::regions::tree::{self, TreeOptions};
use crate::regions::xor::{self, XorOptions};
use crate::regions::{Count, Domain, milp, plane};
use crate::theory::catalogue::{Direction, Entry, Shape, Value, region_bounds};

#[derive(Debug, Args)]
#[command(
    after_help = "An activation region is a set of inputs with one activation pattern, a linear region one on which the output is a single affine function; \
                  only sets with an interior count. The piece of a maxout unit or a max-pool is which of its values is largest, that of a sorted group \
                  their order. All layers and activations of trace are taken by tree; xor takes no groups of pre-activations, milp relu alone. \
                  Convolutions and pooling are counted as the dense layers that they are. A box file is CSV with header lo,hi and one row per input. The same command with the \
                  same --journal goes on where an earlier one ended.\n\nExamples:\n  linregions count --network trained.npz --box=-1,1\n  \
                  linregions count --network trained.npz --activation hard-tanh --format json\n  linregions count --network \
                  trained.npz --method xor --box 0,1"
)]
pub(super) struct CountArgs {
    #[command(flatten)]
    network: NetworkFlags,

    /// Where to count: LO,HI for every input, or a CSV file with header lo,hi and one row per input [default: all of R^n]
    #[arg(long = "box", value_name = "LO,HI|FILE", allow_hyphen_values = true)]
    domain: Option<String>,

    /// How to count
    #[arg(long, value_enum, default_value_t = MethodChoice::Auto)]
    method: MethodChoice,

    /// Threads [default: all cores]
    #[arg(long, allow_negative_numbers = true)]
    threads: Option<usize>,

    /// File that keeps finished parts, to go on with after an interruption (tree)
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// Seed of the parity constraints (xor) [default: 0]
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Trials for each number of parity constraints (xor): more of them raise the confidence [default: 10]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    trials: Option<u32>,

    /// Factors of two given away for confidence (xor) [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50))]
    slack: Option<u32>,

    /// Sides of breakpoints that a trial may look at (xor): more of them raise the bound [default: 100000]
    #[arg(long, allow_negative_numbers = true)]
    effort: Option<u64>,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// No progress
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodChoice {
    /// The method that suits the network: tree
    Auto,
    /// Depth first over the units with linear programs: exact, all layers and activations, any number of inputs
    Tree,
    /// Subdivision of the plane: exact and fast with 2 inputs in a box, but keeps all regions in memory; see slice, too
    Plane,
    /// Patterns of a mixed-integer program: a check for small relu networks in a box; a lower bound, since it leaves out regions in which
    /// an active unit stays below 1e-5 of its range
    Milp,
    /// Random parity constraints: a probable lower bound, for more regions than can be counted
    Xor,
}

impl CountArgs {
    /// Refuses flags that the method would not look at.
    fn check_method(&self) -> Result<()> {
        let is_tree = matches!(self.method, MethodChoice::Auto | MethodChoice::Tree);
        let is_xor = self.method == MethodChoice::Xor;
        let flags = [
            ("--journal", self.journal.is_some(), is_tree, "tree"),
            ("--seed", self.seed.is_some(), is_xor, "xor"),
            ("--trials", self.trials.is_some(), is_xor, "xor"),
            ("--slack", self.slack.is_some(), is_xor, "xor"),
            ("--effort", self.effort.is_some(), is_xor, "xor"),
        ];
        match flags.into_iter().find(|(_, is_given, is_used, _)| *is_given && !is_used) {
            Some((flag, _, _, method)) => Err(Error::usage(format!("{flag} is about --method {method}: leave it out"))),
            None => Ok(()),
        }
    }

    fn xor_options(&self) -> XorOptions {
        let default = XorOptions::default();
        XorOptions {
            threads: self.threads,
            seed: self.seed.unwrap_or(default.seed),
            trials: self.trials.unwrap_or(default.trials),
            slack: self.slack.unwrap_or(default.slack),
            effort: self.effort.unwrap_or(default.effort),
        }
    }
}

pub(super) fn run(args: &CountArgs, stop: &AtomicBool) -> Result<()> {
    // Methods without a pool of threads do not look at it.
    if args.threads == Some(0) {
        return Err(Error::usage("--threads 0: give at least 1"));
    }
    args.check_method()?;
    let network = args.network.read()?;
    check_not_input(args.journal.as_deref(), args.network.files())?;
    let dense = network.to_dense(stop).map_err(|e| e.at(args.network.name()))?;
    let dim = network.architecture().input_dim();
    let domain = args.domain.as_ref().map_or(Ok(Domain::Everywhere), |text| Domain::parse(text, dim));
    let domain = domain.map_err(|e| e.at("--box"))?;
    let bounds: Vec<Entry> =
        region_bounds(&Shape::of_network(network.architecture())).into_iter().filter(|e| e.value.is_ok()).collect();
    let start = Instant::now();
    let count = with_regions(args.quiet, |found| count(args, &dense, &domain, found, stop))?;
    let result = CountResult::new(&count, start.elapsed().as_secs_f64(), &bounds);
    print(|out| match args.format {
        Format::Table => result.write_text(out, &network, &domain, &bounds),
        Format::Csv => result.write_csv(out),
        Format::Json => table::json(out, &result),
    })?;
    if let Some((bound, value)) = exceeded(&count, &bounds) {
        return Err(Error::failed(format!(
            "{} activation regions are more than the upper bound {} of {}: the theory or this program is wrong, please report the network",
            count.activation_regions, value, bound.id
        )));
    }
    match count.is_complete {
        false if stop.load(Ordering::Relaxed) => {
            let rest = args.journal.as_ref().map_or("", |_| "; the same command goes on with what is finished");
            Err(interrupted(&format!("the number of activation regions is a lower bound{rest}")))
        }
        _ => Ok(()),
    }
}

fn count(args: &CountArgs, network: &Network, domain: &Domain, found: &AtomicU64, stop: &AtomicBool) -> Result<Count> {
    match args.method {
        MethodChoice::Auto | MethodChoice::Tree => {
            let options = TreeOptions { threads: args.threads, journal: args.journal.clone() };
            tree::count(network, domain, &options, found, stop)
        }
        MethodChoice::Plane => thread_pool(args.threads, None)?.install(|| plane::count(network, domain, stop)),
        MethodChoice::Milp => milp::count(network, domain, found, stop),
        MethodChoice::Xor => xor::lower_bound(network, domain, &args.xor_options(), found, stop),
    }
}

/// The first upper bound that a count is beyond.
fn exceeded<'a>(count: &Count, bounds: &'a [Entry]) -> Option<(&'a Entry, &'a BigUint)> {
    bounds.iter().filter(|e| e.direction != Direction::Lower).find_map(|entry| match &entry.value {
        Ok(Value::Count(value)) if *value < BigUint::from(count.activation_regions) => Some((entry, value)),
        _ => None,
    })
}
