//! See `shaders/draw.wgsl`.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("draw");
