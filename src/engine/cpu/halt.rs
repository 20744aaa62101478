//! Why counting along a path ends early.

use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) enum Halt {
    /// The pre-activations of a layer, from 0, left the range of the floating-point type.
    Overflow { layer: usize },
    /// The user asked to stop.
    Stopped,
}

/// Looks at the user's wish.
pub(super) fn check(stop: &AtomicBool) -> Result<(), Halt> {
    if stop.load(Ordering::Relaxed) { Err(Halt::Stopped) } else { Ok(()) }
}
