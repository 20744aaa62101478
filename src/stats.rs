//! Densities and their errors from whole-number moments.
//!
//! Counts are whole numbers, expected counts whole numbers of a [unit](Estimator::unit), and path lengths are rounded to whole
//! numbers of a [length unit](crate::path::PathLaw::length_unit), so all sums are exact: a result does not depend on threads,
//! batches or their order, and parts can be merged.
//!
//! The networks are the independent units. The density is the ratio of two sums, counts over lengths, and its standard
//! error that of a ratio: the standard deviation over networks of (count - density x length), divided by the mean length and the
//! root of the number of networks (Cochran, Sampling Techniques, 1977, chapter 6).

use num_bigint::BigInt;
use num_traits::ToPrimitive;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::engine::{Estimator, PathCounts};
use crate::ensemble::Ensemble;
use crate::error::{Error, Result};

/// Confidence of the intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Fewest networks whose standard error is trusted to stop a run or to judge a bound.
pub const MIN_NETWORKS: u64 = 30;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Crossings of all layers.
    Crossings,
    /// Boundaries.
    Boundaries,
    /// Knots.
    Knots,
    /// Crossings of one hidden layer, from 0.
    LayerCrossings(usize),
}

impl Quantity {
    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crossings | Self::LayerCrossings(_) => "crossings",
            Self::Boundaries => "boundaries",
            Self::Knots => "knots",
        }
    }

    /// The hidden layer it is about, from 1, or `all`.
    pub fn layer(self) -> String {
        match self {
            Self::LayerCrossings(layer) => (layer + 1).to_string(),
            _ => "all".to_owned(),
        }
    }
}

/// Sums of one quantity x, with y the path length: over paths and, of each network's totals, over networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sums {
    total: u128,
    path_squares: u128,
    path_products: u128,
    network_squares: u128,
    network_products: u128,
}

impl Sums {
    fn fields(&mut self) -> [&mut u128; 5] {
        let Self { total, path_squares, path_products, network_squares, network_products } = self;
        [total, path_squares, path_products, network_squares, network_products]
    }

    fn merge(&mut self, mut other: Self) -> Option<()> {
        for (sum, term) in self.fields().into_iter().zip(other.fields()) {
            *sum = sum.checked_add(*term)?;
        }
        Some(())
    }

    /// Adds the values and lengths of the paths of one network; `None` if there is no value, or if a sum is too large.
    fn add_network(&mut self, values: impl Iterator<Item = Option<u64>>, lengths: &[u64]) -> Option<()> {
        let mut sums = Self::default();
        let mut length: u128 = 0;
        for (x, &y) in values.zip(lengths) {
            // Their products fit.
            let (x, y) = (u128::from(x?), u128::from(y));
            sums.total = sums.total.checked_add(x)?;
            sums.path_squares = sums.path_squares.checked_add(x * x)?;
            sums.path_products = sums.path_products.checked_add(x * y)?;
            length = length.checked_add(y)?;
        }
        sums.network_squares = sums.total.checked_mul(sums.total)?;
        sums.network_products = sums.total.checked_mul(length)?;
        self.merge(sums)
    }
}

/// The moments of an ensemble: all that its densities and their errors need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    paths_per_network: u64,
    length_unit: f64,
    count_unit: f64,
    /// Whether a network's paths are independent of each other.
    independent_paths: bool,
    networks: u64,
    lengths: Sums,
    crossings: Sums,
    boundaries: Sums,
    /// `None` once a path came without knots.
    knots: Option<Sums>,
    layers: Vec<Sums>,
}

/// A density, in counts per unit length of path, and what is known of its error. What is not defined is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Density {
    /// Sum of counts over sum of lengths; needs a path of positive length.
    pub mean: f64,
    /// Standard error over networks; needs 2 networks.
    pub std_error: Option<f64>,
    /// Student-t interval at [`CONFIDENCE`].
    pub interval: Option<(f64, f64)>,
    /// Standard deviation, from network to network, of a network's density over all its possible paths; needs 2 independent
    /// paths per network.
    pub between_network_std: Option<f64>,
    /// Standard deviation, from path to path of one network, of the path's density; needs 2 independent paths per network.
    pub within_network_std: Option<f64>,
}

impl Density {
    /// Standard error over mean.
    pub fn relative_error(&self) -> Option<f64> {
        self.std_error.filter(|_| self.mean > 0.0).map(|error| error / self.mean)
    }
}

impl Moments {
    /// No networks of an ensemble yet, to be observed by this estimator.
    pub fn of_ensemble(ensemble: &Ensemble, estimator: Estimator) -> Self {
        let depth = ensemble.network.architecture().depth();
        let length_unit = ensemble.path.law().length_unit(ensemble.path.dim());
        Self {
            count_unit: estimator.unit(ensemble),
            independent_paths: !estimator.is_rice(),
            ..Self::new(depth, ensemble.paths_per_network, length_unit)
        }
    }

    /// No networks yet, with independent paths on which crossings are counted.
    pub fn new(n_layers: usize, paths_per_network: u64, length_unit: f64) -> Self {
        Self {
            paths_per_network,
            length_unit,
            count_unit: 1.0,
            independent_paths: true,
            networks: 0,
            lengths: Sums::default(),
            crossings: Sums::default(),
            boundaries: Sums::default(),
            knots: Some(Sums::default()),
            layers: vec![Sums::default(); n_layers],
        }
    }

    /// Number of networks.
    pub fn networks(&self) -> u64 {
        self.networks
    }

    /// Adds networks: the counts of all paths of one after the other.
    ///
    /// # Errors
    /// Lengths beyond 2^53 units, and sums beyond 128 bits; then nothing was added.
    pub fn add_networks(&mut self, counts: &[PathCounts]) -> Result<()> {
        let at_once = self.paths_per_network as usize;
        let lengths: Option<Vec<u64>> = counts.iter().map(|path| self.in_units(path.length)).collect();
        let lengths = lengths.ok_or_else(overflow)?;
        let mut sum = self.clone();
        for (paths, lengths) in counts.chunks(at_once).zip(lengths.chunks(at_once)) {
            sum.add_network(paths, lengths).ok_or_else(overflow)?;
        }
        *self = sum;
        Ok(())
    }

    /// A length in whole units; beyond 2^53 there are none any more.
    fn in_units(&self, length: f64) -> Option<u64> {
        let units = (length / self.length_unit).round();
        (units <= 2f64.powi(53)).then_some(units as u64)
    }

    /// Adds the paths of a network and their lengths; `None` where it does not fit, and then a part may have been added.
    fn add_network(&mut self, paths: &[PathCounts], lengths: &[u64]) -> Option<()> {
        self.networks = self.networks.checked_add(1)?;
        self.lengths.add_network(lengths.iter().map(|&length| Some(length)), lengths)?;
        let of_all_layers = |p: &PathCounts| p.crossings.iter().try_fold(0u64, |sum, &c| sum.checked_add(c));
        self.crossings.add_network(paths.iter().map(of_all_layers), lengths)?;
        self.boundaries.add_network(paths.iter().map(|p| Some(p.boundaries)), lengths)?;
        self.knots = self.knots.filter(|_| paths.iter().all(|p| p.knots.is_some()));
        if let Some(knots) = &mut self.knots {
            knots.add_network(paths.iter().map(|p| p.knots), lengths)?;
        }
        for (l, layer) in self.layers.iter_mut().enumerate() {
            layer.add_network(paths.iter().map(|p| Some(p.crossings[l])), lengths)?;
        }
        Some(())
    }

    /// Adds the networks of another part of the same ensemble.
    ///
    /// # Errors
    /// Sums beyond 128 bits; then nothing was added.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let mut sum = self.clone();
        let merged = (|| {
            sum.networks = sum.networks.checked_add(other.networks)?;
            sum.lengths.merge(other.lengths)?;
            sum.crossings.merge(other.crossings)?;
            sum.boundaries.merge(other.boundaries)?;
            sum.knots = match (sum.knots, other.knots) {
                (Some(mut knots), Some(others)) => {
                    knots.merge(others)?;
                    Some(knots)
                }
                _ => None,
            };
            for (layer, others) in sum.layers.iter_mut().zip(&other.layers) {
                layer.merge(*others)?;
            }
            Some(())
        })();
        merged.ok_or_else(overflow)?;
        *self = sum;
        Ok(())
    }

    /// Mean length of a path; `None` without paths.
    pub fn mean_length(&self) -> Option<f64> {
        let paths = self.networks as f64 * self.paths_per_network as f64;
        (paths > 0.0).then(|| self.lengths.total as f64 * self.length_unit / paths)
    }

    /// The density of a quantity; `None` without a path of positive length, or where the method does not give the quantity.
    pub fn density(&self, quantity: Quantity) -> Option<Density> {
        let sums = match quantity {
            Quantity::Crossings => self.crossings,
            Quantity::Boundaries => self.boundaries,
            Quantity::Knots => self.knots?,
            Quantity::LayerCrossings(layer) => self.layers[layer],
        };
        if self.lengths.total == 0 {
            return None;
        }
        let (n, p) = (self.networks as f64, self.paths_per_network as f64);
        let mean_length = self.lengths.total as f64 / n;
        // Lengths in the unit that makes a count of 1 a density of 1.
        let length_unit = self.length_unit / self.count_unit;
        let mean = sums.total as f64 / (self.lengths.total as f64 * length_unit);
        let networks =
            self.residual_squares(&sums, [sums.network_squares, sums.network_products, self.lengths.network_squares]);
        let paths = self.residual_squares(&sums, [sums.path_squares, sums.path_products, self.lengths.path_squares]);
        let std_error = (self.networks >= 2).then(|| (networks / (n * (n - 1.0))).sqrt() / (mean_length * length_unit));
        let interval = std_error.map(|error| {
            let t = student_t_quantile(self.networks - 1);
            (mean - t * error, mean + t * error)
        });
        // One-way analysis of variance of the residuals, whose overall mean is zero.
        let path_length = mean_length / p * length_unit;
        let has_components = self.independent_paths && self.paths_per_network >= 2;
        let within = has_components.then(|| (paths - networks / p).max(0.0) / (n * (p - 1.0)));
        let between =
            within.filter(|_| self.networks >= 2).map(|within| ((networks / p / (n - 1.0) - within) / p).max(0.0));
        Some(Density {
            mean,
            std_error,
            interval,
            between_network_std: between.map(|v| v.sqrt() / path_length),
            within_network_std: within.map(|v| v.sqrt() / path_length),
        })
    }

    /// Sum of (x - d y)^2 with d = sum of x / sum of y, from the sums of x^2, x y and y^2. Exact but for the last division, so
    /// that equal densities have exactly no variance.
    fn residual_squares(&self, sums: &Sums, [xx, xy, yy]: [u128; 3]) -> f64 {
        let (x, y) = (BigInt::from(sums.total), BigInt::from(self.lengths.total));
        let numerator =
            BigInt::from(xx) * &y * &y - BigInt::from(2) * BigInt::from(xy) * &x * &y + BigInt::from(yy) * &x * &x;
        let denominator = &y * &y;
        // The quotient scaled by 2^64, so that its integer part keeps all digits of f64 unless the result is tiny.
        let scaled: BigInt = (numerator << 64) / denominator;
        scaled.to_f64().unwrap_or(f64::INFINITY) * 0.5f64.powi(64)
    }
}

fn overflow() -> Error {
    Error::failed("the sums of counts or lengths exceed 128 bits: use fewer networks or shorter paths")
}

/// Half-width, in standard errors, of the two-sided Student-t interval at [`CONFIDENCE`].
fn student_t_quantile(degrees_of_freedom: u64) -> f64 {
    let (df, p) = (degrees_of_freedom as f64, 0.5 + 0.5 * CONFIDENCE);
    if df < 1000.0 {
        return StudentsT::new(0.0, 1.0, df).expect("at least one degree of freedom").inverse_cdf(p);
    }
    // The library's inverse fails for many degrees of freedom, where this expansion is good to 1e-8 (Abramowitz and Stegun
    // 1964, 26.7.5).
    let z = Normal::standard().inverse_cdf(p);
    z + (z.powi(3) + z) / (4.0 * df) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * df * df)
}

/// How many networks to have before the next look at the error, given its ratio to the target at `n` networks.
///
/// Looks are rare, so that stopping at a lucky moment hardly biases the result: as many networks as the error so far says
/// are needed, and 2 % more, but at most twice as many as there are.
pub fn next_look(n: u64, error_over_target: f64) -> u64 {
    let needed = (n as f64 * error_over_target.powi(2) * 1.02).ceil();
    (needed as u64).clamp(n.saturating_add(n.div_ceil(20)), n.saturating_mul(2).max(MIN_NETWORKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(length: f64, boundaries: u64) -> PathCounts {
        PathCounts { length, crossings: vec![boundaries, 2 * boundaries], boundaries, knots: Some(boundaries) }
    }

    fn moments(networks: &[&[PathCounts]]) -> Moments {
        let mut moments = Moments::new(2, networks[0].len() as u64, 0.5f64.powi(40));
        networks.iter().for_each(|paths| moments.add_networks(paths).unwrap());
        moments
    }

    #[test]
    fn equal_lengths_give_the_textbook_mean_and_error() {
        let data = [3, 5, 4, 8];
        let networks: Vec<Vec<PathCounts>> = data.iter().map(|&c| vec![counts(2.0, c)]).collect();
        let networks: Vec<&[PathCounts]> = networks.iter().map(Vec::as_slice).collect();
        let density = moments(&networks).density(Quantity::Boundaries).unwrap();
        assert_eq!(density.mean, 2.5);
        // Sample variance of the counts is 14/3, of the densities 14/12.
        let error = (14.0f64 / 12.0 / 4.0).sqrt();
        assert!((density.std_error.unwrap() - error).abs() < 1e-15);
        let (low, high) = density.interval.unwrap();
        assert!((high - low - 2.0 * 3.182_446_305_284_263 * error).abs() < 1e-9);
        assert_eq!((density.between_network_std, density.within_network_std), (None, None));
        let layer = moments(&networks).density(Quantity::LayerCrossings(1)).unwrap();
        assert_eq!(layer.mean, 5.0);
    }

    #[test]
    fn proportional_counts_have_no_error() {
        // Different lengths, one density; the naive difference of large squares would leave noise.
        let networks: Vec<Vec<PathCounts>> = (1..50).map(|k| vec![counts(k as f64 * 1e2, k * 300)]).collect();
        let networks: Vec<&[PathCounts]> = networks.iter().map(Vec::as_slice).collect();
        let density = moments(&networks).density(Quantity::Boundaries).unwrap();
        assert_eq!((density.mean, density.std_error), (3.0, Some(0.0)));
    }

    #[test]
    fn variance_components_match_a_balanced_analysis_of_variance() {
        let networks = [vec![counts(1.0, 1), counts(1.0, 3)], vec![counts(1.0, 6), counts(1.0, 10)]];
        let networks: Vec<&[PathCounts]> = networks.iter().map(Vec::as_slice).collect();
        let density = moments(&networks).density(Quantity::Boundaries).unwrap();
        // Group means 2 and 8; within sum of squares 2 + 8 over 2 degrees; between mean square 2 (9 + 9) over 1.
        assert!((density.within_network_std.unwrap() - 5f64.sqrt()).abs() < 1e-12);
        assert!((density.between_network_std.unwrap() - ((36.0f64 - 5.0) / 2.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn order_and_partition_do_not_matter() {
        let network = |k: u64| vec![counts(0.1 * k as f64, k * k % 17), counts(1.0 / k as f64, k % 5)];
        let add = |order: &[u64]| {
            let mut m = Moments::new(2, 2, 0.5f64.powi(40));
            order.iter().for_each(|&k| m.add_networks(&network(k)).unwrap());
            m
        };
        let whole = add(&[1, 2, 3, 4, 5, 6, 7]);
        let mut parts = add(&[7, 3]);
        parts.merge(&add(&[2, 6, 1])).unwrap();
        parts.merge(&add(&[5, 4])).unwrap();
        assert_eq!(whole, parts);
    }

    #[test]
    fn what_is_undefined_is_none() {
        let none = Moments::new(2, 1, 1.0);
        assert_eq!((none.density(Quantity::Crossings), none.mean_length()), (None, None));
        let zero_length = moments(&[&[counts(0.0, 0)]]);
        assert_eq!(zero_length.density(Quantity::Boundaries), None);
        let one = moments(&[&[counts(1.0, 4)]]).density(Quantity::Boundaries).unwrap();
        assert_eq!((one.mean, one.std_error, one.interval), (4.0, None, None));
        let no_knots = moments(&[&[PathCounts { knots: None, ..counts(1.0, 4) }]]);
        assert_eq!(no_knots.density(Quantity::Knots), None);
    }

    #[test]
    fn overflow_is_an_error_and_changes_nothing() {
        let mut m = moments(&[&[counts(1.0, 4)]]);
        let before = m.clone();
        let huge = PathCounts { crossings: vec![u64::MAX, 1], ..counts(1.0, 0) };
        for paths in [huge, counts(1e30, 1), counts(f64::NAN, 1)] {
            m.add_networks(&[counts(1.0, 4), paths]).unwrap_err();
        }
        assert_eq!(m, before);
    }

    #[test]
    fn t_quantiles_match_published_tables() {
        for (df, t) in [(1, 12.706), (2, 4.303), (29, 2.045), (99, 1.984), (500, 1.965), (10_000_000, 1.960)] {
            assert!((student_t_quantile(df) - t).abs() < 6e-4, "{df}: {}", student_t_quantile(df));
        }
        // No jump between the two formulas, and the quantile falls all the way to the normal one.
        let quantiles: Vec<f64> = (1..40).map(|k| student_t_quantile(2u64.pow(k))).collect();
        assert!(quantiles.is_sorted_by(|a, b| a > b || (a - b).abs() < 1e-12), "{quantiles:?}");
        assert!((student_t_quantile(999) - student_t_quantile(1000)).abs() < 5e-6);
        assert!((quantiles[38] - 1.959_963_984_540_054).abs() < 1e-9);
    }

    #[test]
    fn looks_grow_towards_the_need() {
        assert_eq!(next_look(30, 100.0), 60);
        assert_eq!(next_look(1000, 1.1), 1235);
        assert_eq!(next_look(1000, 1.0), 1050);
    }
}
