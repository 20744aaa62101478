//! The journal of a sweep: its first line says what the sweep is; every other is the state of one part of one ensemble and replaces
//! earlier ones of the same part.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::draws::Extent;
use crate::engine::{Precision, Provenance};
use crate::error::{Error, Result};
use crate::journal::{self, Journal};
use crate::stats::Moments;

/// What a sweep is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: String,
    pub(super) precision: Precision,
    /// This shard, from 1, and how many there are.
    pub(super) shard: (u64, u64),
    pub(super) draws: bool,
    /// The keys of every ensemble, and the digest of its draws.
    pub(super) members: Vec<(BTreeMap<String, String>, String)>,
}

/// How far one ensemble's part is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) ensemble: usize,
    /// Its draws, of which it has the first `moments.networks()`.
    pub(super) first: u64,
    pub(super) end: u64,
    /// When the error is compared with the target next.
    pub(super) look: u64,
    pub(super) is_done: bool,
    pub(super) paths_per_network: u64,
    pub(super) points: Option<usize>,
    pub(super) moments: Moments,
    /// The draws file with all draws so far, where there is one.
    pub(super) draws: Option<Extent>,
    pub(super) provenance: Provenance,
    pub(super) seconds: f64,
}

/// Opens a journal, new or of the same sweep, and reads the latest state of every part in it.
///
/// # Errors
/// Another process has it, another sweep wrote it, or a line is damaged: which.
pub(super) fn open(name: &Path, header: &Header) -> Result<(Journal, Vec<State>)> {
    let refuse = |found: &Header| {
        difference(found, header)
            .map(|difference| format!("is of another sweep: {difference}; give another --out or restore the plan"))
    };
    let (journal, states) = Journal::open(name, header, refuse)?;
    Ok((journal, latest(states)))
}

/// What is in a journal.
pub(super) struct Contents {
    pub(super) header: Header,
    /// The latest of every part.
    pub(super) states: Vec<State>,
}

/// Reads a journal that is not being written.
///
/// # Errors
/// A file that is none, or a damaged line: which.
pub(super) fn read(name: &Path) -> Result<Contents> {
    let bytes = crate::files::read_bytes(name)?;
    let contents = journal::parse(name, &bytes)?;
    let contents = contents.ok_or_else(|| Error::usage("is empty: its sweep did not start").at(name.display()))?;
    Ok(Contents { header: contents.header, states: latest(contents.lines) })
}

fn latest(states: Vec<State>) -> Vec<State> {
    let by_part: BTreeMap<(usize, u64), State> = states.into_iter().map(|s| ((s.ensemble, s.first), s)).collect();
    by_part.into_values().collect()
}

/// Where two sweeps differ first.
pub(super) fn difference(found: &Header, wanted: &Header) -> Option<String> {
    if found == wanted {
        return None;
    }
    if found.version != wanted.version {
        return Some(format!("it was written by version {}, this is {}", found.version, wanted.version));
    }
    if found.shard != wanted.shard {
        return Some(format!("it is shard {}/{}", found.shard.0, found.shard.1));
    }
    if found.precision != wanted.precision {
        return Some(format!("its precision is {}, not {}", found.precision, wanted.precision));
    }
    for (ix, (old, new)) in found.members.iter().zip(&wanted.members).enumerate() {
        let keys: std::collections::BTreeSet<&String> = old.0.keys().chain(new.0.keys()).collect();
        let text =
            |keys: &BTreeMap<String, String>, key: &str| keys.get(key).map_or("not set", |v| v.as_str()).to_owned();
        if let Some(key) = keys.into_iter().find(|key| old.0.get(*key) != new.0.get(*key)) {
            return Some(format!("{key} of ensemble {} was {}, now {}", ix + 1, text(&old.0, key), text(&new.0, key)));
        }
        if old.1 != new.1 {
            return Some(format!("a file that ensemble {} names has changed", ix + 1));
        }
    }
    if found.draws != wanted.draws {
        return Some(format!("draws was {}", found.draws));
    }
    Some(format!("it has {} ensembles, the plan {}", found.members.len(), wanted.members.len()))
}
