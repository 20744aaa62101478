//! Shards into one result.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::draws::open_finished;
use super::journal::{self, Contents, State};
use super::plan::SweepPlan;
use super::result::{joined, write_summary};
use super::run::Files;
use crate::error::{Error, Result};
use crate::experiment::OutputFile;

/// Writes what one run would have given from the shards of a sweep: journals, or directories with journals. Returns the summary's
/// name.
///
/// # Errors
/// Shards of different plans, a shard that is missing, twice there or not finished: which.
pub fn merge(inputs: &[PathBuf], out: &Path) -> Result<PathBuf> {
    let mut shards: Vec<(PathBuf, Contents)> = Vec::new();
    let names = journals(inputs)?;
    let theirs = Files::beside(&out.join("sweep.journal"), (1, 1)).journal;
    let is_given = |name: &Path| {
        fs::canonicalize(name).is_ok_and(|name| names.iter().any(|n| fs::canonicalize(n).is_ok_and(|n| n == name)))
    };
    if theirs.exists() && !is_given(&theirs) {
        return Err(Error::usage("is of another sweep: give another --out").at(theirs.display()));
    }
    for name in names {
        let contents = journal::read(&name)?;
        shards.push((name, contents));
    }
    shards.sort_by_key(|(_, contents)| contents.header.shard.0);
    let (first, n) = match shards.first() {
        Some((name, contents)) => (name.display().to_string(), contents.header.shard.1),
        None => return Err(Error::usage("no journal to merge: give those of all shards, or their directory")),
    };
    let header = &shards[0].1.header;
    let keys: Vec<_> = header.members.iter().map(|(keys, _)| keys.clone()).collect();
    let plan = &SweepPlan::from_keys(&first, &keys, header.draws)?;
    for ((name, contents), number) in shards.iter().zip(1..) {
        let mut wanted = super::run::header(plan, contents.header.shard, header.precision);
        wanted.version.clone_from(&header.version);
        if let Some(difference) = journal::difference(&contents.header, &wanted) {
            // Its keys are the first one's, so it can only be that a file they name is another now.
            let of = if number == 1 { "its plan".to_owned() } else { format!("the plan of {first}") };
            return Err(Error::usage(format!("is not of {of}: {difference}")).at(name.display()));
        }
        match contents.header.shard {
            (_, other) if other != n => {
                return Err(Error::usage(format!("is one of {other} shards, others of {n}")).at(name.display()));
            }
            (shard, _) if shard < number => {
                return Err(Error::usage(format!("shard {shard}/{n} is there twice")).at(name.display()));
            }
            (shard, _) if shard > number => return Err(Error::usage(format!("shard {number}/{n} is missing"))),
            _ => {}
        }
    }
    if shards.len() as u64 != n {
        return Err(Error::usage(format!("shard {}/{n} is missing", shards.len() + 1)));
    }
    let mut whole = Vec::new();
    for (ix, member) in plan.members.iter().enumerate() {
        let mut parts: Vec<&State> = Vec::new();
        for (name, contents) in &shards {
            let shard = super::run::Shard { number: contents.header.shard.0, of: n };
            let Some(draws) = shard.draws(member, ix) else { continue };
            let state = contents.states.iter().find(|state| (state.ensemble, state.first) == (ix, draws.start));
            match state {
                Some(state) if state.is_done => parts.push(state),
                _ => {
                    let done = state.map_or(0, |state| state.moments.networks());
                    return Err(Error::usage(format!(
                        "is not finished: it has {done} networks of ensemble {}; run it again to go on",
                        ix + 1
                    ))
                    .at(name.display()));
                }
            }
        }
        let first = *parts.first().ok_or_else(|| Error::failed(format!("ensemble {} has no shard", ix + 1)))?;
        let mut state = State { provenance: joined(&parts), ..first.clone() };
        for part in &parts[1..] {
            state.moments.merge(&part.moments)?;
        }
        whole.push(state);
    }
    fs::create_dir_all(out).map_err(|e| Error::usage(format!("cannot write there: {e}")).at(out.display()))?;
    if plan.draws {
        merge_draws(plan.members.len(), &shards, out)?;
    }
    write_summary(out, plan, &whole)
}

fn journals(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for input in inputs {
        if input.is_file() {
            all.push(input.clone());
            continue;
        }
        let fail = |e: std::io::Error| Error::usage(e.to_string()).at(input.display());
        let before = all.len();
        for entry in fs::read_dir(input).map_err(fail)? {
            let name = entry.map_err(fail)?.path();
            if name.extension().is_some_and(|extension| extension == "journal") {
                all.push(name);
            }
        }
        if all.len() == before {
            return Err(Error::usage("has no journal of a sweep").at(input.display()));
        }
    }
    Ok(all)
}

/// Rows of every ensemble, shard after shard: the order in which one run writes them.
fn merge_draws(n_ensembles: usize, shards: &[(PathBuf, Contents)], out: &Path) -> Result<()> {
    let target = out.join("draws.csv");
    let mut file = OutputFile::replace(&target)?;
    let mut readers = Vec::new();
    for (name, contents) in shards {
        let draws = Files::beside(name, contents.header.shard).draws;
        // A shard without draws has a header alone.
        let finished =
            contents.states.iter().filter_map(|state| state.draws.as_ref()).max_by_key(|extent| extent.bytes);
        let Some(finished) = finished else { continue };
        let fail = |e: std::io::Error| Error::usage(e.to_string()).at(draws.display());
        let mut reader = BufReader::new(open_finished(&draws, finished)?);
        let mut header = String::new();
        reader.read_line(&mut header).map_err(fail)?;
        if readers.is_empty() {
            file.write_all(header.as_bytes()).map_err(|e| Error::failed(e.to_string()).at(target.display()))?;
        }
        let mut row = String::new();
        reader.read_line(&mut row).map_err(fail)?;
        readers.push((draws, reader, row));
    }
    for ensemble in 0..n_ensembles {
        let ensemble = ensemble.to_string();
        for (name, reader, row) in &mut readers {
            while row.split(',').nth(1) == Some(&ensemble) {
                file.write_all(row.as_bytes()).map_err(|e| Error::failed(e.to_string()).at(target.display()))?;
                row.clear();
                reader.read_line(row).map_err(|e| Error::usage(e.to_string()).at(name.display()))?;
            }
        }
    }
    file.finish()
}
