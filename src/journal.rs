//! What is finished, line by line in a file that is only appended to.
//!
//! A line is sixteen hexadecimal digits of a SHA-256, a space, and JSON. The first says what the work is; every other is a finished
//! part. A last line without its end is what a crash leaves, and is dropped; a line that does not match its digits is refused.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// An open journal, which nobody else can open.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    name: PathBuf,
    is_new: bool,
}

impl Journal {
    /// Opens a journal, new or of the same work, and reads the lines in it. `refuse` says in words why a header is of other work.
    ///
    /// # Errors
    /// Another process has it, other work wrote it, or a line is damaged: which.
    pub(crate) fn open<H: Serialize + DeserializeOwned, L: DeserializeOwned>(
        name: &Path,
        header: &H,
        refuse: impl Fn(&H) -> Option<String>,
    ) -> Result<(Self, Vec<L>)> {
        let fail = |e: std::io::Error| Error::usage(format!("cannot write there: {e}")).at(name.display());
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(name).map_err(fail)?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Error::usage("another process is at work on it").at(name.display()),
            TryLockError::Error(e) => fail(e),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        let mut journal = Self { file, name: name.to_owned(), is_new: bytes.is_empty() };
        let Some(Contents { header: found, lines, good }) = parse(name, &bytes)? else {
            if !bytes.is_empty() && !checksum_may_start(&bytes) {
                return Err(Error::usage("is no journal; give another file").at(name.display()));
            }
            journal.truncate(0)?;
            journal.append(header)?;
            return Ok((journal, Vec::new()));
        };
        if let Some(reason) = refuse(&found) {
            return Err(Error::usage(reason).at(name.display()));
        }
        journal.truncate(good)?;
        Ok((journal, lines))
    }

    /// Whether it was not there before.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Adds a line, on the disk when this returns.
    ///
    /// # Errors
    /// A full disk.
    pub(crate) fn append(&mut self, line: &impl Serialize) -> Result<()> {
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
pub(crate) struct Contents<H, L> {
    pub(crate) header: H,
    pub(crate) lines: Vec<L>,
    /// Bytes up to a line without end.
    good: u64,
}

/// The contents of a journal's bytes; none where not even the first line is whole.
///
/// # Errors
/// A damaged line: which.
pub(crate) fn parse<H: DeserializeOwned, L: DeserializeOwned>(
    name: &Path,
    bytes: &[u8],
) -> Result<Option<Contents<H, L>>> {
    let damaged = |line: usize, what: &str| {
        Error::usage(format!("{}:{}: {what}: restore the file or start anew", name.display(), line + 1))
    };
    let good = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut header = None;
    let mut lines = Vec::new();
    for (ix, line) in bytes[..good].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let json = line.get(17..line.len() - 1).unwrap_or_default();
        if line.get(..16) != Some(checksum(json).as_bytes()) {
            return Err(damaged(ix, "the line is damaged or no line of a journal"));
        }
        let not_understood = |e: serde_json::Error| damaged(ix, &format!("not understood: {e}"));
        match ix {
            0 => header = Some(serde_json::from_slice(json).map_err(not_understood)?),
            _ => lines.push(serde_json::from_slice(json).map_err(not_understood)?),
        }
    }
    Ok(header.map(|header| Contents { header, lines, good: good as u64 }))
}

/// Whether bytes without the end of a line may be what a crash left of a first one.
fn checksum_may_start(bytes: &[u8]) -> bool {
    bytes.iter().take(16).all(u8::is_ascii_hexdigit) && bytes.get(16).is_none_or(|&b| b == b' ')
}

fn checksum(json: &[u8]) -> String {
    Sha256::digest(json)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
