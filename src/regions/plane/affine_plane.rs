//! Where to look: a plane of the input space and a window in it.

use super::whole::{cross, integers};
use crate::error::{Error, Result};

/// A two-dimensional affine plane of the input space: the points `origin + u * directions[0] + v * directions[1]`.
///
/// Where the directions are orthonormal, lengths and areas in plane coordinates (u, v) are those of the input space.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    origin: Vec<f64>,
    directions: [Vec<f64>; 2],
}

impl Plane {
    /// The plane with these directions as they are: lengths along them are multiples of theirs.
    ///
    /// # Errors
    /// Different dimensions, numbers that are not finite, and directions that do not span a plane.
    pub fn new(origin: Vec<f64>, directions: [Vec<f64>; 2]) -> Result<Self> {
        orthonormal(&origin, &directions)?;
        Ok(Self { origin, directions })
    }

    /// The same plane with orthonormal directions: u along the first one, v along what the second has at right angles to it.
    ///
    /// # Errors
    /// Those of [`Plane::new`].
    pub fn orthonormal(origin: Vec<f64>, directions: [Vec<f64>; 2]) -> Result<Self> {
        let directions = orthonormal(&origin, &directions)?;
        Ok(Self { origin, directions })
    }

    /// The plane through three points, orthonormal: the first is the origin, the second lies in the direction of u.
    ///
    /// # Errors
    /// Different dimensions, numbers that are not finite, and points on one line.
    pub fn through(points: [&[f64]; 3]) -> Result<Self> {
        if points.iter().any(|point| point.len() != points[0].len()) {
            return Err(Error::usage("the three points have different dimensions"));
        }
        let from_first = |point: &[f64]| point.iter().zip(points[0]).map(|(x, o)| x - o).collect();
        let plane = Self::orthonormal(points[0].to_vec(), [from_first(points[1]), from_first(points[2])]);
        plane.map_err(|e| e.at("the three points"))
    }

    /// The plane of all inputs of a network that has two.
    pub fn of_inputs() -> Self {
        Self { origin: vec![0.0; 2], directions: [vec![1.0, 0.0], vec![0.0, 1.0]] }
    }

    /// Dimension of the input space.
    pub fn dim(&self) -> usize {
        self.origin.len()
    }

    /// The point with plane coordinates (0, 0).
    pub fn origin(&self) -> &[f64] {
        &self.origin
    }

    /// The steps of the input for a step of 1 in u and in v.
    pub fn directions(&self) -> &[Vec<f64>; 2] {
        &self.directions
    }

    /// The input at plane coordinates (u, v).
    pub fn input(&self, [u, v]: [f64; 2]) -> Vec<f64> {
        let [along_u, along_v] = &self.directions;
        self.origin.iter().zip(along_u).zip(along_v).map(|((o, a), b)| o + u * a + v * b).collect()
    }

    /// Plane coordinates of the point of the plane nearest to an input, where the directions are orthonormal.
    pub fn coordinates(&self, input: &[f64]) -> [f64; 2] {
        let along = |direction: &Vec<f64>| {
            direction.iter().zip(input).zip(&self.origin).map(|((d, x), o)| d * (x - o)).sum::<f64>()
        };
        [along(&self.directions[0]), along(&self.directions[1])]
    }
}

/// Orthonormal directions of the plane that two vectors span (Gram and Schmidt, cleaned twice).
fn orthonormal(origin: &[f64], [first, second]: &[Vec<f64>; 2]) -> Result<[Vec<f64>; 2]> {
    if first.len() != origin.len() || second.len() != origin.len() {
        return Err(Error::usage(format!(
            "an origin of dimension {}, but directions of {} and {}",
            origin.len(),
            first.len(),
            second.len()
        )));
    }
    if let Some(x) = origin.iter().chain(first).chain(second).find(|x| !x.is_finite()) {
        return Err(Error::usage(format!("{x} is not a finite number")));
    }
    // By powers of two, so that squares neither overflow nor vanish and nothing is rounded.
    let scaled = |vector: &[f64]| -> Vec<f64> {
        let largest = vector.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let exponent = if largest > 0.0 { -libm::ilogb(largest) } else { 0 };
        vector.iter().map(|&x| libm::scalbn(x, exponent)).collect()
    };
    let norm = |vector: &[f64]| vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let unit = |mut vector: Vec<f64>| {
        let length = norm(&vector);
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    };
    let (first, second) = (scaled(first), scaled(second));
    let first = if norm(&first) > 0.0 { unit(first) } else { first };
    let mut across = second.clone();
    for _ in 0..2 {
        let along: f64 = across.iter().zip(&first).map(|(a, b)| a * b).sum();
        across.iter_mut().zip(&first).for_each(|(a, b)| *a -= along * b);
    }
    // What is left of parallel vectors is rounding.
    let rounding = 8.0 * f64::EPSILON * norm(&second) * (origin.len() as f64).sqrt();
    if norm(&first) == 0.0 || norm(&across) <= rounding {
        return Err(Error::usage("they lie on one line and span no plane"));
    }
    Ok([first, unit(across)])
}

/// A convex polygon in plane coordinates: the part of the plane that is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Counter-clockwise.
    corners: Vec<[f64; 2]>,
}

impl Window {
    /// The rectangle of these two intervals.
    ///
    /// # Errors
    /// An empty interval and numbers that are not finite.
    pub fn rectangle(u: [f64; 2], v: [f64; 2]) -> Result<Self> {
        for (name, [low, high]) in [("u", u), ("v", v)] {
            if !(low < high && low.is_finite() && high.is_finite()) {
                return Err(Error::usage(format!("{name} from {low} to {high} is no window: give low < high")));
            }
        }
        Self::polygon(vec![[u[0], v[0]], [u[1], v[0]], [u[1], v[1]], [u[0], v[1]]])
    }

    /// The convex polygon with these corners, counter-clockwise.
    ///
    /// # Errors
    /// Fewer than three corners, coordinates that are not finite or above 1e150, and corners that do not turn left everywhere, once
    /// around.
    pub fn polygon(corners: Vec<[f64; 2]>) -> Result<Self> {
        if let Some(x) = corners.as_flattened().iter().find(|x| !x.is_finite() || x.abs() > 1e150) {
            return Err(Error::usage(format!("a window with coordinate {x}: give at most 1e150")));
        }
        let n = corners.len();
        let turns_left = |ix: usize| {
            let at = |k: usize| corners[(ix + k) % n];
            let [a, b, c] = [at(0), at(1), at(2)].map(|[u, v]| integers([u, v, 1.0]));
            let line = cross(&a, &b);
            (0..3).map(|k| &line[k] * &c[k]).sum::<num_bigint::BigInt>() > num_bigint::BigInt::ZERO
        };
        // A polygon that turns left everywhere but more than once around changes from down to up more than once.
        let rises = |ix: usize| {
            let ([u0, v0], [u1, v1]) = (corners[ix], corners[(ix + 1) % n]);
            (v1, u1) > (v0, u0)
        };
        let n_bottoms = (0..n).filter(|&ix| !rises(ix) && rises((ix + 1) % n)).count();
        if n < 3 || !(0..n).all(turns_left) || n_bottoms != 1 {
            return Err(Error::usage("the window is no convex polygon with corners in counter-clockwise order"));
        }
        Ok(Self { corners })
    }

    /// The smallest rectangle around points of the plane, made larger on every side by `margin` times its longer side.
    ///
    /// # Errors
    /// No point, and those of [`Window::rectangle`].
    pub fn around(points: &[[f64; 2]], margin: f64) -> Result<Self> {
        let range = |axis: usize| {
            let values = points.iter().map(|point| point[axis]);
            [values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max)]
        };
        let (u, v) = (range(0), range(1));
        let margin = margin * (u[1] - u[0]).max(v[1] - v[0]);
        Self::rectangle([u[0] - margin, u[1] + margin], [v[0] - margin, v[1] + margin])
    }

    /// The corners, counter-clockwise.
    pub fn corners(&self) -> &[[f64; 2]] {
        &self.corners
    }

    /// The smallest rectangle around the window: the ranges of u and v.
    pub fn ranges(&self) -> [[f64; 2]; 2] {
        [0, 1].map(|axis| {
            let values = self.corners.iter().map(|corner| corner[axis]);
            [values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max)]
        })
    }

    /// Area in plane coordinates.
    pub fn area(&self) -> f64 {
        polygon_area(self.corners.iter().copied())
    }

    /// The largest magnitude of a coordinate.
    pub(super) fn reach(&self) -> f64 {
        self.corners.as_flattened().iter().fold(0.0, |m, x| m.max(x.abs()))
    }
}

/// Area of a convex polygon given counter-clockwise; relative to its first corner, so that it is accurate far from the origin.
pub(super) fn polygon_area(mut corners: impl Iterator<Item = [f64; 2]>) -> f64 {
    let Some([u0, v0]) = corners.next() else { return 0.0 };
    let mut before: Option<[f64; 2]> = None;
    let mut twice = 0.0;
    for [u, v] in corners {
        let here = [u - u0, v - v0];
        if let Some([a, b]) = before {
            twice += a * here[1] - b * here[0];
        }
        before = Some(here);
    }
    0.5 * twice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_orthonormal_and_hold_their_points() {
        let points = [[1.0, 2.0, 3.0, 4.0], [1.5, 2.0, -3.0, 4.0], [0.0, 1e-3, 7.0, 1e3]];
        let plane = Plane::through([&points[0], &points[1], &points[2]]).unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let [a, b] = plane.directions();
        assert!((dot(a, a) - 1.0).abs() < 1e-15 && (dot(b, b) - 1.0).abs() < 1e-15 && dot(a, b).abs() < 1e-15);
        for point in points {
            let there = plane.input(plane.coordinates(&point));
            assert!(there.iter().zip(&point).all(|(x, y)| (x - y).abs() < 1e-12), "{there:?} {point:?}");
        }
        assert!(plane.coordinates(&points[1])[1].abs() < 1e-14);
        assert!(plane.coordinates(&points[2])[1] > 0.0);
    }

    #[test]
    fn directions_of_any_size_span_a_plane() {
        for size in [1e-300, 1e-9, 1.0, 1e300] {
            let plane = Plane::orthonormal(vec![0.0; 3], [vec![size, 0.0, 0.0], vec![size, 0.0, size]]).unwrap();
            assert_eq!(plane.directions(), &[vec![1.0, 0.0, 0.0], vec![0.0, 0.0, 1.0]]);
        }
    }

    #[test]
    fn what_spans_no_plane_is_refused() {
        let line = Plane::through([&[0.1, 0.2], &[0.3, 0.6], &[0.7, 1.4]]).unwrap_err().to_string();
        assert!(line.contains("on one line"), "{line}");
        Plane::through([&[0.0, 0.0], &[0.0, 0.0], &[0.0, 1.0]]).unwrap_err();
        Plane::through([&[0.0, 0.0], &[0.0, 1.0], &[0.0]]).unwrap_err();
        Plane::through([&[0.0, 0.0], &[0.0, f64::NAN], &[1.0, 0.0]]).unwrap_err();
        Plane::new(vec![0.0], [vec![1.0], vec![2.0]]).unwrap_err();
        Plane::new(vec![0.0; 2], [vec![0.0; 2], vec![1.0, 0.0]]).unwrap_err();
    }

    #[test]
    fn windows_are_convex_polygons() {
        let square = Window::rectangle([-1.0, 2.0], [0.0, 2.0]).unwrap();
        assert_eq!((square.area(), square.reach()), (6.0, 2.0));
        let around = Window::around(&[[0.0, 0.0], [4.0, 1.0]], 0.25).unwrap();
        assert_eq!(around.ranges(), [[-1.0, 5.0], [-1.0, 2.0]]);
        for (u, v) in [([1.0, 1.0], [0.0, 1.0]), ([0.0, 1.0], [1.0, 0.0]), ([0.0, f64::NAN], [0.0, 1.0])] {
            Window::rectangle(u, v).unwrap_err();
        }
        Window::rectangle([-f64::INFINITY, 0.0], [0.0, 1.0]).unwrap_err();
        Window::rectangle([0.0, 1e200], [0.0, 1.0]).unwrap_err();
        // Clockwise, a straight corner, a star that winds twice.
        Window::polygon(vec![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).unwrap_err();
        Window::polygon(vec![[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.0, 1.0]]).unwrap_err();
        let star = |k: usize| (k as f64 * 2.0 * std::f64::consts::TAU / 5.0).sin_cos();
        Window::polygon((0..5).map(|k| [star(k).1, star(k).0]).collect()).unwrap_err();
        Window::polygon(
            (0..7).map(|k| (k as f64 * std::f64::consts::TAU / 7.0).sin_cos()).map(|(s, c)| [c, s]).collect(),
        )
        .unwrap();
    }
}
