//! How much memory can be had, so that what does not fit is refused before it is asked for.

use crate::error::{Error, Result};

/// Refuses what needs more bytes than are available, naming it and its `remedy`.
pub(crate) fn check(what: &str, needed: u128, remedy: &str) -> Result<()> {
    match available() {
        Some(available) if needed > available => {
            let gib = |bytes: u128| bytes as f64 / f64::from(1 << 30);
            Err(Error::usage(format!(
                "{what}: needs {:.1} GiB of memory, but {:.1} GiB are available: {remedy}",
                gib(needed),
                gib(available)
            )))
        }
        _ => Ok(()),
    }
}

/// Bytes of memory that can be had, where the system says.
pub(crate) fn available() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u128>().ok().map(|kib| kib * 1024)
}
