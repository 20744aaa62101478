//! See `shaders/flips.wgsl`.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/rows", "flips");
