//! Output files that never destroy what they replace before there is something better.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file written beside its final place, as `FILE.partial`, and moved there when it is complete.
///
/// It is created before any computation, so that an output that cannot be written is known at once. Whatever ends the program
/// early leaves the earlier file as it was, and what was written in the partial one.
#[derive(Debug)]
pub struct OutputFile {
    writer: BufWriter<File>,
    target: PathBuf,
    /// `None` where the target is no regular file (a pipe, a device): then it is written directly.
    partial: Option<PathBuf>,
}

impl OutputFile {
    /// Opens the file for writing.
    ///
    /// # Errors
    /// A target that cannot be written.
    pub fn create(target: &Path) -> Result<Self> {
        let special = target.metadata().is_ok_and(|m| !m.is_file());
        let partial = (!special).then(|| {
            let mut name: OsString = target.as_os_str().to_owned();
            name.push(".partial");
            PathBuf::from(name)
        });
        let opened = File::create(partial.as_deref().unwrap_or(target));
        let file = opened.map_err(|e| Error::usage(format!("cannot write there: {e}")).at(target.display()))?;
        Ok(Self { writer: BufWriter::new(file), target: target.to_owned(), partial })
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
                std::fs::rename(partial, &self.target)?;
            }
            Ok(())
        };
        let place = self.target.display().to_string();
        finish().map_err(|e| Error::failed(e.to_string()).at(place))
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}
