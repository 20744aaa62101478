//! What is finished, line by line in a file that is only appended to.
//!
//! A line is sixteen hexadecimal digits of a SHA-256, a space, and JSON. The first says what the sweep is; every other is the
//! state of one part of one ensemble and replaces earlier ones of the same part. A last line without its end is what a crash
//! leaves, and is dropped; a line that does not match its digits is refused.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::draws::Extent;
use crate::engine::{Precision, Provenance};
use crate::error::{Error, Result};
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

/// An open journal, which nobody else can open.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    name: PathBuf,
    is_new: bool,
}

impl Journal {
    /// Opens a journal, new or of the same sweep, and reads the states in it.
    ///
    /// # Errors
    /// Another process has it, another sweep wrote it, or a line is damaged: which.
    pub(super) fn open(name: &Path, header: &Header) -> Result<(Self, Vec<State>)> {
        let fail = |e: std::io::Error| Error::usage(format!("cannot write there: {e}")).at(name.display());
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(name).map_err(fail)?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Error::usage("another process is at work on it").at(name.display()),
            TryLockError::Error(e) => fail(e),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        let mut journal = Self { file, name: name.to_owned(), is_new: bytes.is_empty() };
        let Some(Contents { header: found, states, good }) = parse(name, &bytes)? else {
            journal.truncate(0)?;
            journal.append(header)?;
            return Ok((journal, Vec::new()));
        };
        if let Some(difference) = difference(&found, header) {
            return Err(Error::usage(format!(
                "is of another sweep: {difference}; give another --out or restore the plan"
            ))
            .at(name.display()));
        }
        journal.truncate(good)?;
        Ok((journal, states))
    }

    /// Whether it was not there before.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Adds a line, on the disk when this returns.
    ///
    /// # Errors
    /// A full disk.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let json = serde_json::to_string(line).expect("numbers and text");
        let line = format!("{} {json}\n", checksum(json.as_bytes()));
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::failed(e.to_string()).at(self.name.display()))
    }

    fn truncate(&mut self, length: u64) -> Result<()> {
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        cut.map(drop).map_err(|e| Error::failed(e.to_string()).at(self.name.display()))
    }
}

/// What is in a journal.
pub(super) struct Contents {
    pub(super) header: Header,
    /// The latest of every part.
    pub(super) states: Vec<State>,
    /// Bytes up to a line without end.
    good: u64,
}

/// Reads a journal that is not being written.
///
/// # Errors
/// A file that is none, or a damaged line: which.
pub(super) fn read(name: &Path) -> Result<Contents> {
    let bytes = crate::files::read_bytes(name)?;
    parse(name, &bytes)?.ok_or_else(|| Error::usage("is empty: its sweep did not start").at(name.display()))
}

fn parse(name: &Path, bytes: &[u8]) -> Result<Option<Contents>> {
    let damaged = |line: usize, what: &str| {
        Error::usage(format!("{}:{}: {what}: restore the file or start anew", name.display(), line + 1))
    };
    let good = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut header = None;
    let mut states: BTreeMap<(usize, u64), State> = BTreeMap::new();
    for (ix, line) in bytes[..good].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let json = line.get(17..line.len() - 1).unwrap_or_default();
        if line.get(..16) != Some(checksum(json).as_bytes()) {
            return Err(damaged(ix, "the line is damaged or no line of a journal"));
        }
        if ix == 0 {
            header = Some(serde_json::from_slice(json).map_err(|e| damaged(ix, &format!("not understood: {e}")))?);
            continue;
        }
        let state: State = serde_json::from_slice(json).map_err(|e| damaged(ix, &format!("not understood: {e}")))?;
        states.insert((state.ensemble, state.first), state);
    }
    Ok(header.map(|header| Contents { header, states: states.into_values().collect(), good: good as u64 }))
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

fn checksum(json: &[u8]) -> String {
    Sha256::digest(json)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
