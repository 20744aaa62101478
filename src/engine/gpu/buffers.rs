//! The buffers of a batch.

use wgpu::Buffer;

use super::device::Device;
use super::plan::Plan;

/// Buffers for as many networks and paths as a plan has; see `shaders/shared/rows.wgsl` for what is in them.
pub(super) struct Buffers {
    /// Index of every network's draw.
    pub(super) draws: Buffer,
    /// Weights and biases of the layer at hand.
    pub(super) weights: Buffer,
    /// Coordinates of the paths' vertices.
    pub(super) points: Buffer,
    /// Pre-activations, in turn with `z`: exact, after insertion.
    pub(super) x: Buffer,
    /// Pre-activations, in turn with `x`: exact, before insertion.
    pub(super) z: Buffer,
    /// Rows of every path before the first layer and after each; sampled, vertices and grid points.
    pub(super) n_rows: Vec<Buffer>,
    pub(super) intervals: Buffer,
    pub(super) entries: Buffer,
    pub(super) n_entries: Buffer,
    pub(super) sources: Buffer,
    /// Flags of rows, before and after a layer in turn.
    pub(super) flags: [Buffer; 2],
    pub(super) results: Buffer,
    /// Where vertices are among the grid points.
    pub(super) vertices: Buffer,
    /// Sides of the breakpoints that units were last seen on.
    pub(super) sides: Buffer,
    /// What later layers add, before and after a layer in turn.
    pub(super) kept: [Buffer; 2],
    /// Bits of rows, where kinks are followed from unit to unit: which outputs have kinks, before and after a layer in turn; which positions
    /// have one in any channel of a group; which pre-activations do; and which values that later layers add, in turn.
    pub(super) kinks: [Buffer; 2],
    pub(super) joined: Buffer,
    pub(super) reached: Buffer,
    pub(super) kept_kinks: [Buffer; 2],
    /// What is read back.
    pub(super) staging: Buffer,
}

impl Buffers {
    pub(super) fn new(device: &Device, plan: &Plan) -> Self {
        let sizes = plan.sizes();
        let n_levels = plan.shape.rows.len();
        let flags = || device.buffer("flags", sizes.flags);
        let kept = || device.buffer("kept", sizes.kept);
        let kinks = || device.buffer("kinks", sizes.kinks);
        let kept_kinks = || device.buffer("kept_kinks", sizes.kept_kinks);
        Self {
            draws: device.buffer("draws", sizes.draws),
            weights: device.buffer("weights", sizes.weights),
            points: device.buffer("points", sizes.points),
            x: device.buffer("x", sizes.x),
            z: device.buffer("z", sizes.z),
            n_rows: (0..n_levels).map(|_| device.buffer("n_rows", sizes.n_rows)).collect(),
            intervals: device.buffer("intervals", sizes.intervals),
            entries: device.buffer("entries", sizes.entries),
            n_entries: device.buffer("n_entries", sizes.n_rows),
            sources: device.buffer("sources", sizes.sources),
            flags: [flags(), flags()],
            results: device.buffer("results", sizes.results),
            vertices: device.buffer("vertices", sizes.vertices),
            sides: device.buffer("sides", sizes.sides),
            kept: [kept(), kept()],
            kinks: [kinks(), kinks()],
            joined: device.buffer("joined", sizes.joined),
            reached: device.buffer("reached", sizes.reached),
            kept_kinks: [kept_kinks(), kept_kinks()],
            staging: device.staging(sizes.results + n_levels as u64 * sizes.n_rows),
        }
    }
}
