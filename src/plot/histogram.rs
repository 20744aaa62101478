//! The distribution of the density over networks.

use std::collections::BTreeMap;

use super::Options;
use super::axis::{Axis, Scale};
use super::figure::{Entry, Figure, Frame, Ink, Mark, Sample, Stroke};
use super::table::{Table, quote};
use crate::error::{Error, Result};

const MAX_BINS: usize = 60;

/// Histograms that colours tell apart.
const MAX_ENSEMBLES: usize = 6;

/// By the number of the ensemble in its plan, and the digest of that.
type Ensembles = BTreeMap<(u64, String), Ensemble>;

/// Counts and lengths of the paths of each network of an ensemble.
#[derive(Debug, Default)]
struct Ensemble {
    /// The file that it was found in first.
    file: String,
    networks: BTreeMap<u64, (f64, f64)>,
}

pub(super) fn figure(tables: &[Table], options: &Options) -> Result<Figure> {
    let quantity = options.quantity();
    let mut ensembles: Ensembles = BTreeMap::new();
    for table in tables {
        read(table, quantity, &mut ensembles)?;
    }
    if ensembles.is_empty() {
        return Err(Error::usage(format!("no rows with {quantity}, nothing to draw")).at(tables[0].name()));
    }
    // A ratio of sums: paths may differ in length.
    let mut densities = Vec::with_capacity(ensembles.len());
    for (key, ensemble) in &ensembles {
        let of_networks: Vec<f64> = ensemble.networks.values().map(|(count, length)| count / length).collect();
        let sums = ensemble.networks.values().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        densities.push((name(key, ensemble, &ensembles), sums.0 / sums.1, of_networks));
    }
    let bins = Bins::of(densities.iter().map(|(_, _, values)| values.as_slice()));
    let x = Axis::covering(format!("{quantity} per unit length"), Scale::Linear, [bins.low, bins.high()])?;
    let (mut marks, mut legend, mut highest) = (Vec::new(), Vec::new(), 0);
    for (series, (name, mean, values)) in densities.iter().enumerate() {
        let counts = bins.count(values);
        let most = counts.iter().copied().max().unwrap_or(0);
        highest = highest.max(most);
        let ink = Ink::Series(series);
        let several = if densities.len() > 1 { format!("{name}: ") } else { String::new() };
        marks.push(Mark::Line { points: bins.outline(&counts), ink, stroke: Stroke::Solid });
        marks.push(Mark::Line { points: vec![(*mean, 0.0), (*mean, most as f64)], ink, stroke: Stroke::Dashed });
        let text = format!("{several}{} networks", values.len());
        legend.push(Entry { sample: Sample::Line(ink, Stroke::Solid), text });
        let text = format!("{several}mean {}", four_digits(*mean));
        legend.push(Entry { sample: Sample::Line(ink, Stroke::Dashed), text });
    }
    Ok(Figure { x, y: Axis::of_counts("networks", highest as f64), marks, legend, frame: Frame::Grid })
}

fn read(table: &Table, quantity: &str, ensembles: &mut Ensembles) -> Result<()> {
    let [network, length, count] = ["network", "length", quantity].map(|name| table.column(name));
    let (network, length, count) = (network?, length?, count?);
    let (digest, ensemble) = (table.find("plan_digest"), table.find("ensemble"));
    let mut key = (0, String::new());
    table.for_each(|row| {
        let n = row.text(network).parse::<u64>().map_err(|_| row.error(network, "give the number of a network"))?;
        let path_length = row.required(length)?;
        let Some(n_found) = row.number(count)? else { return Ok(()) };
        if path_length <= 0.0 || n_found < 0.0 {
            let column = if n_found < 0.0 { count } else { length };
            return Err(
                row.error(column, "cannot be drawn as a density: give paths of positive length and counts from 0")
            );
        }
        let text = |column: Option<usize>| column.map_or("", |column| row.text(column));
        let number = match text(ensemble) {
            "" => 0,
            number => number.parse().map_err(|_| row.error(ensemble.unwrap_or(0), "give the number of an ensemble"))?,
        };
        if (key.0, key.1.as_str()) != (number, text(digest)) {
            key = (number, text(digest).to_owned());
        }
        if !ensembles.contains_key(&key) {
            if ensembles.len() == MAX_ENSEMBLES {
                let remedy = "give files with fewer, or plot summary.csv";
                return Err(row.refuse(&format!("more than {MAX_ENSEMBLES} ensembles cannot be told apart: {remedy}")));
            }
            let file =
                std::path::Path::new(table.name()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            ensembles.insert(key.clone(), Ensemble { file, networks: BTreeMap::new() });
        }
        if let Some(found) = ensembles.get_mut(&key) {
            let sums = found.networks.entry(n).or_insert((0.0, 0.0));
            *sums = (sums.0 + n_found, sums.1 + path_length);
        }
        Ok(())
    })
}

/// The name of its file, or what tells it from the others in the same file.
fn name((number, digest): &(u64, String), ensemble: &Ensemble, all: &Ensembles) -> String {
    let count = |is_like: &dyn Fn(&(u64, String), &Ensemble) -> bool| all.iter().filter(|(k, e)| is_like(k, e)).count();
    if count(&|_, other| other.file == ensemble.file) == 1 {
        quote(&ensemble.file, 30)
    } else if count(&|key, _| key.0 == *number) == 1 {
        format!("ensemble {}", number + 1)
    } else {
        format!("{}/{}", quote(digest, 8), number + 1)
    }
}

fn four_digits(value: f64) -> String {
    let decimals = if value > 0.0 { (3.0 - value.log10().floor()).clamp(0.0, 8.0) } else { 0.0 };
    format!("{value:.*}", decimals as usize)
}

/// Equal bins that hold all values.
#[derive(Debug)]
struct Bins {
    low: f64,
    width: f64,
    n: usize,
}

impl Bins {
    /// Freedman and Diaconis's width, from the ensemble that asks for the finest.
    fn of<'a>(all: impl Iterator<Item = &'a [f64]>) -> Self {
        let (mut low, mut high, mut width) = (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY);
        for values in all {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            let [Some(first), Some(last)] = [sorted.first(), sorted.last()] else { continue };
            (low, high) = (low.min(*first), high.max(*last));
            let quartiles = sorted[3 * sorted.len() / 4] - sorted[sorted.len() / 4];
            if quartiles > 0.0 {
                width = width.min(2.0 * quartiles / (sorted.len() as f64).cbrt());
            }
        }
        let range = high - low;
        if range <= 1e-9 * high.abs() {
            let width = (0.1 * high.abs()).max(0.1);
            return Self { low: high - width / 2.0, width, n: 1 };
        }
        let n = (range / width).ceil().clamp(5.0, MAX_BINS as f64) as usize;
        Self { low, width: range / n as f64, n }
    }

    fn high(&self) -> f64 {
        self.low + self.width * self.n as f64
    }

    fn count(&self, values: &[f64]) -> Vec<usize> {
        let mut counts = vec![0; self.n];
        for value in values {
            // The highest value belongs to the last bin.
            counts[(((value - self.low) / self.width) as usize).min(self.n - 1)] += 1;
        }
        counts
    }

    /// The steps around the bins, from the axis back to it.
    fn outline(&self, counts: &[usize]) -> Vec<(f64, f64)> {
        let edge = |ix: usize| self.low + self.width * ix as f64;
        let tops = counts.iter().enumerate();
        let tops = tops.flat_map(|(ix, &count)| [(edge(ix), count as f64), (edge(ix + 1), count as f64)]);
        std::iter::once((self.low, 0.0)).chain(tops).chain([(self.high(), 0.0)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_value_once() {
        for values in [vec![1.0], vec![2.0; 7], (0..1000).map(f64::from).collect(), vec![0.0; 3], vec![0.0, 1e100]] {
            let bins = Bins::of([values.as_slice()].into_iter());
            let counts = bins.count(&values);
            assert_eq!(counts.iter().sum::<usize>(), values.len(), "{bins:?}");
            assert!(counts.len() <= MAX_BINS && values.iter().all(|v| (bins.low..=bins.high() * 1.0001).contains(v)));
            let outline = bins.outline(&counts);
            assert_eq!((outline.len(), outline[0].1, outline[outline.len() - 1].1), (2 * bins.n + 2, 0.0, 0.0));
        }
    }

    #[test]
    fn densities_are_sums_over_the_paths_of_a_network() {
        let text = "plan_digest,ensemble,network,path_ix,length,boundaries\n\
                    d,0,0,0,2,4\nd,0,0,1,1,5\nd,0,1,0,3,0\nd,0,2,0,1,\n";
        let mut ensembles = BTreeMap::new();
        read(&Table::parse("d.csv".to_owned(), text.to_owned()).unwrap(), "boundaries", &mut ensembles).unwrap();
        let networks: Vec<(f64, f64)> = ensembles.values().flat_map(|e| e.networks.values().copied()).collect();
        assert_eq!(networks, [(9.0, 3.0), (0.0, 3.0)]);
    }

    #[test]
    fn means_have_four_digits() {
        for (value, text) in [(34.108, "34.11"), (1629.7, "1630"), (0.0012345, "0.001234"), (0.0, "0")] {
            assert_eq!(four_digits(value), text);
        }
    }
}
