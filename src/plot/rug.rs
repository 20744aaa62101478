//! Boundaries along one path: a row of ticks for each layer.

use std::collections::BTreeSet;

use super::axis::{Axis, Scale};
use super::figure::{Entry, Figure, Ink, Mark, Sample};
use super::table::{Table, quote};
use crate::error::{Error, Result};

/// Rows that can be told apart.
const MAX_LAYERS: usize = 100;
/// Places along the axis that can be told apart, with room to spare.
const PLACES: f64 = 4000.0;

pub(super) fn figure(table: &Table, path_name: Option<&str>) -> Result<Figure> {
    let [path, position, layer, is_knot] = ["path", "position", "layer", "is_knot"].map(|name| table.column(name));
    let (path, position, layer, is_knot) = (path?, position?, layer?, is_knot?);
    let mut wanted = path_name.map(str::to_owned);
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
        let name = wanted.map_or_else(String::new, |name| format!(" of the path {:?}", quote(&name, 60)));
        return Err(
            Error::usage(format!("no boundaries{name} to draw: choose a path with --path-name")).at(table.name())
        );
    }
    let n_layers = crossings.iter().map(|crossing| crossing.1).max().unwrap_or(1) as usize;
    let x = Axis::covering("position along the path", Scale::Linear, crossings.iter().map(|crossing| crossing.0))?;
    // Crossings at one place are one tick; a knot lies over what is none.
    let place = |position: f64| (PLACES * x.position(position)).round() as i64;
    let mut drawn = BTreeSet::new();
    crossings.sort_by_key(|crossing| crossing.2);
    crossings.retain(|&(position, layer, knot)| drawn.insert((place(position), layer, knot)));
    let kinds = [(true, Ink::Black, "knot: the output bends"), (false, Ink::Grey, "boundary without knot")];
    let there = |knot: bool| crossings.iter().any(|crossing| crossing.2 == knot);
    let legend = kinds.iter().filter(|kind| there(kind.0));
    let legend = legend.map(|(_, ink, text)| Entry { sample: Sample::Tick(*ink), text: (*text).to_owned() }).collect();
    let ink = |knot| if knot { Ink::Black } else { Ink::Grey };
    let marks = crossings.iter().map(|&(x, layer, knot)| Mark::Tick { x, row: f64::from(layer), ink: ink(knot) });
    Ok(Figure { marks: marks.collect(), legend, x, y: Axis::of_rows("layer", n_layers) })
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
        figure(&table, name).map(|figure| figure.marks.iter().map(tick).collect())
    }

    #[test]
    fn crossings_at_one_place_are_one_tick() {
        let first = ticks(None).unwrap();
        assert_eq!(first, [(2.0, 2.0, Ink::Grey), (2.0, 1.0, Ink::Grey), (1.0, 1.0, Ink::Black)]);
        assert_eq!(ticks(Some("b")).unwrap(), [(3.0, 1.0, Ink::Black)]);
        assert!(ticks(Some("c")).unwrap_err().to_string().contains("path \"c\""));
    }
}
