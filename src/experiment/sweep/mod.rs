//! Many ensembles: plans in TOML, runs that survive anything, and shards that merge into what one run would have given.

mod draws;
mod journal;
mod merge;
mod plan;
mod result;
mod run;
mod slurm;
mod status;

pub use merge::merge;
pub use plan::{Member, SweepPlan};
pub use run::{Shard, Sweep, SweepObserver};
pub use slurm::{SlurmJob, submit};
