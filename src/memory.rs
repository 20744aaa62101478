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

/// Bytes of memory that can be had, where the system says: of the machine, of the process, and of the group of processes it runs in.
pub(crate) fn available() -> Option<u128> {
    [of_machine(), of_process(), of_group()].into_iter().flatten().min()
}

fn of_machine() -> Option<u128> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// What `ulimit -v` leaves.
fn of_process() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u128 = line.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(kibibytes("/proc/self/status", "VmSize:")?))
}

/// What the control group of a container or a batch system leaves.
fn of_group() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_end_matches('/');
    let number = |file: &str| -> Option<u128> {
        std::fs::read_to_string(format!("/sys/fs/cgroup{group}/{file}")).ok()?.trim().parse().ok()
    };
    // What files are kept in memory can go.
    let statistics = std::fs::read_to_string(format!("/sys/fs/cgroup{group}/memory.stat")).ok()?;
    let files: u128 = statistics.lines().find_map(|line| line.strip_prefix("file "))?.trim().parse().ok()?;
    Some(number("memory.max")?.saturating_sub(number("memory.current")?.saturating_sub(files)))
}

/// The number of kibibytes after a name in a file of the system, as bytes.
fn kibibytes(file: &str, name: &str) -> Option<u128> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<u128>().ok().map(|kib| kib * 1024)
}
