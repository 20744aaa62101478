//! The progress line of counts of regions.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Between two looks at the regions found.
const TICK: Duration = Duration::from_millis(100);

/// Shows the regions found so far while they are counted.
pub(super) fn with_regions<T: Send>(quiet: bool, work: impl FnOnce(&AtomicU64) -> T + Send) -> T {
    let found = AtomicU64::new(0);
    if quiet || !std::io::stderr().is_terminal() {
        return work(&found);
    }
    let style = ProgressStyle::with_template("{spinner} at least {human_pos} activation regions  {per_sec}  {elapsed}");
    let bar = ProgressBar::no_length().with_style(style.expect("a valid template"));
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&found));
        while !worker.is_finished() {
            std::thread::park_timeout(TICK);
            bar.set_position(found.load(Ordering::Relaxed));
        }
        worker.join()
    });
    bar.finish_and_clear();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
