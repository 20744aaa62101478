//! The limit of dense layers one after the other.

use std::f64::consts::FRAC_1_PI;

use super::edges::{IsotropicEdges, Node};
use super::{Line, Moments, Outputs, common_gain, gauss_nodes};
use crate::network::RandomNetwork;
use crate::path::Path;
use crate::theory::rice::Switches;

/// What the law of dense layers one after the other depends on.
pub(super) struct ChainLaw<'a> {
    layers: Vec<LayerLaw<'a>>,
    /// Where all activations multiply all moments by one factor, the ratio of E z(0)^2 to the factor of |x|^2 in E z(x)^2 for
    /// each layer.
    ratios: Option<Vec<f64>>,
}

struct LayerLaw<'a> {
    /// Weight variance times inputs.
    gain: f64,
    bias_variance: f64,
    outputs: Outputs<'a>,
    switches: Switches,
}

impl<'a> ChainLaw<'a> {
    /// Weights are independent normal, biases normal or zero.
    pub(super) fn of_network(network: &'a RandomNetwork) -> Self {
        let shape = network.architecture().layers();
        let layers: Vec<LayerLaw> = shape
            .iter()
            .map(|layer| LayerLaw {
                gain: network.weights().variance(layer.affine) * layer.affine.inputs() as f64,
                bias_variance: network.bias().std(layer.affine).powi(2),
                outputs: Outputs::of(&layer.activation),
                switches: Switches::of_layer(layer),
            })
            .collect();
        let gains: Option<Vec<f64>> = shape.iter().map(|layer| common_gain(&layer.activation)).collect();
        let ratios = gains.map(|gains| {
            let mut a = layers[0].gain / shape[0].affine.inputs() as f64;
            let mut beta = layers[0].bias_variance;
            // Without biases the ratio is 0, even where the factor of |x|^2 underflows.
            let ratio = |a: f64, beta: f64| if beta > 0.0 { beta / a } else { 0.0 };
            let mut ratios = vec![ratio(a, beta)];
            for (gain, layer) in gains.iter().zip(&layers[1..]) {
                let chi = gain * layer.gain;
                (a, beta) = (chi * a, chi * beta + layer.bias_variance);
                ratios.push(ratio(a, beta));
            }
            ratios
        });
        Self { layers, ratios }
    }

    /// Whether crossings have a closed form along lines.
    pub(super) fn is_homogeneous(&self) -> bool {
        self.ratios.is_some()
    }

    /// Variance of a weight of the first layer.
    fn input_variance(&self, path: &Path) -> f64 {
        self.layers[0].gain / path.dim() as f64
    }

    /// Adds the expected crossings of every layer; `false` on a path through the origin without biases.
    pub(super) fn add_crossings(&self, path: &Path, total: &mut [f64]) -> bool {
        let input_variance = self.input_variance(path);
        for edge in 0..path.n_vertices() - 1 {
            let line = Line::of_edge(path, edge);
            // Half-width of the region along the line where layer 1 has most of its crossings of 0.
            let width = (line.distance2 + self.layers[0].bias_variance / input_variance).sqrt();
            if width == 0.0 {
                return false;
            }
            match &self.ratios {
                // Crossings of 0 follow a Cauchy law along the line.
                Some(ratios) => {
                    for ((sum, ratio), layer) in total.iter_mut().zip(ratios).zip(&self.layers) {
                        let w = (line.distance2 + ratio).sqrt();
                        let angle = (w * (line.to - line.from)).atan2(w * w + line.from * line.to);
                        let levels = layer.switches.levels.len() as f64;
                        *sum += FRAC_1_PI * angle * levels * layer.switches.multiplicity;
                    }
                }
                None => self.add_by_quadrature(line, width, input_variance, total),
            }
        }
        true
    }

    fn add_by_quadrature(&self, line: Line, width: f64, input_variance: f64, total: &mut [f64]) {
        for (t, weight) in nodes(line, width) {
            self.add_rates(line.distance2, t, weight, input_variance, total);
        }
    }

    /// Adds `weight` times the rates at distance `t` from the point of a line that is nearest to the origin.
    fn add_rates(&self, distance2: f64, t: f64, weight: f64, input_variance: f64, total: &mut [f64]) {
        let mut moments = Moments {
            q: input_variance * (distance2 + t * t) + self.layers[0].bias_variance,
            r: input_variance * t,
            s: input_variance,
        };
        for (l, (sum, layer)) in total.iter_mut().zip(&self.layers).enumerate() {
            let rate: f64 = layer.switches.levels.iter().map(|&u| moments.crossing_rate(u)).sum();
            *sum += weight * rate * layer.switches.multiplicity;
            if let Some(next) = self.layers.get(l + 1) {
                moments = moments.next(layer.outputs, next.gain, next.bias_variance);
            }
        }
    }

    /// The mean density of every layer's crossings on random edges; `None` without biases in one dimension, where all lines go
    /// through the origin.
    pub(super) fn mean_density(&self, edges: &IsotropicEdges) -> Option<Vec<f64>> {
        let input_variance = self.layers[0].gain / edges.dim() as f64;
        let first = [self.layers[0].bias_variance / input_variance];
        let narrowest = self.ratios.as_deref().unwrap_or(&first).iter().copied().fold(f64::INFINITY, f64::min).sqrt();
        if narrowest == 0.0 && edges.dim() == 1 {
            return None;
        }
        let (distances, offsets) = (edges.distances(narrowest), edges.offsets(narrowest));
        let mut mean = vec![0.0; self.layers.len()];
        for Node { value: distance, weight } in distances {
            match &self.ratios {
                Some(ratios) => {
                    for ((sum, ratio), layer) in mean.iter_mut().zip(ratios).zip(&self.layers) {
                        let w2 = distance * distance + ratio;
                        let cauchy: f64 = offsets.iter().map(|t| t.weight / (w2 + t.value * t.value)).sum();
                        let switches = layer.switches.levels.len() as f64 * layer.switches.multiplicity;
                        *sum += FRAC_1_PI * switches * weight * w2.sqrt() * cauchy;
                    }
                }
                None => {
                    for t in &offsets {
                        self.add_rates(distance * distance, t.value, weight * t.weight, input_variance, &mut mean);
                    }
                }
            }
        }
        Some(mean)
    }
}

/// Nodes and weights of an integral along a line, on panels that double away from the point nearest to the origin. All moments are functions of
/// `scale`^2 + t^2, so rates are smooth in log t beyond `scale` and smooth in t below.
fn nodes(line: Line, scale: f64) -> Vec<(f64, f64)> {
    let reach = line.from.abs().max(line.to.abs());
    // Below a billionth of a billionth of the line there is nothing left to see.
    let finest = (0.5 * scale).max(1e-18 * reach);
    let doubled: Vec<f64> = std::iter::successors(Some(finest), |x| Some(2.0 * x)).take_while(|x| *x < reach).collect();
    let ends = doubled.iter().rev().map(|x| -x).chain([0.0]).chain(doubled.iter().copied());
    let inner = ends.filter(|t| *t > line.from && *t < line.to);
    gauss_nodes(&std::iter::once(line.from).chain(inner).chain([line.to]).collect::<Vec<f64>>())
}
