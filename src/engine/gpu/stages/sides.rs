//! See `shaders/sides.wgsl`.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "sides");
