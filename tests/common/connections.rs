//! What every unit of a layer is connected to, from the definitions of the maps.

use linregions::network::{Affine, Layer, Network, Windows};

/// A weight with the source that it multiplies (0 the input, l the outputs of hidden layer l) and the place of the value there.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub source: usize,
    pub place: usize,
    pub weight: f64,
}

/// Of every unit of hidden layer `layer` (from 0) its connections and its bias.
pub fn connections(network: &Network, layer: usize) -> Vec<(Vec<Connection>, f64)> {
    let (shape, weights) = (&network.architecture().layers()[layer], &network.affine()[layer]);
    let n_units = shape.affine.units();
    let mut units: Vec<(Vec<Connection>, f64)> = (0..n_units)
        .map(|u| {
            (Vec::new(), if weights.bias.is_empty() { 0.0 } else { weights.bias[u * weights.bias.len() / n_units] })
        })
        .collect();
    let mut add = |source: usize, lists: Vec<Vec<(usize, f64)>>| {
        for ((unit, _), list) in units.iter_mut().zip(lists) {
            unit.extend(list.into_iter().map(|(place, weight)| Connection { source, place, weight }));
        }
    };
    add(layer, of_map(&shape.affine, &weights.weight));
    for (skip, weight) in shape.skips.iter().zip(&weights.skips) {
        let lists = skip.map.map_or_else(|| (0..n_units).map(|u| vec![(u, 1.0)]).collect(), |map| of_map(&map, weight));
        add(skip.source, lists);
    }
    units
}

/// The pre-activations of a layer that unit `unit` joins: of an image so many channels at one position, else as they come.
pub fn members(layer: &Layer, unit: usize) -> Vec<usize> {
    let size = layer.activation.group_size();
    let positions = match &layer.affine {
        Affine::Convolution(convolution) => convolution.windows.positions(),
        Affine::AveragePool(windows) => windows.positions(),
        _ => 1,
    };
    let (channel, position) = (unit / positions, unit % positions);
    (0..size).map(|row| (channel * size + row) * positions + position).collect()
}

fn of_map(map: &Affine, weight: &[f64]) -> Vec<Vec<(usize, f64)>> {
    match map {
        Affine::Dense { inputs, units } => {
            (0..*units).map(|u| (0..*inputs).map(|i| (i, weight[i * units + u])).collect()).collect()
        }
        Affine::Convolution(convolution) => {
            let (filters, windows) = (convolution.filters, &convolution.windows);
            let channels = windows.channels / convolution.groups;
            let unit = |filter: usize, window: [usize; 2]| {
                let first = filter / (filters / convolution.groups) * channels;
                let inside =
                    (0..channels).flat_map(|c| values(windows, window).map(move |(offset, at)| (c, offset, at)));
                let inside = inside.filter_map(|(c, offset, at)| Some((c, offset, at?)));
                inside
                    .map(|(c, offset, at)| {
                        ((first + c) * plane(windows) + at, weight[(c * windows.area() + offset) * filters + filter])
                    })
                    .collect()
            };
            (0..filters)
                .flat_map(|f| all_windows(windows).map(move |window| (f, window)))
                .map(|(f, w)| unit(f, w))
                .collect()
        }
        Affine::AveragePool(windows) => {
            let share = 1.0 / windows.area() as f64;
            let unit = |c: usize, window| {
                values(windows, window).filter_map(|(_, at)| Some((c * plane(windows) + at?, share))).collect()
            };
            (0..windows.channels)
                .flat_map(|c| all_windows(windows).map(move |w| (c, w)))
                .map(|(c, w)| unit(c, w))
                .collect()
        }
        Affine::WindowValues(windows) => {
            let of_window = |c: usize, window| {
                let first = values(windows, window).find_map(|(_, at)| at).expect("a part of the image");
                values(windows, window).map(|(_, at)| vec![(c * plane(windows) + at.unwrap_or(first), 1.0)]).collect()
            };
            let windows_of = |c: usize| all_windows(windows).map(move |window| (c, window));
            let lists: Vec<Vec<Vec<(usize, f64)>>> =
                (0..windows.channels).flat_map(windows_of).map(|(c, w)| of_window(c, w)).collect();
            lists.concat()
        }
        _ => panic!("a new kind of map"),
    }
}

fn plane(windows: &Windows) -> usize {
    windows.input[0] * windows.input[1]
}

fn all_windows(windows: &Windows) -> impl Iterator<Item = [usize; 2]> {
    let [rows, columns] = [0, 1].map(|axis| {
        let padded = windows.input[axis] + windows.padding[axis].iter().sum::<usize>();
        (padded - windows.kernel[axis]) / windows.stride[axis] + 1
    });
    (0..rows).flat_map(move |oy| (0..columns).map(move |ox| [oy, ox]))
}

/// Of every value of a window its number and its place in the plane of a channel, if it is inside.
fn values(windows: &Windows, window: [usize; 2]) -> impl Iterator<Item = (usize, Option<usize>)> + '_ {
    let offsets = (0..windows.kernel[0]).flat_map(|ky| (0..windows.kernel[1]).map(move |kx| [ky, kx]));
    offsets.enumerate().map(move |(number, offset)| {
        let at = [0, 1].map(|axis| {
            let padded = window[axis] * windows.stride[axis] + offset[axis];
            padded.checked_sub(windows.padding[axis][0]).filter(|&at| at < windows.input[axis])
        });
        (number, at[0].zip(at[1]).map(|(y, x)| y * windows.input[1] + x))
    })
}
