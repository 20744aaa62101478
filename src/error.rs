//! The crate's one error: it says where, what is wrong, and what would be right.

use std::fmt;
use std::process::ExitCode;

/// What every fallible function of the crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its place and its remedy in one line of text.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
}

/// Who has to act on an [`Error`]; it decides the exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A flag, plan or input file is wrong, found before any work started (exit code 2).
    Usage,
    /// The computation itself failed (exit code 1).
    Failed,
    /// The user asked to stop; what was finished is on disk and valid (exit code 130).
    Interrupted,
}

impl Error {
    /// An error in what the user gave: a flag, a plan, an input file or an output that cannot be opened.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message.into())
    }

    /// An error of the running computation.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message.into())
    }

    /// The end of a run that the user interrupted.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Interrupted, message.into())
    }

    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(Inner { kind, message }))
    }

    /// The same error with its place in front: `place: message`.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The program's exit code: 1 failed while running, 2 wrong usage, 130 interrupted.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.0.kind {
            ErrorKind::Failed => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Interrupted => 130,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}
