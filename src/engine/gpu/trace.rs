//! Crossings one by one, from what the layers log.

use super::outcome::LayerLog;
use super::step::{NEW, RISING};
use crate::network::Architecture;
use crate::path::Path;
use crate::trace::Crossing;

/// The crossings that the layers found along a path.
///
/// The device knows rows and fractions of the intervals between them, in f32; positions are made of them here, in f64.
pub(super) fn crossings(architecture: &Architecture, path: &Path, layers: &[LayerLog]) -> Vec<Crossing> {
    let mut positions = path.positions().to_vec();
    let mut crossings = Vec::new();
    for (layer, log) in layers.iter().enumerate() {
        let n_switches = architecture.layers()[layer].activation.n_switches().max(1);
        let at = |row: u32, fraction: f32| {
            let (a, b) = (positions[row as usize], positions[row as usize + 1]);
            (a + f64::from(fraction) * (b - a)).min(b)
        };
        crossings.extend(log.entries.iter().map(|entry| {
            let which = (entry.crossing & !RISING) as usize;
            Crossing {
                position: if entry.fraction < 0.0 {
                    positions[entry.row as usize]
                } else {
                    at(entry.row, entry.fraction)
                },
                layer,
                unit: which / n_switches,
                breakpoint: which % n_switches,
                rising: entry.crossing & RISING != 0,
            }
        }));
        let refined = log.sources.iter().map(|source| match source.row & NEW {
            0 => positions[source.row as usize],
            _ => at(source.row & !NEW, source.fraction),
        });
        positions = refined.collect();
    }
    crossings
}
