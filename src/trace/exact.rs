//! Places of the path in whole numbers: which units meet their breakpoints at one and the same.
//!
//! Weights, breakpoints and points are 64-bit floating-point numbers, that is whole numbers times powers of two, and where a unit
//! meets a breakpoint is a ratio of two such numbers.

use std::cell::{OnceCell, RefCell};
use std::ops::{Add, Mul, Sub};

use num_bigint::{BigInt, Sign};
use num_traits::{Float, Signed, Zero};

use crate::network::{Activation, ActivationKind, Layer, Network, pairs};
use crate::path::Path;

/// Parts of an edge shorter than this are not known well enough to look between their ends.
const SHORTEST: f64 = 1e-9;

/// What is so near to a breakpoint, as a part of the pre-activations around, may be on it; values differ from exact ones by less.
const NEAR: f64 = 1e-11;

/// A condition on the pre-activations of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meets {
    /// This one is on a breakpoint.
    Breakpoint(usize, f64),
    /// One is equal to another.
    Rows(usize, usize),
}

impl Meets {
    /// What is 0 where the condition holds.
    pub(super) fn excess(self, z: &[f64]) -> f64 {
        match self {
            Self::Breakpoint(row, tau) => z[row] - tau,
            Self::Rows(i, j) => z[j] - z[i],
        }
    }

    /// Makes the condition hold.
    pub(super) fn settle(self, z: &mut [f64]) {
        match self {
            Self::Breakpoint(row, tau) => z[row] = tau,
            Self::Rows(i, j) => z[j] = z[i],
        }
    }
}

/// All that the units of a layer can meet.
fn conditions(shape: &Layer) -> Vec<Meets> {
    match shape.activation.kind() {
        ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
            let of_unit = |unit| pieces.breakpoints.iter().map(move |&tau| Meets::Breakpoint(unit, tau));
            (0..shape.affine.units()).flat_map(of_unit).collect()
        }
        ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => {
            let grouping = shape.grouping();
            let of_unit = |unit| {
                pairs(grouping.size).map(move |(i, j)| Meets::Rows(grouping.place(unit, i), grouping.place(unit, j)))
            };
            (0..shape.groups()).flat_map(of_unit).collect()
        }
    }
}

/// Makes exact what the units of a layer meet but for rounding, given its pre-activations at neighbouring places.
pub(super) fn settle(network: &Network, path: &Path, layer: usize, places: &[&Place], z: &mut [Vec<f64>]) {
    let conditions = conditions(&network.architecture().layers()[layer]);
    let sizes: Vec<f64> = z.iter().map(|z| z.iter().fold(0.0, |size, z| f64::max(size, z.abs()))).collect();
    for (ix, (place, z)) in places.iter().zip(z).enumerate() {
        let around = &sizes[ix.saturating_sub(1)..(ix + 2).min(sizes.len())];
        let near = NEAR * around.iter().copied().fold(0.0, f64::max);
        for &meets in &conditions {
            let excess = meets.excess(z);
            if excess != 0.0 && excess.abs() <= near && place.has(network, path, layer, meets) {
                meets.settle(z);
            }
        }
    }
}

/// A number `mantissa 2^exponent`.
#[derive(Clone, Debug)]
struct Dyadic {
    mantissa: BigInt,
    exponent: i64,
}

/// Where on the path a vertex is.
pub(super) struct Place {
    edge: usize,
    /// How far along the edge, from 0 to 1.
    along: f64,
    /// What is met there, in which layer, between which places of the edge; nothing where `along` is exact.
    met: Option<(usize, Meets, [f64; 2])>,
    /// Made when it is first needed; nothing where the place is not known well enough.
    values: OnceCell<Option<RefCell<Values>>>,
}

/// A network's values at one place, all of them times a positive number.
struct Values {
    factor: Dyadic,
    /// The input, and the outputs of the layers that have been asked for.
    sources: Vec<Vec<Dyadic>>,
}

impl Place {
    /// At a fraction of the way along an edge.
    pub(super) fn on_edge(edge: usize, along: f64) -> Self {
        Self { edge, along, met: None, values: OnceCell::new() }
    }

    /// Where a condition is met in a layer, about at a fraction of the way between two neighbouring vertices.
    pub(super) fn between(&self, next: &Self, fraction: f64, layer: usize, meets: Meets) -> Self {
        let end = if next.edge == self.edge { next.along } else { 1.0 };
        let along = self.along + fraction * (end - self.along);
        Self { edge: self.edge, along, met: Some((layer, meets, [self.along, end])), values: OnceCell::new() }
    }

    /// Whether a condition of a layer holds here exactly.
    pub(super) fn has(&self, network: &Network, path: &Path, layer: usize, meets: Meets) -> bool {
        let values = self.values.get_or_init(|| Values::at(self, network, path).map(RefCell::new));
        values.as_ref().is_some_and(|values| values.borrow_mut().excess(network, layer, meets).mantissa.is_zero())
    }
}

impl Values {
    fn at(place: &Place, network: &Network, path: &Path) -> Option<Self> {
        let Some((layer, meets, [start, end])) = place.met else {
            return Some(Self::on_edge(path, place.edge, &Dyadic::from(place.along), Dyadic::from(1.0)));
        };
        if end - start < SHORTEST {
            return None;
        }
        // Between its neighbours the condition's excess is affine: two values give its zero.
        let points = [0.25, 0.75].map(|part| Dyadic::from(start + part * (end - start)));
        let excess = points
            .each_ref()
            .map(|point| Self::on_edge(path, place.edge, point, Dyadic::from(1.0)).excess(network, layer, meets));
        let [numerator, denominator] =
            [&(&excess[0] * &points[1]) - &(&excess[1] * &points[0]), &excess[0] - &excess[1]];
        match denominator.mantissa.sign() {
            Sign::NoSign => None,
            Sign::Plus => Some(Self::on_edge(path, place.edge, &numerator, denominator)),
            Sign::Minus => {
                let zero = Dyadic::from(0.0);
                Some(Self::on_edge(path, place.edge, &(&zero - &numerator), &zero - &denominator))
            }
        }
    }

    /// At `along / factor` of the way along an edge.
    fn on_edge(path: &Path, edge: usize, along: &Dyadic, factor: Dyadic) -> Self {
        let start = path.vertex(edge);
        let end = if edge + 1 < path.n_vertices() { path.vertex(edge + 1) } else { start };
        let input = start.iter().zip(end).map(|(&a, &b)| {
            let (a, b) = (Dyadic::from(a), Dyadic::from(b));
            &(&a * &factor) + &(&(&b - &a) * along)
        });
        Self { sources: vec![input.collect()], factor }
    }

    /// By how much a condition of a layer fails.
    fn excess(&mut self, network: &Network, layer: usize, meets: Meets) -> Dyadic {
        while self.sources.len() <= layer {
            let next = self.sources.len() - 1;
            let shape = &network.architecture().layers()[next];
            let z: Vec<Dyadic> = (0..shape.affine.units()).map(|row| self.pre_activation(network, next, row)).collect();
            let grouping = shape.grouping();
            let gathered = (0..z.len()).map(|ix| z[grouping.place_of(ix)].clone()).collect();
            let h = self.activate(&shape.activation, gathered);
            self.sources.push(match shape.activation.kind() {
                ActivationKind::GroupSort { .. } => (0..h.len()).map(|ix| h[grouping.index_of(ix)].clone()).collect(),
                ActivationKind::Scalar(_) | ActivationKind::Crelu(_) | ActivationKind::Maxout { .. } => h,
            });
        }
        match meets {
            Meets::Breakpoint(row, tau) => {
                &self.pre_activation(network, layer, row) - &(&Dyadic::from(tau) * &self.factor)
            }
            Meets::Rows(i, j) => &self.pre_activation(network, layer, j) - &self.pre_activation(network, layer, i),
        }
    }

    fn pre_activation(&self, network: &Network, layer: usize, row: usize) -> Dyadic {
        let (shape, weights) = (&network.architecture().layers()[layer], &network.affine()[layer]);
        let mut z = match weights.bias.len() {
            0 => Dyadic::from(0.0),
            n => &Dyadic::from(weights.bias[row / (shape.affine.units() / n)]) * &self.factor,
        };
        let mut add = |source: usize, input: usize, weight: f64| {
            let value = &self.sources[source][input];
            if weight != 0.0 && !value.mantissa.is_zero() {
                z = &z + &(&Dyadic::from(weight) * value);
            }
        };
        shape.affine.for_each_input(&weights.weight, row, |input, weight| add(layer, input, weight));
        for (skip, weight) in shape.skips.iter().zip(&weights.skips) {
            match &skip.map {
                Some(map) => map.for_each_input(weight, row, |input, weight| add(skip.source, input, weight)),
                None => add(skip.source, row, 1.0),
            }
        }
        z
    }

    /// The outputs of units whose pre-activations come unit after unit.
    fn activate(&self, activation: &Activation, mut z: Vec<Dyadic>) -> Vec<Dyadic> {
        let largest = |unit: &[Dyadic]| unit.iter().cloned().reduce(Dyadic::max).expect("units have pre-activations");
        match activation.kind() {
            ActivationKind::Scalar(pieces) => {
                let value = |z: &Dyadic| {
                    let above = |tau: &f64| (z - &(&Dyadic::from(*tau) * &self.factor)).mantissa.is_positive();
                    let piece = pieces.breakpoints.iter().take_while(|tau| above(tau)).count();
                    let [slope, intercept] = [pieces.slopes[piece], pieces.intercepts[piece]].map(Dyadic::from);
                    &(&slope * z) + &(&intercept * &self.factor)
                };
                z.iter().map(value).collect()
            }
            ActivationKind::Crelu(_) => {
                let zero = Dyadic::from(0.0);
                let negative = z.iter().map(|z| &zero - z).collect::<Vec<_>>();
                z.into_iter().chain(negative).map(|z| z.max(zero.clone())).collect()
            }
            ActivationKind::Maxout { rank } => z.chunks_exact(*rank).map(largest).collect(),
            ActivationKind::GroupSort { size } => {
                z.chunks_exact_mut(*size).for_each(|group| group.sort_by(|a, b| (b - a).mantissa.cmp(&BigInt::ZERO)));
                z
            }
        }
    }
}

impl From<f64> for Dyadic {
    fn from(value: f64) -> Self {
        let (mantissa, exponent, sign) = value.integer_decode();
        Self { mantissa: BigInt::from(i128::from(mantissa) * i128::from(sign)), exponent: exponent.into() }.reduced()
    }
}

impl Dyadic {
    /// With an odd mantissa, so that numbers stay short.
    fn reduced(mut self) -> Self {
        match self.mantissa.trailing_zeros() {
            None => self.exponent = 0,
            Some(zeros) => {
                self.mantissa >>= zeros;
                self.exponent += zeros as i64;
            }
        }
        self
    }

    fn max(self, other: Self) -> Self {
        if (&other - &self).mantissa.is_positive() { other } else { self }
    }

    /// The mantissas of two numbers for the lower exponent of the two.
    fn aligned(&self, other: &Self) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        let [a, b] = [self, other].map(|x| &x.mantissa << (x.exponent - exponent) as usize);
        (a, b, exponent)
    }
}

impl Add for &Dyadic {
    type Output = Dyadic;

    fn add(self, other: Self) -> Dyadic {
        let (a, b, exponent) = self.aligned(other);
        Dyadic { mantissa: a + b, exponent }.reduced()
    }
}

impl Sub for &Dyadic {
    type Output = Dyadic;

    fn sub(self, other: Self) -> Dyadic {
        let (a, b, exponent) = self.aligned(other);
        Dyadic { mantissa: a - b, exponent }.reduced()
    }
}

impl Mul for &Dyadic {
    type Output = Dyadic;

    fn mul(self, other: Self) -> Dyadic {
        Dyadic { mantissa: &self.mantissa * &other.mantissa, exponent: self.exponent + other.exponent }.reduced()
    }
}
