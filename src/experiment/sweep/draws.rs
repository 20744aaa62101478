//! The draws file of a sweep, appended to, and known by its digest.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::PathCounts;
use crate::error::{Error, Result};
use crate::experiment::record::DrawFormat;

/// The part of a file that is finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    pub(super) bytes: u64,
    /// In hexadecimal digits.
    pub(super) sha256: String,
}

/// The draws file, appended to.
#[derive(Debug)]
pub(super) struct Draws {
    csv: csv::Writer<Digested>,
    name: PathBuf,
    n_layers: usize,
}

impl Draws {
    /// Opens the file with what is finished of it: what was written after the last checkpoint is written again.
    ///
    /// # Errors
    /// A file that is not what was written.
    pub(super) fn open(name: &Path, n_layers: usize, finished: Option<&Extent>) -> Result<Self> {
        let fail = |e: std::io::Error| Error::usage(format!("cannot write there: {e}")).at(name.display());
        let mut digest = Sha256::new();
        let mut file = match finished {
            None => File::create(name).map_err(fail)?,
            Some(extent) => {
                let mut file = File::options().read(true).write(true).open(name).map_err(|e| missing(name, &e))?;
                digest = verified(name, &mut file, extent)?;
                file
            }
        };
        let bytes = finished.map_or(0, |extent| extent.bytes);
        file.set_len(bytes).and_then(|()| file.seek(SeekFrom::Start(bytes))).map_err(fail)?;
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Digested { file, digest, bytes });
        if finished.is_none() {
            csv.write_record(DrawFormat::header(n_layers)).map_err(|e| fail(e.into()))?;
        }
        Ok(Self { csv, name: name.to_owned(), n_layers })
    }

    /// How rows of an ensemble are written here.
    pub(super) fn format(&self, plan: &crate::experiment::Plan, ensemble: usize) -> DrawFormat {
        DrawFormat::new(plan, ensemble, self.n_layers)
    }

    /// Appends the paths of networks from `first_network` on.
    ///
    /// # Errors
    /// A full disk.
    pub(super) fn write(&mut self, format: &DrawFormat, first_network: u64, counts: &[PathCounts]) -> Result<()> {
        let written = format.write(&mut self.csv, first_network, counts);
        written.map_err(|e| Error::failed(e.to_string()).at(self.name.display()))
    }

    /// What it holds, with all rows on the disk.
    ///
    /// # Errors
    /// A full disk.
    pub(super) fn sync(&mut self) -> Result<Extent> {
        let fail = |e: std::io::Error| Error::failed(e.to_string()).at(self.name.display());
        self.csv.flush().map_err(fail)?;
        let Digested { file, digest, bytes } = self.csv.get_ref();
        file.sync_data().map_err(fail)?;
        Ok(Extent { bytes: *bytes, sha256: hex(digest.clone()) })
    }
}

/// Opens the draws of a shard that is finished, at their start.
///
/// # Errors
/// A file that is not what was written.
pub(super) fn open_finished(name: &Path, extent: &Extent) -> Result<std::io::Take<File>> {
    let mut file = File::open(name).map_err(|e| missing(name, &e))?;
    verified(name, &mut file, extent)?;
    file.seek(SeekFrom::Start(0)).map_err(|e| Error::usage(e.to_string()).at(name.display()))?;
    Ok(file.take(extent.bytes))
}

fn missing(name: &Path, error: &std::io::Error) -> Error {
    let remedy =
        if error.kind() == ErrorKind::NotFound { ": restore it or start anew in another directory" } else { "" };
    Error::usage(format!("the draws of the journal beside it cannot be read: {error}{remedy}")).at(name.display())
}

/// Reads the finished part of a file; its digest, to go on with.
fn verified(name: &Path, file: &mut File, extent: &Extent) -> Result<Sha256> {
    let fail = |e: std::io::Error| Error::usage(e.to_string()).at(name.display());
    let length = file.metadata().map_err(fail)?.len();
    if length < extent.bytes {
        let message = format!("has {length} bytes, but {} were written: restore it or start anew", extent.bytes);
        return Err(Error::usage(message).at(name.display()));
    }
    let mut digest = Sha256::new();
    let (mut part, mut buffer) = (file.take(extent.bytes), vec![0; 1 << 16]);
    loop {
        match part.read(&mut buffer).map_err(fail)? {
            0 => break,
            n => digest.update(&buffer[..n]),
        }
    }
    if hex(digest.clone()) != extent.sha256 {
        let message = "is not what was written there: restore it or start anew";
        return Err(Error::usage(message).at(name.display()));
    }
    Ok(digest)
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file and the digest of what it holds.
#[derive(Debug)]
struct Digested {
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.digest.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
