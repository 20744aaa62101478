//! Running ensembles: what is to be done ([`Plan`], from raw [`EnsembleFlags`]), doing it ([`estimate`]) and the files
//! that come of it.

mod flags;
mod output;
mod plan;
mod record;
mod run;

pub use flags::EnsembleFlags;
pub use output::OutputFile;
pub use plan::Plan;
pub use record::{DrawsFile, SummaryRow};
pub use run::{Estimate, Observer, Progress, Theory, estimate};
