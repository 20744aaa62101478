//! See `shaders/rank.wgsl`.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "rank");
