//! The files that a finished sweep leaves.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::journal::State;
use super::plan::{Member, SweepPlan};
use crate::engine::{Estimator, Provenance};
use crate::error::{Error, Result};
use crate::experiment::{Estimate, OutputFile, Plan, SummaryRow, Theory};

/// A member's plan with the numbers that a pilot chose for it.
pub(super) fn chosen(member: &Member, state: &State) -> Plan {
    let mut plan = member.plan.clone();
    plan.ensemble.paths_per_network = state.paths_per_network;
    if let (Estimator::Rice { points }, Some(chosen)) = (&mut plan.estimator, state.points) {
        *points = chosen;
    }
    plan
}

/// Writes the summary of all ensembles, one state of each. Times are left out, so that it is the same however it came about.
pub(super) fn write_summary(directory: &Path, plan: &SweepPlan, states: &[State]) -> Result<PathBuf> {
    let rows_of = |(member, state): (&Member, &State)| -> Result<Vec<SummaryRow>> {
        let plan = chosen(member, state);
        let estimate = Estimate {
            moments: state.moments.clone(),
            theory: Theory::of_plan(&plan)?,
            interrupted: false,
            missed_target: None,
            wall_seconds: 0.0,
        };
        Ok(SummaryRow::of_estimate(&plan, &state.provenance, &estimate))
    };
    // Theory takes milliseconds for each.
    let rows: Vec<Vec<SummaryRow>> = plan.members.par_iter().zip(states).map(rows_of).collect::<Result<_>>()?;
    let mut rows = rows.concat();
    rows.iter_mut().for_each(|row| row.wall_seconds = None);
    let name = directory.join("summary.csv");
    let mut file = OutputFile::replace(&name)?;
    SummaryRow::write_csv(&rows, &mut file).map_err(|e| Error::failed(e.to_string()).at(name.display()))?;
    file.finish()?;
    Ok(name)
}

/// What computed the parts of one ensemble.
pub(super) fn joined(parts: &[&State]) -> Provenance {
    let join = |of: &dyn Fn(&Provenance) -> String| {
        let mut all: Vec<String> = parts.iter().map(|state| of(&state.provenance)).collect();
        all.dedup();
        all.join(" + ")
    };
    Provenance {
        engine: join(&|p| p.engine.clone()),
        adapter: join(&|p| p.adapter.clone()),
        driver: join(&|p| p.driver.clone()),
        precision: parts[0].provenance.precision,
    }
}
