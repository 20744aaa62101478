//! Output files that never destroy what they replace before there is something better.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file written beside its final place, as `FILE.partial`, and moved there when it is complete.
///
/// It is created before any computation, so that an output that cannot be written is known at once. Whatever ends the program
/// early leaves the earlier file as it was, and what was written in the partial one, which no later run overwrites.
#[derive(Debug)]
pub struct OutputFile {
    writer: BufWriter<File>,
    /// The name that was asked for.
    name: PathBuf,
    /// Where that is, links followed.
    target: PathBuf,
    /// `None` where the target is no regular file (a pipe, a device), which is written directly, and once it is moved.
    partial: Option<PathBuf>,
    /// Whether an unfinished file is worth nothing.
    is_disposable: bool,
}

impl OutputFile {
    /// Opens the file for writing.
    ///
    /// # Errors
    /// A target that cannot be written, and rows of an unfinished run in the partial file.
    pub fn create(name: &Path) -> Result<Self> {
        Self::open(name).map_err(|e| e.at(name.display()))
    }

    /// Opens the file for writing; a partial one holds nothing that cannot be written again, and none is left behind.
    ///
    /// # Errors
    /// A target that cannot be written.
    pub fn replace(name: &Path) -> Result<Self> {
        let _ = fs::remove_file(partial_of(&fs::canonicalize(name).unwrap_or_else(|_| name.to_owned())));
        let mut file = Self::create(name)?;
        file.is_disposable = true;
        Ok(file)
    }

    fn open(name: &Path) -> Result<Self> {
        let unwritable = |e: std::io::Error| Error::usage(format!("cannot write there: {e}"));
        let existing = name.metadata().ok();
        // What /dev and /proc show as files are streams that somebody else holds.
        let stream = ["/dev", "/proc"].iter().any(|root| name.starts_with(root));
        if stream || existing.as_ref().is_some_and(|m| !m.is_file()) {
            let file = File::options().write(true).open(name).map_err(unwritable)?;
            let (name, target) = (name.to_owned(), name.to_owned());
            return Ok(Self { writer: BufWriter::new(file), name, target, partial: None, is_disposable: false });
        }
        let target = fs::canonicalize(name).unwrap_or_else(|_| name.to_owned());
        let partial = partial_of(&target);
        if has_rows(&partial) {
            return Err(Error::usage(format!(
                "{} holds rows of a run that did not end: move or remove it first",
                partial.display()
            )));
        }
        let file = File::create(&partial).map_err(unwritable)?;
        if let Some(existing) = existing {
            file.set_permissions(existing.permissions()).map_err(unwritable)?;
        }
        Ok(Self {
            writer: BufWriter::new(file),
            name: name.to_owned(),
            target,
            partial: Some(partial),
            is_disposable: false,
        })
    }

    /// Whether two outputs would overwrite each other.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let regular = |file: &Self| file.partial.is_some();
        regular(self)
            && regular(other)
            && (self.target == other.target
                || partial_of(&self.target) == other.target
                || partial_of(&other.target) == self.target)
    }

    /// Writes the rows so far to the disk and moves the file to its place.
    ///
    /// # Errors
    /// A full disk, or a target that became unwritable.
    pub fn finish(mut self) -> Result<()> {
        let mut finish = || -> std::io::Result<()> {
            self.writer.flush()?;
            if let Some(partial) = &self.partial {
                self.writer.get_ref().sync_all()?;
                fs::rename(partial, &self.target)?;
            }
            self.partial = None;
            Ok(())
        };
        finish().map_err(|e| Error::failed(e.to_string()).at(self.name.display()))
    }

    /// The name that was asked for.
    pub fn name(&self) -> &Path {
        &self.name
    }
}

fn partial_of(target: &Path) -> PathBuf {
    let mut name: OsString = target.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Whether there is more in a file than its header.
fn has_rows(path: &Path) -> bool {
    const HEADER: u64 = 1 << 20;
    let Ok(file) = File::open(path) else { return false };
    let mut start = Vec::new();
    // What cannot be read may be rows.
    file.take(HEADER).read_to_end(&mut start).is_err()
        || start.len() as u64 == HEADER
        || start.iter().position(|&byte| byte == b'\n').is_some_and(|end| end + 1 < start.len())
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for OutputFile {
    /// Leaves no partial file without rows behind.
    fn drop(&mut self) {
        if let Some(partial) = &self.partial
            && (self.is_disposable || !(self.writer.flush().is_err() || has_rows(partial)))
        {
            let _ = fs::remove_file(partial);
        }
    }
}
