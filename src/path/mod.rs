//! Paths through the input space: polylines by arc length, the laws that draw them, and files of them.

mod even;
mod files;
mod graded;
mod idx;
mod law;

pub use even::EvenPaths;
pub(crate) use files::read_points;
pub use files::{NamedPath, read_paths};
pub use law::{PathLaw, RandomPath, StartLaw};

use crate::error::{Error, Result};

/// A polyline parametrised by arc length; a segment is the case of two points.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    dim: usize,
    /// Row-major, one row per vertex; neighbouring vertices differ.
    points: Vec<f64>,
    /// Arc length from the first vertex, strictly increasing, one per vertex.
    positions: Vec<f64>,
}

impl Path {
    /// The polyline through `points` (row-major, `dim` coordinates each); repeated points are one vertex.
    ///
    /// An edge that passes exactly through the origin gets a vertex there: all units of a network without biases change piece at
    /// that one point, which rounding would otherwise scatter.
    ///
    /// # Errors
    /// No point, a number of coordinates that is no multiple of `dim`, a NaN or infinite coordinate, and an arc length
    /// that overflows are refused.
    pub fn from_points(dim: usize, points: &[f64]) -> Result<Self> {
        if dim == 0 || points.is_empty() || !points.len().is_multiple_of(dim) {
            return Err(Error::usage(format!("{} coordinates do not make points of dimension {dim}", points.len())));
        }
        if let Some(at) = points.iter().position(|x| !x.is_finite()) {
            return Err(Error::usage(format!("point {} has coordinate x{} = {}", at / dim, at % dim, points[at])));
        }
        let mut path = Self::at_origin(dim);
        path.set_points(points)?;
        Ok(path)
    }

    /// The path of zero length at the origin.
    pub(crate) fn at_origin(dim: usize) -> Self {
        Self { dim, points: vec![0.0; dim], positions: vec![0.0] }
    }

    /// Becomes the polyline through finite points, of which there is at least one, in the memory it has.
    fn set_points(&mut self, points: &[f64]) -> Result<()> {
        self.points.clear();
        self.points.extend_from_slice(&points[..self.dim]);
        self.positions.truncate(1);
        for point in points.chunks_exact(self.dim).skip(1) {
            if passes_origin(self.vertex(self.n_vertices() - 1), point) {
                self.push(&vec![0.0; self.dim])?;
            }
            self.push(point)?;
        }
        Ok(())
    }

    /// Goes straight on to a point.
    fn push(&mut self, point: &[f64]) -> Result<()> {
        let position = self.length() + distance(self.vertex(self.n_vertices() - 1), point);
        if !position.is_finite() {
            return Err(Error::usage("the path is too long for a 64-bit number"));
        }
        if position > self.length() {
            self.points.extend_from_slice(point);
            self.positions.push(position);
        }
        Ok(())
    }

    /// Dimension of the space.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of vertices; 1 for a path of zero length.
    pub fn n_vertices(&self) -> usize {
        self.positions.len()
    }

    /// The coordinates of a vertex.
    pub fn vertex(&self, ix: usize) -> &[f64] {
        &self.points[ix * self.dim..][..self.dim]
    }

    /// The arc length at every vertex.
    pub fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// Total arc length.
    pub fn length(&self) -> f64 {
        self.positions[self.positions.len() - 1]
    }

    /// The largest distance of a vertex from the origin.
    pub(crate) fn reach(&self) -> f64 {
        let norm = |v: usize| self.vertex(v).iter().map(|x| x * x).sum::<f64>().sqrt();
        (0..self.n_vertices()).map(norm).fold(0.0, f64::max)
    }

    /// The unit vector of the direction from vertex `ix` to the next.
    pub fn direction(&self, ix: usize) -> Vec<f64> {
        let step = self.positions[ix + 1] - self.positions[ix];
        self.vertex(ix + 1).iter().zip(self.vertex(ix)).map(|(b, a)| (b - a) / step).collect()
    }

    /// The point at arc length `position` on the edge from vertex `edge` to the next, written to `out`.
    pub fn point_on_edge(&self, edge: usize, position: f64, out: &mut [f64]) {
        let (start, end) = (self.positions[edge], self.positions[edge + 1]);
        let f = (position - start) / (end - start);
        for ((x, a), b) in out.iter_mut().zip(self.vertex(edge)).zip(self.vertex(edge + 1)) {
            *x = (1.0 - f) * a + f * b;
        }
    }
}

/// Whether the origin is strictly between two points, without rounding: they are collinear with it, on opposite sides.
fn passes_origin(a: &[f64], b: &[f64]) -> bool {
    let largest = (0..a.len()).fold(0, |k, i| if a[i].abs() > a[k].abs() { i } else { k });
    // A product and its rounding error.
    let product = |x: f64, y: f64| (x * y, x.mul_add(y, -(x * y)));
    a[largest] != 0.0
        && a[largest].signum() * b[largest] < 0.0
        && a.iter().zip(b).all(|(&x, &y)| product(x, b[largest]) == product(y, a[largest]))
}

/// Euclidean distance that does not overflow before its result does.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let scale = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    if scale == 0.0 || !scale.is_finite() {
        return scale;
    }
    scale * a.iter().zip(b).map(|(x, y)| ((x - y) / scale).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arc_length_and_points() {
        let path = Path::from_points(2, &[0.0, 0.0, 3.0, 4.0, 3.0, 4.0, 3.0, 6.0]).unwrap();
        assert_eq!(path.positions(), [0.0, 5.0, 7.0]);
        assert_eq!(path.direction(0), [0.6, 0.8]);
        let mut x = [f64::NAN; 2];
        path.point_on_edge(1, 6.0, &mut x);
        assert_eq!(x, [3.0, 5.0]);
    }

    #[test]
    fn edges_through_the_origin_get_a_vertex_there() {
        let vertices = |points: &[f64], dim| Path::from_points(dim, points).unwrap().n_vertices();
        assert_eq!(vertices(&[-1.0, 0.3], 1), 3);
        assert_eq!(vertices(&[-0.1, -0.3, 0.2, 0.6], 2), 3);
        assert_eq!(vertices(&[-0.1, -0.3, 0.2, 0.600_000_1], 2), 2);
        assert_eq!(vertices(&[0.1, 0.3, 0.2, 0.6], 2), 2, "on one side");
        assert_eq!(vertices(&[-1.0, 0.0, 1.0], 1), 3, "already there");
        let path = Path::from_points(2, &[-3.0, -4.0, 6.0, 8.0]).unwrap();
        assert_eq!((path.vertex(1), path.positions()), ([0.0, 0.0].as_slice(), [0.0, 5.0, 15.0].as_slice()));
    }

    #[test]
    fn degenerate_and_bad_points() {
        assert_eq!(Path::from_points(1, &[2.0, 2.0]).unwrap().length(), 0.0);
        for (dim, points) in
            [(0, vec![1.0]), (2, vec![1.0]), (1, vec![]), (1, vec![f64::NAN]), (1, vec![0.0, f64::INFINITY])]
        {
            Path::from_points(dim, &points).unwrap_err();
        }
        Path::from_points(1, &[-1e308, 1e308]).unwrap_err();
        assert_eq!(Path::from_points(1, &[0.0, 1e200]).unwrap().length(), 1e200);
    }
}
