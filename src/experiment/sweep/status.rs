//! How far a sweep is, in a small file for others to watch.

use std::fs;
use std::path::Path;

use super::journal::State;
use super::plan::{Member, SweepPlan};
use super::run::Shard;
use crate::error::{Error, Result};
use crate::experiment::expected_seconds;

/// How fast the ensemble at hand goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) ensemble: usize,
    /// Networks of this process, and those that are still expected.
    pub(super) networks: u64,
    pub(super) missing: u64,
    /// Time of this process, and of those before it.
    pub(super) seconds: f64,
    pub(super) before: f64,
}

impl Pace {
    fn per_second(&self) -> f64 {
        self.networks as f64 / self.seconds
    }

    fn left(&self) -> f64 {
        if self.networks > 0 { self.missing as f64 / self.per_second() } else { 0.0 }
    }
}

/// What is known of a sweep at one moment.
#[derive(Debug)]
pub(super) struct Status<'a> {
    pub(super) plan: &'a SweepPlan,
    pub(super) shard: Shard,
    /// At the last checkpoints.
    pub(super) states: &'a [State],
    pub(super) what: &'static str,
    pub(super) seconds: f64,
    pub(super) threads: u64,
    pub(super) pace: Option<Pace>,
}

impl Status<'_> {
    /// Writes it whole, never in part.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let partial = file.with_extension("partial");
        fs::write(&partial, format!("{:#}\n", self.json()))
            .and_then(|()| fs::rename(&partial, file))
            .map_err(|e| Error::failed(e.to_string()).at(file.display()))
    }

    fn json(&self) -> serde_json::Value {
        let ensemble = |state: &State| {
            let density = state.moments.density(self.plan.members[state.ensemble].plan.headline());
            serde_json::json!({
                "ensemble": state.ensemble + 1,
                "networks": state.moments.networks(),
                "density": density.map(|d| d.mean),
                "std_error": density.and_then(|d| d.std_error),
                "done": state.is_done,
                "seconds": state.seconds,
            })
        };
        serde_json::json!({
            "state": self.what,
            "shard": [self.shard.number, self.shard.of],
            "ensembles": self.plan.members.len(),
            "finished": self.states.iter().filter(|state| state.is_done).count(),
            "seconds": self.seconds,
            "networks_per_second": self.pace.map(|pace| pace.per_second()),
            "seconds_left": self.seconds_left(),
            "progress": self.states.iter().map(ensemble).collect::<Vec<_>>(),
        })
    }

    /// About how long the rest takes: as expected, at the pace so far, with the time that every ensemble takes beside its work. Ensembles
    /// that end by their error take as long as others that do; `None` while there is none of these.
    fn seconds_left(&self) -> Option<f64> {
        let mut left = 0.0;
        let mut totals: Vec<(usize, f64)> =
            self.states.iter().filter(|state| state.is_done).map(|state| (state.ensemble, state.seconds)).collect();
        if let Some(pace) = self.pace {
            let most = self.plan.members[pace.ensemble].max_seconds.unwrap_or(f64::INFINITY);
            left = pace.left().min((most - pace.before - pace.seconds).max(0.0));
            totals.push((pace.ensemble, pace.before + pace.seconds + left));
        }
        let expected = |ix: usize, member: &Member| {
            let draws = self.shard.draws(member, ix).map_or(0, |draws| draws.end - draws.start);
            let part = draws as f64 / member.plan.networks as f64;
            expected_seconds(&member.plan, self.threads).map(|seconds| part * seconds)
        };
        let (mut measured, mut guessed, mut open) = (0.0, 0.0, Vec::new());
        for &(ix, total) in &totals {
            match expected(ix, &self.plan.members[ix]) {
                Some(seconds) => (measured, guessed) = (measured + total, guessed + seconds),
                None => open.push(total),
            }
        }
        let factor = if guessed > 0.0 { measured / guessed } else { 1.0 };
        let beside =
            (self.seconds - totals.iter().map(|(_, total)| total).sum::<f64>()).max(0.0) / totals.len().max(1) as f64;
        let typical = (!open.is_empty()).then(|| open.iter().sum::<f64>() / open.len() as f64);
        for (ix, member) in self.plan.members.iter().enumerate() {
            let is_known = totals.iter().any(|(known, _)| *known == ix);
            if is_known || self.shard.draws(member, ix).is_none() {
                continue;
            }
            let seconds = expected(ix, member).map(|seconds| factor * seconds).or(typical);
            left += beside + seconds.into_iter().chain(member.max_seconds).reduce(f64::min)?;
        }
        Some(left)
    }
}
