//! See `shaders/affine.wgsl`.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "affine");
