//! The summary of a slice.

use std::io::{Result, Write};

use serde::Serialize;

use super::super::{Format, table};
use super::place::Place;
use crate::network::Network;
use crate::regions::plane::{AreaSummary, LayerEdges, Subdivision};

#[derive(Serialize)]
struct Summary<'a> {
    architecture: String,
    activation: String,
    origin: &'a [f64],
    directions: &'a [Vec<f64>; 2],
    window: &'a [[f64; 2]],
    area: f64,
    activation_regions: usize,
    linear_regions: usize,
    activation_region_areas: Areas,
    linear_region_areas: Areas,
    layers: Vec<LayerRow>,
    close_calls: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct Areas {
    min: f64,
    p5: f64,
    p25: f64,
    median: f64,
    p75: f64,
    p95: f64,
    max: f64,
    mean: f64,
}

impl Areas {
    fn new(areas: AreaSummary) -> Self {
        let AreaSummary { min, p5, p25, median, p75, p95, max, mean } = areas;
        Self { min, p5, p25, median, p75, p95, max, mean }
    }

    fn named(&self) -> [(&'static str, f64); 8] {
        let Self { min, p5, p25, median, p75, p95, max, mean } = *self;
        [
            ("min", min),
            ("p5", p5),
            ("p25", p25),
            ("median", median),
            ("p75", p75),
            ("p95", p95),
            ("max", max),
            ("mean", mean),
        ]
    }
}

#[derive(Serialize)]
struct LayerRow {
    layer: usize,
    edges: usize,
    length: f64,
    knots: usize,
    knot_length: f64,
}

impl LayerRow {
    fn new((ix, edges): (usize, LayerEdges)) -> Self {
        let LayerEdges { edges, length, knots, knot_length } = edges;
        Self { layer: ix + 1, edges, length, knots, knot_length }
    }
}

pub(super) fn write(
    out: &mut dyn Write,
    format: Format,
    network: &Network,
    place: &Place,
    regions: &Subdivision,
    seconds: f64,
) -> Result<()> {
    let summary = Summary {
        architecture: network.architecture().to_string(),
        activation: network.architecture().activation().to_string(),
        origin: place.plane.origin(),
        directions: place.plane.directions(),
        window: place.window.corners(),
        area: place.window.area(),
        activation_regions: regions.n_activation_regions(),
        linear_regions: regions.n_linear_regions(),
        activation_region_areas: Areas::new(regions.activation_region_areas()),
        linear_region_areas: Areas::new(regions.linear_region_areas()),
        layers: regions.edges_per_layer().into_iter().enumerate().map(LayerRow::new).collect(),
        close_calls: regions.close_calls(),
        seconds,
    };
    match format {
        Format::Table => summary.table(out, place),
        Format::Csv => summary.csv(out),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &summary)?;
            writeln!(out)
        }
    }
}

impl Summary<'_> {
    fn table(&self, out: &mut dyn Write, place: &Place) -> Result<()> {
        let number = |x: f64| table::digits(x, 5);
        let plural = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let [[u0, u1], [v0, v1]] = place.window.ranges();
        let [u, v] = &place.labels;
        writeln!(out, "{} {}", self.architecture, self.activation)?;
        writeln!(out, "{u}: {} .. {}, {v}: {} .. {}", number(u0), number(u1), number(v0), number(v1))?;
        writeln!(
            out,
            "{}, {}, {}, {:.2} s\n",
            plural(self.activation_regions as u64, "activation region"),
            plural(self.linear_regions as u64, "linear region"),
            plural(self.close_calls, "close call"),
            self.seconds
        )?;
        let mut rows = vec![vec!["area of".to_owned(), String::new()]];
        rows[0].extend(self.activation_region_areas.named().map(|(name, _)| name.to_owned()));
        for (name, areas) in
            [("activation regions", &self.activation_region_areas), ("linear regions", &self.linear_region_areas)]
        {
            let mut row = vec![name.to_owned(), String::new()];
            row.extend(areas.named().map(|(_, area)| table::digits(area, 3)));
            rows.push(row);
        }
        table::columns(out, &rows)?;
        writeln!(out)?;
        let mut rows = vec![["layer", "", "edges", "length", "knots", "knot length"].map(str::to_owned).to_vec()];
        for layer in &self.layers {
            let LayerRow { layer, edges, length, knots, knot_length } = layer;
            let fields = [layer.to_string(), String::new(), edges.to_string(), number(*length), knots.to_string()];
            rows.push([&fields[..], &[number(*knot_length)]].concat());
        }
        table::columns(out, &rows)
    }

    fn csv(&self, out: &mut dyn Write) -> Result<()> {
        let mut rows: Vec<(String, Option<usize>, String)> = Vec::new();
        let mut push = |name: &str, layer, value: &dyn ToString| rows.push((name.to_owned(), layer, value.to_string()));
        push("activation_regions", None, &self.activation_regions);
        push("linear_regions", None, &self.linear_regions);
        push("area", None, &self.area);
        for (kind, areas) in [
            ("activation_region_area", &self.activation_region_areas),
            ("linear_region_area", &self.linear_region_areas),
        ] {
            for (name, area) in areas.named() {
                push(&format!("{kind}_{name}"), None, &area);
            }
        }
        for row in &self.layers {
            push("edges", Some(row.layer), &row.edges);
            push("length", Some(row.layer), &row.length);
            push("knots", Some(row.layer), &row.knots);
            push("knot_length", Some(row.layer), &row.knot_length);
        }
        push("close_calls", None, &self.close_calls);
        push("seconds", None, &self.seconds);
        table::csv_rows(out, &["quantity", "layer", "value"], rows.into_iter())
    }
}
