//! The shapes of convolutional networks.

use super::super::Inapplicable;

/// One convolutional layer: `filters` filters of `kernel` size over all `channels` of an input image.
///
/// The fields are open to reading and changing; every function that takes a layer checks it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Channels of the input, `d0`.
    pub channels: usize,
    /// Height and width of the filters.
    pub kernel: [usize; 2],
    /// Step between neighbouring positions, in both directions.
    pub stride: usize,
    /// Number of filters, `d1`.
    pub filters: usize,
}

impl ConvLayer {
    /// A layer with the given sizes.
    ///
    /// # Errors
    /// A size of 0, a kernel larger than the input, or sizes whose products overflow `usize`.
    pub fn new(
        input: [usize; 2],
        channels: usize,
        kernel: [usize; 2],
        stride: usize,
        filters: usize,
    ) -> Result<Self, Inapplicable> {
        let layer = Self { input, channels, kernel, stride, filters };
        layer.check()?;
        Ok(layer)
    }

    /// Whether the sizes are those of a layer; [`ConvLayer::new`] has asked this already.
    ///
    /// # Errors
    /// As for [`ConvLayer::new`].
    pub fn check(&self) -> Result<(), Inapplicable> {
        let ([h, w], [kh, kw]) = (self.input, self.kernel);
        let sizes = [
            ("input height", h),
            ("input width", w),
            ("number of channels", self.channels),
            ("kernel height", kh),
            ("kernel width", kw),
            ("stride", self.stride),
            ("number of filters", self.filters),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, v)| *v == 0) {
            return Err(Inapplicable(format!("the {name} is 0; it must be at least 1")));
        }
        for (name, k, n) in [("height", kh, h), ("width", kw, w)] {
            if k > n {
                return Err(Inapplicable(format!(
                    "the kernel {name} {k} exceeds the input {name} {n}; without padding it must be at most {n}"
                )));
            }
        }
        let product = |a: [usize; 3]| a[0].checked_mul(a[1]).and_then(|p| p.checked_mul(a[2]));
        let [rows, cols] = self.output();
        for (name, factors) in [
            ("input height, width and channels", [h, w, self.channels]),
            ("output height, width and filters", [rows, cols, self.filters]),
        ] {
            if product(factors).is_none() {
                return Err(Inapplicable(format!(
                    "the product of {name}, {} * {} * {}, overflows; it must be at most {}",
                    factors[0],
                    factors[1],
                    factors[2],
                    usize::MAX
                )));
            }
        }
        Ok(())
    }

    /// Height and width of the output, `floor((input - kernel) / stride) + 1`; 0 where the sizes are invalid.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|a| {
            let steps = self.input[a].checked_sub(self.kernel[a]).and_then(|d| d.checked_div(self.stride));
            steps.map_or(0, |s| s.saturating_add(1))
        })
    }

    /// Number of positions of a filter, that is of outputs per filter.
    pub fn positions(&self) -> usize {
        let [rows, cols] = self.output();
        rows.saturating_mul(cols)
    }

    /// Input values seen from one position, `|S_ij|`.
    pub(super) fn window(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1]).saturating_mul(self.channels)
    }

    /// The axis of the lines into which the positions fall such that windows on different lines are disjoint, if any.
    pub(super) fn line_axis(&self) -> Option<usize> {
        let apart = |axis: usize| self.output()[axis] == 1 || self.stride >= self.kernel[axis];
        [1, 0].into_iter().find(|axis| apart(1 - axis))
    }

    /// Whether [`xiong_2020_one_layer`](super::xiong_2020_one_layer) is known to be the number of regions for generic shared filters and not only
    /// an upper bound.
    ///
    /// True for at most as many filters as channels (then all normals are independent, because a generic `d0 x d1`
    /// matrix of polynomials has full column rank), and for layers made of one-dimensional lines with disjoint
    /// windows. For the latter the published proof does not treat weight sharing; the equality was confirmed
    /// by exact counts on about a thousand lines with inputs up to 7, channels and strides up to 3, no exception.
    /// For the remaining layers, the genuinely two-dimensional ones, the formula is strictly too large at least where
    /// `d1 > d0`, the stride is 1 and both output sizes are at least `d0 (kernel - 1) + 1`.
    pub fn formula_is_exact(&self) -> bool {
        self.filters <= self.channels || self.line_axis().is_some()
    }
}

/// Convolutional ReLU layers one after the other; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvNetwork {
    layers: Vec<ConvLayer>,
}

impl ConvNetwork {
    /// A network of the given layers, first to last.
    ///
    /// # Errors
    /// No layers; an invalid layer; a layer whose input is not the output of the layer before. Layers are counted
    /// from 1 in the messages.
    pub fn new(layers: Vec<ConvLayer>) -> Result<Self, Inapplicable> {
        if layers.is_empty() {
            return Err(Inapplicable("a convolutional network needs at least one layer".to_owned()));
        }
        for (i, layer) in layers.iter().enumerate() {
            layer.check().map_err(|e| Inapplicable(format!("layer {}: {e}", i + 1)))?;
        }
        for (i, pair) in layers.windows(2).enumerate() {
            let ([h, w], c) = (pair[0].output(), pair[0].filters);
            if pair[1].input != [h, w] || pair[1].channels != c {
                let ([h2, w2], c2) = (pair[1].input, pair[1].channels);
                return Err(Inapplicable(format!(
                    "layer {} takes {h2}x{w2} inputs with {c2} channels, but layer {} gives {h}x{w} with {c}",
                    i + 2,
                    i + 1
                )));
            }
        }
        Ok(Self { layers })
    }

    /// The layers, first to last; never empty.
    pub fn layers(&self) -> &[ConvLayer] {
        &self.layers
    }

    /// Weights of all filters, and one bias for each.
    pub fn n_parameters(&self) -> u128 {
        let of_layer = |l: &ConvLayer| (l.window() as u128 + 1) * l.filters as u128;
        self.layers.iter().map(of_layer).sum()
    }

    /// The width of a dense network of the same depth and input with as many parameters (weights and biases of its hidden layers), or a
    /// few less; `None` where even one unit a layer has more.
    ///
    /// So the numbers of regions of both can be compared for the same number of parameters, the comparison of Theorem 3.
    pub fn equal_dense_width(&self) -> Option<usize> {
        let first = self.layers.first()?;
        let inputs = (first.input[0] * first.input[1] * first.channels) as u128;
        let depth = self.layers.len() as u128;
        let parameters = |width: u128| (inputs + 1) * width + (depth - 1) * (width + 1) * width;
        let budget = self.n_parameters();
        let (mut fits, mut too_many) = (0, budget + 1);
        while fits + 1 < too_many {
            let middle = u128::midpoint(fits, too_many);
            if parameters(middle) <= budget { fits = middle } else { too_many = middle }
        }
        usize::try_from(fits).ok().filter(|&width| width > 0)
    }
}
