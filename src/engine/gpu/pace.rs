//! How large batches should be, by the time that they take.

use std::time::Duration;

/// Floating-point operations of the first batch, before it is known how fast the device is.
const FIRST_WORK: f64 = 1e9;
const MIN_WORK: f64 = 1e6;
const MAX_WORK: f64 = 1e13;

/// A batch should take so long: enough to keep the device busy, little enough to stop soon.
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_millis(200);

/// The work of the next batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    work: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { work: FIRST_WORK }
    }
}

impl Pace {
    /// Floating-point operations of a batch.
    pub(super) fn work(self) -> f64 {
        self.work
    }

    /// Adjusts the work of a batch to the time that one took, or to the time of a part of one.
    pub(super) fn adjust(&mut self, time: Duration, is_full: bool) {
        if time > LONG {
            self.work = (self.work / 2.0).max(MIN_WORK);
        } else if time < SHORT && is_full {
            self.work = (self.work * 2.0).min(MAX_WORK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_follows_the_device() {
        let mut pace = Pace::default();
        pace.adjust(Duration::from_millis(1), false);
        assert_eq!(pace, Pace::default(), "a part of a batch says nothing");
        pace.adjust(Duration::from_millis(1), true);
        assert_eq!(pace.work(), 2.0 * FIRST_WORK);
        (0..100).for_each(|_| pace.adjust(Duration::from_secs(1), true));
        assert_eq!(pace.work(), MIN_WORK);
        (0..100).for_each(|_| pace.adjust(Duration::ZERO, true));
        assert_eq!(pace.work(), MAX_WORK);
    }
}
