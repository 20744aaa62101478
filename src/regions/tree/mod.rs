//! Counting by a tree: depth first over the units, layer by layer, with one linear program for every breakpoint that may cut.
//!
//! A node is a polytope of inputs on which the activation pattern is known up to some unit. A point inside is kept, and shows one side of
//! every further breakpoint without any work; whether the other side is reached is one linear program, from the optimum of the
//! node. When a layer begins, the breakpoints that do not cut the polytope are sorted out once for all of its parts.
//!
//! Pairs of rows of a sorted group are such breakpoints; one that follows from others is not looked at. A maxout unit cuts a polytope
//! into as many parts as it has rows that are largest somewhere, each part by all comparisons with its row.

mod facets;
mod open;
mod parity;
mod reach;
mod tally;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(super) use self::parity::{Found, Parity};
use self::tally::Tally;
use self::walk::{Route, Shared, Walker};
use super::model::Model;
use super::{Count, Domain, Method};
use crate::engine::cpu::thread_pool;
use crate::error::{ErrorKind, Result};
use crate::journal::Journal;
use crate::network::{ActivationKind, Network};

/// Subtrees into which the work is divided, at least, where there are as many.
const PARTS: usize = 512;

/// How a tree is walked.
#[derive(Clone, Debug, Default)]
pub struct TreeOptions {
    /// Threads; all cores if not given.
    pub threads: Option<usize>,
    /// A file that keeps finished parts, so that the same call goes on after anything.
    pub journal: Option<PathBuf>,
}

/// What a journal belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: String,
    network: String,
    weights: String,
    domain: String,
}

/// A finished part: the decisions that lead there, and what was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    decisions: String,
    tally: Tally,
}

/// Counts the activation regions and the linear regions of a network in a domain.
///
/// `found` is the number of activation regions found so far, at any time. When `stop` is set, the count ends soon with `is_complete` false and
/// the regions that were found.
///
/// # Errors
/// Layers that are not dense, see [`Network::to_dense`], a box of another dimension, weights beyond the range of f64, too little memory,
/// a journal of other work, and a full disk.
pub fn count(
    network: &Network,
    domain: &Domain,
    options: &TreeOptions,
    found: &AtomicU64,
    stop: &AtomicBool,
) -> Result<Count> {
    let pool = thread_pool(options.threads, Some(STACK_BYTES))?;
    let model = match Model::new(network, domain, pool.current_num_threads(), stop) {
        Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Count::nothing(Method::Tree)),
        model => model?,
    };
    let shared = Shared::new(&model, stop, found);
    let (mut journal, done) = open_journal(network, domain, options)?;
    pool.install(|| {
        let (mut total, ends) = frontier(&shared);
        let parts: Vec<Vec<bool>> = ends.into_iter().filter(|end| !done.contains_key(&text(end))).collect();
        for tally in done.into_values() {
            found.fetch_add(tally.regions, Ordering::Relaxed);
            total.add(tally);
        }
        let journal = Mutex::new(journal.as_mut());
        let sum = parts.into_par_iter().map(|start| count_part(&shared, start, &journal));
        let sum = sum.try_reduce(Tally::default, |mut a, b| {
            a.add(b);
            Ok(a)
        });
        total.add(sum?);
        let is_complete = !stop.load(Ordering::Relaxed);
        Ok(Count {
            method: Method::Tree,
            activation_regions: total.regions,
            linear_regions: is_complete.then(|| total.linear_regions()),
            is_complete,
            confidence: None,
            work: total.work(),
        })
    })
}

/// The walk recurs once for every unit that cuts.
pub(super) const STACK_BYTES: usize = 64 << 20;

/// Counts one part, and writes it down if it was finished.
fn count_part(shared: &Shared, start: Vec<bool>, journal: &Mutex<Option<&mut Journal>>) -> Result<Tally> {
    let mut walker = Walker::new(shared, Route { start: start.clone(), limit: None });
    if walker.run().is_ok()
        && let Some(journal) = journal.lock().expect("nobody panics with it").as_mut()
    {
        journal.append(&Part { decisions: text(&start), tally: walker.tally.clone() })?;
    }
    Ok(walker.tally)
}

/// Subtrees to be walked, and what was found above them.
fn frontier(shared: &Shared) -> (Tally, Vec<Vec<bool>>) {
    let mut limit = 2;
    loop {
        let before = shared.found.load(Ordering::Relaxed);
        let mut walker = Walker::new(shared, Route { start: Vec::new(), limit: Some(limit) });
        let is_over = walker.run().is_err() || walker.ends.is_empty();
        if is_over || walker.ends.len() + walker.tally.regions as usize >= PARTS {
            // The order is that of decisions, not that in which they were found.
            walker.ends.sort();
            return (walker.tally, walker.ends);
        }
        shared.found.store(before, Ordering::Relaxed);
        limit += 2;
    }
}

fn text(decisions: &[bool]) -> String {
    decisions.iter().map(|&is_above| if is_above { '1' } else { '0' }).collect()
}

fn open_journal(
    network: &Network,
    domain: &Domain,
    options: &TreeOptions,
) -> Result<(Option<Journal>, BTreeMap<String, Tally>)> {
    let Some(name) = &options.journal else { return Ok((None, BTreeMap::new())) };
    let header = Header {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: format!("{} {}", network.architecture(), network.architecture().activation()),
        weights: digest(network),
        domain: domain.to_string(),
    };
    let (journal, parts) = Journal::open(name, &header, |found: &Header| difference(found, &header))?;
    Ok((Some(journal), parts.into_iter().map(|part: Part| (part.decisions, part.tally)).collect()))
}

/// Where two counts differ first.
fn difference(found: &Header, wanted: &Header) -> Option<String> {
    let change = |what: &str, found: &str, wanted: &str| {
        (found != wanted)
            .then(|| format!("is of another count: {what} was {found}, now {wanted}; give another --journal"))
    };
    change("the version", &found.version, &wanted.version)
        .or_else(|| change("the network", &found.network, &wanted.network))
        .or_else(|| change("the box", &found.domain, &wanted.domain))
        .or_else(|| change("the digest of the weights", &found.weights, &wanted.weights))
}

/// A digest of all that the count depends on.
fn digest(network: &Network) -> String {
    let mut hash = Sha256::new();
    for layer in network.architecture().layers() {
        match layer.activation.kind() {
            ActivationKind::Scalar(pieces) => {
                for values in [&pieces.breakpoints, &pieces.slopes, &pieces.intercepts] {
                    hash.update((values.len() as u64).to_le_bytes());
                    values.iter().for_each(|v| hash.update(v.to_le_bytes()));
                }
            }
            _ => hash.update(layer.activation.to_string()),
        }
    }
    for affine in network.affine() {
        hash.update((affine.weight.len() as u64).to_le_bytes());
        affine.weight.iter().chain(&affine.bias).for_each(|v| hash.update(v.to_le_bytes()));
        affine.skips.iter().flatten().for_each(|v| hash.update(v.to_le_bytes()));
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
