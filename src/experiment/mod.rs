//! Running ensembles: what is to be done ([`Plan`], from raw [`EnsembleFlags`]), choosing how much of it to put on each network
//! ([`allocate`]), doing it ([`estimate`]) and the files that come of it.

mod allocation;
mod cost;
mod flags;
mod output;
mod plan;
mod record;
mod run;
mod sweep;

pub use allocation::{Allocation, allocate};
pub use cost::expected_seconds;
pub use flags::{Choice, EnsembleFlags};
pub use output::OutputFile;
pub use plan::Plan;
pub use record::{DrawsFile, SummaryRow};
pub use run::{Estimate, Observer, Progress, Theory, estimate};
pub use sweep::{Member, Shard, SlurmJob, Sweep, SweepObserver, SweepPlan, merge, submit};
