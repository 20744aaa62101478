//! Boundaries along one path: a row of ticks for each layer, and the outputs above them.

use std::collections::BTreeSet;

use super::Options;
use super::axis::{Axis, Scale};
use super::figure::{Entry, Figure, Frame, Ink, Mark, Sample, Stroke};
use super::table::{Table, quote};
use crate::error::{Error, Result};

/// Rows that can be told apart.
const MAX_LAYERS: usize = 100;
/// Places along the axis that can be told apart, with room to spare.
const PLACES: f64 = 4000.0;

/// Outputs that colours tell apart.
const MAX_OUTPUTS: usize = 6;

pub(super) fn figure(table: &Table, options: &Options) -> Result<Figure> {
    let [path, position, layer, is_knot] = ["path", "position", "layer", "is_knot"].map(|name| table.column(name));
    let (path, position, layer, is_knot) = (path?, position?, layer?, is_knot?);
    let mut wanted = options.path_name.clone();
    let mut crossings: Vec<(f64, u32, bool)> = Vec::new();
    table.for_each(|row| {
        let wanted = wanted.get_or_insert_with(|| row.text(path).to_owned());
        if row.text(path) != wanted {
            return Ok(());
        }
        let layer = match row.text(layer).parse::<u32>() {
            Ok(number) if (1..=MAX_LAYERS as u32).contains(&number) => number,
            _ => return Err(row.error(layer, &format!("give the number of a layer from 1 to {MAX_LAYERS}"))),
        };
        let knot = match row.text(is_knot) {
            "true" => true,
            "false" => false,
            _ => return Err(row.error(is_knot, "is neither true nor false")),
        };
        crossings.push((row.required(position)?, layer, knot));
        Ok(())
    })?;
    if crossings.is_empty() {
        let message = match wanted {
            Some(name) => {
                format!("no boundaries of the path {:?} to draw: choose another --path-name", quote(&name, 60))
            }
            None => "no boundaries to draw: trace longer paths".to_owned(),
        };
        return Err(Error::usage(message).at(table.name()));
    }
    let n_layers = crossings.iter().map(|crossing| crossing.1).max().unwrap_or(1) as usize;
    let path = wanted.unwrap_or_default();
    let curves = match &options.curve {
        Some(file) => curves(&Table::read(file)?, &path, &options.outputs)?,
        None => Vec::new(),
    };
    let on_curves = curves.iter().flat_map(|curve| &curve.points);
    let positions = crossings.iter().map(|crossing| crossing.0).chain(on_curves.clone().map(|point| point.0));
    let x = Axis::covering("position along the path", Scale::Linear, positions)?;
    // Crossings at one place are one tick; a knot lies over what is none.
    let place = |position: f64| (PLACES * x.position(position)).round() as i64;
    let mut drawn = BTreeSet::new();
    crossings.sort_by_key(|crossing| crossing.2);
    crossings.retain(|&(position, layer, knot)| drawn.insert((place(position), layer, knot)));
    let kinds = [(true, Ink::Black, "knot: the output bends"), (false, Ink::Grey, "boundary without knot")];
    let there = |knot: bool| crossings.iter().any(|crossing| crossing.2 == knot);
    let there = kinds.iter().filter(|kind| there(kind.0));
    let tick = |(_, ink, text): &(bool, Ink, &str)| Entry { sample: Sample::Tick(*ink), text: (*text).to_owned() };
    let mut legend: Vec<Entry> = there.map(tick).collect();
    let ink = |knot| if knot { Ink::Black } else { Ink::Grey };
    let ticks = crossings.iter().map(|&(x, layer, knot)| Mark::Tick { x, row: f64::from(layer), ink: ink(knot) });
    let mut marks: Vec<Mark> = ticks.collect();
    if curves.is_empty() {
        return Ok(Figure { marks, legend, x, y: Axis::of_rows("layer", n_layers), frame: Frame::Grid });
    }
    let above = Axis::covering("output", Scale::Linear, on_curves.map(|point| point.1))?;
    let (y, row) = Axis::of_rows_below("layer, and output above", n_layers, above);
    for (ix, curve) in curves.into_iter().enumerate() {
        let (ink, stroke) = (Ink::Series(ix), Stroke::Solid);
        legend.push(Entry { sample: Sample::Line(ink, stroke), text: curve.name });
        let points = curve.points.into_iter().map(|(x, output)| (x, row(output))).collect();
        marks.push(Mark::Line { points, ink, stroke });
    }
    Ok(Figure { marks, legend, x, y, frame: Frame::Grid })
}

/// One output along the path.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The outputs along the path of this name.
fn curves(table: &Table, name: &str, outputs: &[usize]) -> Result<Vec<Curve>> {
    let (path, position) = (table.column("path")?, table.column("position")?);
    let named = |ix: usize| format!("output_{ix}");
    let wanted = match outputs {
        [] => (0..).take_while(|ix| table.find(&named(*ix)).is_some()).collect(),
        outputs => outputs.to_vec(),
    };
    if wanted.len() > MAX_OUTPUTS {
        let message = format!("{} outputs cannot be told apart, at most {MAX_OUTPUTS}: choose --outputs", wanted.len());
        return Err(Error::usage(message).at(table.name()));
    }
    let columns = wanted.iter().map(|ix| table.column(&named(*ix))).collect::<Result<Vec<_>>>()?;
    let mut curves: Vec<Curve> =
        wanted.iter().map(|ix| Curve { name: format!("output {ix}"), points: Vec::new() }).collect();
    table.for_each(|row| {
        if row.text(path) == name {
            let x = row.required(position)?;
            for (curve, column) in curves.iter_mut().zip(&columns) {
                curve.points.push((x, row.required(*column)?));
            }
        }
        Ok(())
    })?;
    if curves.iter().all(|curve| curve.points.is_empty()) {
        return Err(Error::usage(format!("no outputs along the path {:?}", quote(name, 60))).at(table.name()));
    }
    Ok(curves)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "path,boundary,t,position,layer,unit,is_knot\n\
        a,0,0.1,1,1,0,true\na,0,0.1,1,1,3,true\na,1,0.2,2,2,0,false\na,1,0.2,2,1,0,false\nb,0,0.5,3,1,1,true\n";

    fn ticks(name: Option<&str>) -> Result<Vec<(f64, f64, Ink)>> {
        let table = Table::parse("trace.csv".to_owned(), TRACE.to_owned()).unwrap();
        let tick = |mark: &Mark| match mark {
            Mark::Tick { x, row, ink } => (*x, *row, *ink),
            _ => panic!("{mark:?}"),
        };
        let options = Options { path_name: name.map(str::to_owned), ..Options::default() };
        figure(&table, &options).map(|figure| figure.marks.iter().map(tick).collect())
    }

    #[test]
    fn crossings_at_one_place_are_one_tick() {
        let first = ticks(None).unwrap();
        assert_eq!(first, [(2.0, 2.0, Ink::Grey), (2.0, 1.0, Ink::Grey), (1.0, 1.0, Ink::Black)]);
        assert_eq!(ticks(Some("b")).unwrap(), [(3.0, 1.0, Ink::Black)]);
        assert!(ticks(Some("c")).unwrap_err().to_string().contains("path \"c\""));
    }
}
