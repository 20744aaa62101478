//! Random networks: weights as pure functions of (seed, draw, layer, element).

use std::sync::Arc;

use super::architecture::MAX_SKIPS;
use super::{Affine, AffineWeights, Architecture, BiasLaw, Network, WeightLaw};
use crate::error::Result;
use crate::random::{QuantileTable, Stream};

/// The first tensor of what features are drawn from.
const FEATURE_TENSORS: u32 = 1 << 29;

/// The first tensor of weights of skips; those of paths begin at 2^31.
const SKIP_TENSORS: u32 = 1 << 30;

/// The law of a random network: its architecture, the laws of its weights and biases, and the seed.
///
/// Layer l (from 0, the read-out last) of draw k takes its weights from stream (seed, k, tensor 2 l) in input-major order,
/// its biases from tensor 2 l + 1, and those of its skip number k from tensor 2^30 + 64 l + k. Where the layer's features are drawn instead
/// of weights, they come from tensor 2^29 + l.
#[derive(Clone, Debug)]
pub struct RandomNetwork {
    architecture: Architecture,
    weights: WeightLaw,
    bias: BiasLaw,
    seed: u64,
    weight_table: Arc<QuantileTable>,
    bias_table: Option<Arc<QuantileTable>>,
}

impl RandomNetwork {
    /// The law of networks of this shape.
    ///
    /// # Errors
    /// A weight law without a standard deviation is refused.
    pub fn new(architecture: Architecture, weights: WeightLaw, bias: BiasLaw, seed: u64) -> Result<Self> {
        let weight_table = QuantileTable::shared(weights.standard_law())?;
        let bias_table = bias.standard_law().map(QuantileTable::shared).transpose()?;
        Ok(Self { architecture, weights, bias, seed, weight_table, bias_table })
    }

    /// The networks' shape.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The law of the weights.
    pub fn weights(&self) -> WeightLaw {
        self.weights
    }

    /// The law of the biases.
    pub fn bias(&self) -> BiasLaw {
        self.bias
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The table of the weights' law.
    #[cfg(feature = "gpu")]
    pub(crate) fn weight_table(&self) -> &QuantileTable {
        &self.weight_table
    }

    /// The table of the biases' law, unless they are all zero.
    #[cfg(feature = "gpu")]
    pub(crate) fn bias_table(&self) -> Option<&QuantileTable> {
        self.bias_table.as_deref()
    }

    /// Draws layer `layer` (the read-out comes after the last hidden one) of network `draw` into `out`.
    pub fn draw_layer(&self, draw: u64, layer: usize, out: &mut AffineWeights<f32>) {
        self.weights_of(draw, layer).draw(&mut out.weight);
        self.draw_bias(draw, layer, &mut out.bias);
        let skips = self.architecture.layers().get(layer).map_or(0, |layer| layer.skips.len());
        out.skips.resize_with(skips, Vec::new);
        for (ix, weight) in out.skips.iter_mut().enumerate() {
            match self.weights_of_skip(draw, layer, ix) {
                Some(weights) => weights.draw(weight),
                None => weight.clear(),
            }
        }
    }

    /// Draws the biases of a layer.
    pub(crate) fn draw_bias(&self, draw: u64, layer: usize, out: &mut Vec<f32>) {
        let affine = self.architecture.affine_map(layer);
        out.resize(affine.n_biases(), 0.0);
        match &self.bias_table {
            Some(table) => table.fill(&self.stream(draw, 2 * layer as u32 + 1), self.bias.std(affine), out),
            None => out.fill(0.0),
        }
    }

    /// Standard normal numbers to make the pre-activations of a hidden layer of, in place of normal weights.
    pub(crate) fn draw_normals(&self, draw: u64, layer: usize, out: &mut [f32]) {
        debug_assert!(self.weights.is_gaussian());
        self.weight_table.fill(&self.stream(draw, FEATURE_TENSORS + layer as u32), 1.0, out);
    }

    /// The weights of a layer's main map, not drawn yet.
    pub(crate) fn weights_of(&self, draw: u64, layer: usize) -> RandomMatrix<'_> {
        let stream = self.stream(draw, 2 * layer as u32);
        RandomMatrix { network: self, map: self.architecture.affine_map(layer), stream }
    }

    /// The weights of a hidden layer's skip number `ix`, where it has any.
    pub(crate) fn weights_of_skip(&self, draw: u64, layer: usize, ix: usize) -> Option<RandomMatrix<'_>> {
        let map = self.architecture.layers()[layer].skips[ix].map?;
        Some(RandomMatrix { network: self, map, stream: self.stream(draw, Self::skip_tensor(layer, ix)) })
    }

    fn stream(&self, draw: u64, tensor: u32) -> Stream {
        Stream::new(self.seed, draw, tensor)
    }

    /// The tensor of the weights of a layer's skip number `ix`.
    pub(crate) fn skip_tensor(layer: usize, ix: usize) -> u32 {
        SKIP_TENSORS + MAX_SKIPS as u32 * layer as u32 + ix as u32
    }

    /// Draws network `draw` with its read-out.
    pub fn draw(&self, draw: u64) -> Network {
        let mut layer = AffineWeights::default();
        let affine = (0..=self.architecture.depth()).map(|l| {
            self.draw_layer(draw, l, &mut layer);
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
            let skips = layer.skips.iter().map(|weight| wide(weight)).collect();
            AffineWeights { weight: wide(&layer.weight), bias: wide(&layer.bias), skips }
        });
        let affine = affine.collect();
        Network { architecture: self.architecture.clone(), affine }
    }
}

/// The weights of one map of one draw: a row for each of its inputs.
#[derive(Debug)]
pub(crate) struct RandomMatrix<'a> {
    network: &'a RandomNetwork,
    map: Affine,
    stream: Stream,
}

impl RandomMatrix<'_> {
    /// Draws all.
    pub(crate) fn draw(&self, out: &mut Vec<f32>) {
        let [rows, columns] = self.map.matrix();
        out.resize(rows * columns, 0.0);
        if self.has_independent_rows() {
            self.draw_rows(0, out);
        } else {
            self.network.weight_table.fill(&self.stream, 1.0, out);
            orthonormalise(out, rows, columns);
        }
    }

    /// Whether rows can be drawn without the others.
    pub(crate) fn has_independent_rows(&self) -> bool {
        self.network.weights.has_independent_rows()
    }

    /// Draws consecutive rows, as many as there is room for, from row `first` on. Not where rows depend on each other.
    pub(crate) fn draw_rows(&self, first: usize, out: &mut [f32]) {
        let [_, columns] = self.map.matrix();
        let std = self.network.weights.variance(self.map).sqrt();
        self.network.weight_table.fill_from(&self.stream, (first * columns) as u64, std, out);
    }
}

/// Makes a matrix of independent standard normal elements (`inputs` x `units`, row-major) uniformly distributed among those
/// with orthonormal columns, or rows where there are more units than inputs.
///
/// Gram-Schmidt, each vector cleaned twice, in strict f64: the factorisations of libraries choose their instructions at run
/// time, and these bits must be the same on every machine.
fn orthonormalise(matrix: &mut [f32], inputs: usize, units: usize) {
    let (n, dim) = (inputs.min(units), inputs.max(units));
    // Vector v, component c in the matrix: units are columns, inputs are rows.
    let at = |v: usize, c: usize| {
        if units <= inputs { c * units + v } else { v * units + c }
    };
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(n);
    for v in 0..n {
        let mut vector: Vec<f64> = (0..dim).map(|c| f64::from(matrix[at(v, c)])).collect();
        for _ in 0..2 {
            for other in &vectors {
                let dot: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= norm);
        vector.iter().enumerate().for_each(|(c, &a)| matrix[at(v, c)] = a as f32);
        vectors.push(vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    fn law(shape: &str, weights: WeightLaw, bias: BiasLaw) -> RandomNetwork {
        let architecture = Architecture::parse(shape, Activation::relu(), 1).unwrap();
        RandomNetwork::new(architecture, weights, bias, 7).unwrap()
    }

    #[test]
    fn a_draw_depends_on_seed_and_index_alone() {
        let law = law("3-5x2", WeightLaw::HeNormal, BiasLaw::Normal(0.1));
        let network = law.draw(41);
        let mut dirty = AffineWeights::new(vec![f32::NAN; 1000], vec![f32::NAN; 2]);
        law.draw_layer(41, 1, &mut dirty);
        assert_eq!(network.affine()[1].weight, dirty.weight.iter().map(|&w| f64::from(w)).collect::<Vec<_>>());
        assert_ne!(network.affine(), law.draw(42).affine());
    }

    /// Sample variances of 200,000 weights and 2,000 biases, in standard errors: the fourth moment of the standard law is 3, 1.8,
    /// 6 and, with 9 degrees of freedom, 4.2. |z| < 4.9 has a false-alarm rate of 1e-6.
    #[test]
    fn weights_and_biases_have_the_variance_of_their_laws() {
        let (inputs, units) = (100.0, 200.0);
        for (weights, variance, kurtosis) in [
            ("he-normal", 2.0 / inputs, 3.0),
            ("he-uniform", 2.0 / inputs, 1.8),
            ("glorot-normal", 2.0 / (inputs + units), 3.0),
            ("glorot-uniform", 2.0 / (inputs + units), 1.8),
            ("lecun-normal", 1.0 / inputs, 3.0),
            ("torch", 1.0 / (3.0 * inputs), 1.8),
            ("normal:0.3", 0.09, 3.0),
            ("uniform:0.3", 0.09, 1.8),
            ("laplace:0.3", 0.09, 6.0),
            ("student-t:9:0.3", 0.09, 4.2),
        ] {
            for (bias, bias_variance, bias_kurtosis) in
                [("normal:0.7", 0.49, 3.0), ("uniform:0.6", 0.12, 1.8), ("torch", 1.0 / (3.0 * inputs), 1.8)]
            {
                let law = law("100-200", weights.parse().unwrap(), bias.parse().unwrap());
                let draws: Vec<Network> = (0..10).map(|k| law.draw(k)).collect();
                let all = |pick: fn(&AffineWeights<f64>) -> &Vec<f64>| -> Vec<f64> {
                    draws.iter().flat_map(|n| pick(&n.affine()[0]).iter().copied()).collect()
                };
                for (values, variance, kurtosis) in
                    [(all(|a| &a.weight), variance, kurtosis), (all(|a| &a.bias), bias_variance, bias_kurtosis)]
                {
                    let n = values.len() as f64;
                    let ratio = values.iter().map(|v| v * v).sum::<f64>() / n / variance;
                    let z = (ratio - 1.0) * (n / (kurtosis - 1.0f64)).sqrt();
                    assert!(z.abs() < 4.9, "{weights} {bias}: {ratio}");
                }
            }
        }
    }

    #[test]
    fn orthogonal_matrices_are_orthonormal_both_ways() {
        for (shape, inputs, units) in [("7-4", 7, 4), ("4-7", 4, 7), ("5-5", 5, 5), ("1-1", 1, 1)] {
            let network = law(shape, WeightLaw::Orthogonal, BiasLaw::Zero).draw(3);
            let weight = &network.affine()[0].weight;
            let row = |r: usize| &weight[r * units..][..units];
            let gram = |a: usize, b: usize| -> f64 {
                if units <= inputs {
                    (0..inputs).map(|i| row(i)[a] * row(i)[b]).sum()
                } else {
                    row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum()
                }
            };
            for a in 0..inputs.min(units) {
                for b in 0..inputs.min(units) {
                    assert!((gram(a, b) - f64::from(u8::from(a == b))).abs() < 1e-6, "{shape} {a} {b}");
                }
            }
        }
    }
}
