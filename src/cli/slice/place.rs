//! The flags that choose a plane and a window in it.

use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Result};
use crate::path::read_points;
use crate::regions::plane::{Plane, Window};

#[derive(Debug, Args)]
pub(super) struct PlaceFlags {
    /// The plane through three points: CSV with a header such as x0,x1,... or .npy (3 x dim). The first is u = v = 0, the second lies
    /// on the u axis
    #[arg(long, value_name = "FILE", conflicts_with_all = ["origin", "directions", "axes"])]
    points: Option<PathBuf>,

    /// Room around the three points, as a part of the longer side of the smallest rectangle around them
    #[arg(long, default_value_t = 0.25, allow_negative_numbers = true)]
    margin: f64,

    /// The point u = v = 0 of the plane [default: the origin]
    #[arg(long, value_name = "X0,X1,...", allow_hyphen_values = true)]
    origin: Option<String>,

    /// Two directions that span the plane; they are made orthonormal, so that lengths and areas are those of the input space
    #[arg(long, num_args = 2, value_names = ["U0,U1,...", "V0,V1,..."], allow_hyphen_values = true, conflicts_with = "axes")]
    directions: Option<Vec<String>>,

    /// The plane of two inputs, by their numbers from 0 [default: 0,1 where the network has two inputs]
    #[arg(long, value_name = "I,J")]
    axes: Option<String>,

    /// The window in plane coordinates: LO,HI for both, or U0,U1,V0,V1 [default: -1,1, or around the three points]
    #[arg(long, value_name = "LO,HI", allow_hyphen_values = true)]
    window: Option<String>,
}

/// A plane, a window and the names of their axes.
#[derive(Debug)]
pub(super) struct Place {
    pub plane: Plane,
    pub window: Window,
    pub labels: [String; 2],
}

impl PlaceFlags {
    /// The file of points, if there is one.
    pub(super) fn points(&self) -> Option<&PathBuf> {
        self.points.as_ref()
    }

    /// The plane and window for a network with so many inputs.
    pub(super) fn place(&self, dim: usize) -> Result<Place> {
        if !(self.margin >= 0.0 && self.margin.is_finite()) {
            return Err(Error::usage(format!("--margin {}: give a number that is not negative", self.margin)));
        }
        if let Some(file) = &self.points {
            let (plane, points) = through(file, dim)?;
            let window = match &self.window {
                Some(text) => window(text)?,
                None => Window::around(&points, self.margin).map_err(|e| e.at(file.display()))?,
            };
            return Ok(Place { plane, window, labels: lengths() });
        }
        let origin = match &self.origin {
            Some(text) => numbers(text).and_then(|origin| of_dimension(origin, dim)).map_err(|e| e.at("--origin"))?,
            None => vec![0.0; dim],
        };
        let window = window(self.window.as_deref().unwrap_or("-1,1"))?;
        let (plane, labels) = if let Some(texts) = &self.directions {
            let direction = |ix: usize| numbers(&texts[ix]).and_then(|direction| of_dimension(direction, dim));
            let plane = direction(0).and_then(|u| Plane::orthonormal(origin, [u, direction(1)?]));
            (plane.map_err(|e| e.at("--directions"))?, lengths())
        } else {
            let [i, j] = self.axes(dim)?;
            let unit = |axis: usize| (0..dim).map(|ix| if ix == axis { 1.0 } else { 0.0 }).collect();
            let label = |axis: usize| match origin[axis] {
                0.0 => format!("input x{axis}"),
                at => format!("input x{axis} − {at}"),
            };
            let labels = [label(i), label(j)];
            (Plane::orthonormal(origin, [unit(i), unit(j)])?, labels)
        };
        Ok(Place { plane, window, labels })
    }

    fn axes(&self, dim: usize) -> Result<[usize; 2]> {
        let Some(text) = &self.axes else {
            return match dim {
                2 => Ok([0, 1]),
                1 => Err(Error::usage("the network has 1 input: it has no planes, use trace")),
                _ => Err(Error::usage(format!(
                    "the network has {dim} inputs: choose a plane with --points, --directions or --axes"
                ))),
            };
        };
        let parsed: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match parsed.as_deref() {
            Some(&[i, j]) if i != j && i < dim && j < dim => Ok([i, j]),
            _ => Err(Error::usage(format!(
                "--axes {text}: give two different inputs from 0 to {}, for example 0,1",
                dim - 1
            ))),
        }
    }
}

fn lengths() -> [String; 2] {
    ["u", "v"].map(|name| format!("{name} (length in the input space)"))
}

fn through(file: &std::path::Path, dim: usize) -> Result<(Plane, [[f64; 2]; 3])> {
    let (found, values) = read_points(file)?;
    let points: Vec<&[f64]> = values.chunks_exact(found.max(1)).collect();
    let [a, b, c] = points[..] else {
        return Err(Error::usage(format!("{} points: give three", points.len())).at(file.display()));
    };
    let plane =
        of_dimension(a.to_vec(), dim).and_then(|_| Plane::through([a, b, c])).map_err(|e| e.at(file.display()))?;
    let coordinates = [a, b, c].map(|point| plane.coordinates(point));
    Ok((plane, coordinates))
}

fn of_dimension(point: Vec<f64>, dim: usize) -> Result<Vec<f64>> {
    if point.len() == dim {
        Ok(point)
    } else {
        Err(Error::usage(format!("{} coordinates, but the network has {dim} inputs", point.len())))
    }
}

fn numbers(text: &str) -> Result<Vec<f64>> {
    let number = |part: &str| match part.trim().parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err(Error::usage(format!("'{part}' is not a finite number: give numbers separated by commas"))),
    };
    text.split(',').map(number).collect()
}

fn window(text: &str) -> Result<Window> {
    let parsed = numbers(text).and_then(|ends| match ends[..] {
        [low, high] => Window::rectangle([low, high], [low, high]),
        [u0, u1, v0, v1] => Window::rectangle([u0, u1], [v0, v1]),
        _ => Err(Error::usage(format!("{} numbers: give LO,HI or U0,U1,V0,V1", ends.len()))),
    });
    parsed.map_err(|e| e.at(format_args!("--window {text}")))
}
