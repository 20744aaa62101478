//! Summaries of a subdivision: areas of regions, edges of layers.

/// The distribution of areas, in the plane's coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AreaSummary {
    /// The smallest.
    pub min: f64,
    /// Quantile 5 %: the smallest area that at least so many of the regions do not exceed.
    pub p5: f64,
    /// Quantile 25 %.
    pub p25: f64,
    /// Quantile 50 %.
    pub median: f64,
    /// Quantile 75 %.
    pub p75: f64,
    /// Quantile 95 %.
    pub p95: f64,
    /// The largest.
    pub max: f64,
    /// The window's area over the number of regions.
    pub mean: f64,
}

impl AreaSummary {
    /// `areas` has at least one element.
    pub(super) fn new(mut areas: Vec<f64>) -> Self {
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        areas.sort_by(f64::total_cmp);
        let quantile = |percent: usize| areas[(areas.len() * percent).div_ceil(100).max(1) - 1];
        Self {
            min: areas[0],
            p5: quantile(5),
            p25: quantile(25),
            median: quantile(50),
            p75: quantile(75),
            p95: quantile(95),
            max: areas[areas.len() - 1],
            mean,
        }
    }
}

/// The edges that the units of one layer made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerEdges {
    /// How many, from vertex to vertex.
    pub edges: usize,
    /// Their length, in the plane's coordinates.
    pub length: f64,
    /// Those across which the output changes slope.
    pub knots: usize,
    /// The length of those.
    pub knot_length: f64,
}

impl LayerEdges {
    pub(super) fn add(&mut self, length: f64, is_knot: bool) {
        self.edges += 1;
        self.length += length;
        if is_knot {
            self.knots += 1;
            self.knot_length += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_areas_that_occur() {
        let summary = AreaSummary::new(vec![4.0, 1.0, 2.0, 3.0]);
        let expected =
            AreaSummary { min: 1.0, p5: 1.0, p25: 1.0, median: 2.0, p75: 3.0, p95: 4.0, max: 4.0, mean: 2.5 };
        assert_eq!(summary, expected);
        let one = AreaSummary::new(vec![7.0]);
        assert_eq!((one.p5, one.median, one.p95), (7.0, 7.0, 7.0));
    }
}
