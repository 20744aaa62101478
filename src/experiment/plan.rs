//! A checked ensemble and how it is to be estimated.

use sha2::{Digest, Sha256};

use super::{Choice, EnsembleFlags};
use crate::engine::{Engine, Estimator, Method, Precision};
use crate::ensemble::Ensemble;
use crate::error::{Error, Result};
use crate::memory;
use crate::network::{Activation, ActivationKind, Architecture, RandomNetwork};
use crate::path::{PathLaw, RandomPath, StartLaw};
use crate::random::Stream;
use crate::rice;
use crate::stats::Quantity;
use crate::theory::infinite_width::pre_activation_stds;

/// Beyond this, neighbouring grid points are the same to rounding and a path takes minutes.
const MAX_GRID: usize = 1_000_000_000;

/// Points per path: more than a polyline can need.
const MAX_POINTS: u64 = 1 << 20;

/// Weights of a network that take longer to draw than the whole of most estimates.
const MANY_WEIGHTS: u128 = 100_000_000;

/// What to estimate: an ensemble, how, and when to stop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The law of a draw.
    pub ensemble: Ensemble,
    /// How to estimate.
    pub estimator: Estimator,
    /// What [`allocate`](super::allocate) is to choose; the numbers above are 1 until then.
    pub open: Open,
    /// The most networks to draw.
    pub networks: u64,
    /// The relative standard error of the density at which to stop earlier.
    pub target_error: Option<f64>,
}

/// What is left to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Paths per network.
    pub paths: bool,
    /// Points per path.
    pub points: bool,
}

impl Plan {
    /// Checks an ensemble given by flags and reads the files that it names.
    ///
    /// # Errors
    /// Names the flag that is wrong and what would be right.
    pub fn from_flags(flags: &EnsembleFlags) -> Result<Self> {
        fn parse<T: std::str::FromStr<Err = Error>>(flag: &str, text: &str) -> Result<T> {
            text.parse().map_err(|e: Error| e.at(flag))
        }
        if flags.outputs == 0 {
            return Err(Error::usage("--outputs 0: give at least 1"));
        }
        let activation: Activation = parse("--activation", &flags.activation)?;
        let architecture = Architecture::parse(&flags.arch, activation, flags.outputs).map_err(|e| e.at("--arch"))?;
        let (estimator, default_paths) = match flags.method.as_str() {
            "exact" => (Estimator::Count(Method::Exact), Choice::Number(1)),
            "sampled" if (2..=MAX_GRID).contains(&flags.grid) => {
                (Estimator::Count(Method::Sampled { grid: flags.grid }), Choice::Number(1))
            }
            "sampled" => return Err(Error::usage(format!("--grid {}: give 2 to {MAX_GRID} points", flags.grid))),
            "rice" => {
                (Estimator::Rice { points: number(flags.points, "--points", MAX_POINTS)? as usize }, Choice::Auto)
            }
            "rice-features" => (Estimator::RiceFeatures, Choice::Number(1)),
            other => return Err(Error::usage(format!("--method {other}: use exact, sampled, rice or rice-features"))),
        };
        if flags.points.is_some() && !matches!(estimator, Estimator::Rice { .. }) {
            return Err(Error::usage("--points is about --method rice: leave it out"));
        }
        let paths = match (estimator, flags.paths_per_network) {
            (Estimator::RiceFeatures, Some(Choice::Number(n))) if n != 1 => {
                return Err(Error::usage(format!(
                    "--paths-per-network {n}: with --method rice-features each network has one path: leave it out, or use --method rice"
                )));
            }
            (Estimator::RiceFeatures, _) => default_paths,
            (_, paths) => paths.unwrap_or(default_paths),
        };
        let paths_per_network = number(Some(paths), "--paths-per-network", u64::MAX)?;
        let open = Open {
            paths: paths == Choice::Auto,
            points: matches!((estimator, flags.points), (Estimator::Rice { .. }, None | Some(Choice::Auto))),
        };
        let target_error = flags.target_error.as_deref().map(parse_target).transpose()?;
        let networks = flags.networks.unwrap_or(if target_error.is_some() { u64::MAX } else { 1000 });
        if networks == 0 {
            return Err(Error::usage("--networks 0: give at least 1"));
        }
        let dim = architecture.input_dim();
        let start: StartLaw = parse("--start", &flags.start)?;
        let path = PathLaw::from_flags(&flags.path, start, flags.length, dim)?;
        let path = RandomPath::new(path, dim, flags.seed)?;
        if path.n_coordinates() * u128::from(paths_per_network) > u128::from(Stream::LEN) {
            return Err(Error::usage(format!(
                "--path {} with --paths-per-network {}: a network's paths may have 2^34 coordinates together",
                flags.path, paths_per_network
            )));
        }
        let network = RandomNetwork::new(
            architecture,
            parse("--weights", &flags.weights)?,
            parse("--bias", &flags.bias)?,
            flags.seed,
        )
        .map_err(|e| e.at("--weights"))?;
        if estimator.is_rice() {
            rice::check(&network, &path)?;
        }
        if estimator == Estimator::RiceFeatures {
            rice::check_features(&network)?;
        }
        let ensemble = Ensemble { network, path, paths_per_network };
        Ok(Self { ensemble, estimator, open, networks, target_error })
    }

    /// The quantity that is reported first and that `target_error` is about: boundaries where they are located or known; the
    /// sampled method misses coincident ones, so there the flips.
    pub fn headline(&self) -> Quantity {
        match self.estimator {
            Estimator::Count(Method::Sampled { .. }) => Quantity::Crossings,
            _ if self.knows(Quantity::Boundaries) => Quantity::Boundaries,
            _ => Quantity::Crossings,
        }
    }

    /// Sixteen hexadecimal digits that two plans share exactly if each draw of one has the counts of the other's: all but how
    /// many networks there are, and what computes them.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let network = &self.ensemble.network;
        let architecture = network.architecture();
        let path = self.ensemble.path.law();
        let estimator = match self.estimator {
            Estimator::Count(method) => format!("{method:?}"),
            rice @ (Estimator::Rice { .. } | Estimator::RiceFeatures) => format!("{rice:?}"),
        };
        let activation = match architecture.activation().kind() {
            ActivationKind::Scalar(pieces) => format!("{pieces:?}"),
            other => format!("{other:?}"),
        };
        hash.update(format!(
            "{architecture}|{}|{activation}|{}|{}|{estimator}|{}|{}|",
            architecture.outputs(),
            network.weights(),
            network.bias(),
            self.ensemble.paths_per_network,
            network.seed()
        ));
        match path {
            PathLaw::File { paths, .. } => {
                hash.update("file");
                for named in paths.iter() {
                    (0..named.path.n_vertices())
                        .flat_map(|v| named.path.vertex(v))
                        .for_each(|x| hash.update(x.to_le_bytes()));
                    hash.update(named.path.length().to_le_bytes());
                }
            }
            PathLaw::Data { rows, .. } => {
                hash.update("data");
                rows.iter().for_each(|x| hash.update(x.to_le_bytes()));
            }
            _ => hash.update(format!("{path:?}")),
        }
        hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Refuses what does not fit in this machine's memory.
    ///
    /// # Errors
    /// Says what it would need and what there is.
    pub fn check_memory(&self, engine: &dyn Engine) -> Result<()> {
        let counts = 64 + 8 * self.ensemble.network.architecture().depth() as u128;
        let results = counts * u128::from(self.ensemble.paths_per_network) * u128::from(engine.networks_at_once());
        let needed = engine.memory_needed(&self.ensemble, self.estimator)? + results;
        let what = format!("--arch {}", self.ensemble.network.architecture());
        memory::check(&what, needed, "use narrower layers, fewer paths per network or fewer --threads")
    }

    /// Whether the estimator gives the density of a quantity as far as it counts: the Rice estimator does not know of crossings without
    /// a rate, where biases are zero, and of those that coincide.
    pub fn knows(&self, quantity: Quantity) -> bool {
        !self.estimator.is_rice() || rice::knows(&self.ensemble.network, &self.ensemble.path, quantity)
    }

    /// What a careful user should know before the run.
    pub fn warnings(&self, precision: Precision) -> Vec<String> {
        let mut warnings = Vec::new();
        let Ok(path) = self.ensemble.path.draw(0, 0, self.ensemble.paths_per_network) else {
            return warnings;
        };
        // A step along the path moves pre-activations by about the step times their slope; rounding moves them by about epsilon times
        // the distance from the origin times the same slope, and the root of the number of terms.
        let (epsilon, remedy) = match precision {
            Precision::F32 => (f64::from(f32::EPSILON), ", or use --precision f64"),
            Precision::F64 => (f64::EPSILON, ""),
        };
        let widest = self.ensemble.network.architecture().affine_maps().map(|a| a.fan_in()).max().unwrap_or(1);
        let reach = path.reach();
        let finest = 4.0 * epsilon * (widest as f64).sqrt() * reach;
        let length = path.length();
        if length > 0.0 && length < 64.0 * finest {
            warnings.push(format!(
                "a path of length {length:.1e} at distance {reach:.1e} from the origin is within the rounding of the pre-activations: \
                 use longer paths{remedy}"
            ));
        }
        if let Estimator::Count(Method::Sampled { grid }) = self.estimator
            && length > 0.0
            && length / ((grid - 1) as f64) < finest
        {
            warnings.push(format!(
                "--grid {grid}: a step of {:.1e} is at the rounding of the pre-activations, so flips are overcounted: stay below {:.0} \
                 points, use --method exact{remedy}",
                length / (grid - 1) as f64,
                (length / finest).floor()
            ));
        }
        let smallest = match precision {
            Precision::F32 => 1e-17,
            Precision::F64 => 1e-150,
        };
        let scales = pre_activation_stds(&self.ensemble.network, reach);
        if self.estimator.is_rice() {
            warnings.extend(rice::warnings(&self.ensemble.network, &scales));
        }
        if let Estimator::Rice { .. } = self.estimator
            && rice::check_features(&self.ensemble.network).is_ok()
            && let weights = rice::weights_drawn(&self.ensemble.network)
            && weights > MANY_WEIGHTS
        {
            warnings.push(format!(
                "each network has {:.0e} weights to draw: --method rice-features estimates the same density without them",
                weights as f64
            ));
        }
        if let Some(layer) = scales.iter().position(|&scale| scale > 0.0 && scale < smallest) {
            warnings.push(format!(
                "pre-activations of layer {} are about {:.0e}: products of such numbers vanish, use larger weights or biases{remedy}",
                layer + 1,
                scales[layer]
            ));
        }
        // Boundaries near the origin, where biases matter, are told apart by their position along the whole path.
        if length > 1e10 {
            warnings.push(format!(
                "on a path of length {length:.1e} boundaries closer than {:.1e} coincide: use shorter paths",
                length * f64::EPSILON
            ));
        }
        warnings
    }
}

/// A number of at least 1 and at most `most`; 1 where it is to be chosen.
fn number(choice: Option<Choice>, flag: &str, most: u64) -> Result<u64> {
    match choice {
        None | Some(Choice::Auto) => Ok(1),
        Some(Choice::Number(n)) if (1..=most).contains(&n) => Ok(n),
        Some(Choice::Number(0)) => Err(Error::usage(format!("{flag} 0: give at least 1"))),
        Some(Choice::Number(n)) => Err(Error::usage(format!("{flag} {n}: give at most {most}"))),
    }
}

fn parse_target(text: &str) -> Result<f64> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 0.01));
    match number.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value * scale < 1.0 => Ok(value * scale),
        _ => {
            Err(Error::usage(format!("--target-error {text}: give a positive number below 100 %, such as 1% or 0.01")))
        }
    }
}
