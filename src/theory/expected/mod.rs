//! Expected numbers of linear regions of random Gaussian networks: closed forms at infinite width, and published
//! bounds.
//!
//! Setting, unless a function says otherwise: fully connected layers with independent weights N(0, `weight_gain` /
//! fan-in) and independent biases N(0, `bias_variance`), the same two numbers in every layer, and widths that tend to
//! infinity. The pre-activations of a layer are then independent centred Gaussian processes, and the formula of Kac
//! (1943) and Rice (1944) gives the expected number of their zeros from second moments alone. For positively
//! homogeneous activations, a unit of layer l has all expected crossing numbers in common with one random hyperplane
//! w.x + b = 0, w ~ N(0, A_l I), b ~ N(0, beta_l) (derived here).
//!
//! "Per unit" means the expected number of points where the pre-activation of one unit is 0; times the width, it is the
//! expected number of those of the layer. All numbers are counts, without units; lengths are in the units of the input.
//!
//! Arguments outside the stated domain give NaN, in each entry where the result is a vector; nothing panics.

mod law;
mod lines;
mod plane;
mod pooling;
mod published;
mod quadrature;
#[cfg(test)]
mod tests;

pub use law::{GaussianLaw, PoolLaw};
pub use lines::{bias_free_crossings, crossings_on_circle, crossings_on_segment};
pub use plane::{regions_in_plane, regions_in_rectangle};
pub use pooling::{groupsort_crossings_on_line, maxout_crossings_on_line, maxout_factor, maxout_second_moment};
pub use published::{hanin_rolnick_2019_line, hanin_rolnick_2019_regions, tseran_montufar_2021_regions};
