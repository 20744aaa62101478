//! Vertices added to long edges, so that single precision resolves what happens near the origin.

use std::borrow::Cow;

use super::Path;

/// An edge is graded when it reaches beyond this many times the scale of what happens on it.
const REACH: f64 = 64.0;
const RATIO: f64 = 8.0;

impl Path {
    /// The same path with vertices added on edges that are long compared with their distance to the origin and with `scale`, the
    /// distance from the origin within which breakpoints are crossed.
    ///
    /// A network's boundaries on a line crowd around the point nearest to the origin, while the rounding of pre-activations is
    /// relative to their size at the ends of the edge: on an edge of length 10^4, boundaries 10^-3 apart would coincide in
    /// single precision. So vertices are put at that point and, on both sides, at distances that grow by a factor of 8.
    pub(crate) fn graded(&self, scale: impl Fn() -> f64) -> Cow<'_, Self> {
        let mut graded: Option<Self> = None;
        for edge in 0..self.n_vertices() - 1 {
            let added = self.grading(edge, &scale);
            if !added.is_empty() && graded.is_none() {
                graded = Some(Self {
                    dim: self.dim,
                    points: self.points[..(edge + 1) * self.dim].to_vec(),
                    positions: self.positions[..=edge].to_vec(),
                });
            }
            if let Some(graded) = &mut graded {
                let mut point = vec![0.0; self.dim];
                for position in added {
                    self.point_on_edge(edge, position, &mut point);
                    graded.points.extend_from_slice(&point);
                    graded.positions.push(position);
                }
                graded.points.extend_from_slice(self.vertex(edge + 1));
                graded.positions.push(self.positions[edge + 1]);
            }
        }
        graded.map_or(Cow::Borrowed(self), Cow::Owned)
    }

    /// Positions of the vertices to add between vertex `edge` and the next.
    fn grading(&self, edge: usize, scale: impl Fn() -> f64) -> Vec<f64> {
        let (start, end) = (self.positions[edge], self.positions[edge + 1]);
        let (a, b, step) = (self.vertex(edge), self.vertex(edge + 1), end - start);
        // Arc length from the point nearest to the origin to the start, and the distance of that point.
        let from = a.iter().zip(b).map(|(a, b)| a * (b - a)).sum::<f64>() / step;
        let distance = a.iter().zip(b).map(|(a, b)| (a - from * ((b - a) / step)).powi(2)).sum::<f64>().sqrt();
        let reach = from.abs().max((from + step).abs());
        if reach <= REACH * distance {
            return Vec::new();
        }
        let finest = distance.max(scale());
        // A line through the origin has a distance of rounding only, and without biases all boundaries right there.
        if finest <= 1e-12 * reach || reach <= REACH * finest {
            return Vec::new();
        }
        let offsets: Vec<f64> =
            std::iter::successors(Some(finest), |x| Some(RATIO * x)).take_while(|x| *x < reach).collect();
        let around = offsets.iter().rev().map(|x| -x).chain([0.0]).chain(offsets.iter().copied());
        around.map(|offset| start + (offset - from)).filter(|p| *p > start && *p < end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_edges_stay_as_they_are() {
        let path = Path::from_points(2, &[-3.0, 0.1, 4.0, 0.1, 4.0, 1.0]).unwrap();
        assert!(matches!(path.graded(|| 0.5), Cow::Borrowed(_)));
        // Without a scale there is nothing to resolve.
        let through = Path::from_points(1, &[-1e4, 1e4]).unwrap();
        assert!(matches!(through.graded(|| 0.0), Cow::Borrowed(_)));
    }

    #[test]
    fn long_edges_get_vertices_around_the_point_nearest_to_the_origin() {
        let path = Path::from_points(2, &[0.0, 5.0, -100.0, 2.0, 900.0, 2.0]).unwrap();
        let graded = path.graded(|| 0.5).into_owned();
        assert_eq!(graded.length(), path.length());
        assert!(graded.positions().is_sorted_by(|a, b| a < b));
        let x: Vec<f64> = (1..graded.n_vertices()).map(|v| graded.vertex(v)[0].round()).collect();
        assert_eq!(x, [-100.0, -16.0, -2.0, 0.0, 2.0, 16.0, 128.0, 900.0]);
        assert!((2..graded.n_vertices()).all(|v| graded.vertex(v)[1] == 2.0));
    }
}
