//! A random network together with its random paths.

use crate::network::RandomNetwork;
use crate::path::RandomPath;

/// The law of a draw: one random network with its random paths. Draw k depends on the seed and k alone.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// The law of the network.
    pub network: RandomNetwork,
    /// The law of its paths.
    pub path: RandomPath,
    /// Number of paths of each network.
    pub paths_per_network: u64,
}
