//! Writing architectures, in their shortest form.

use std::fmt;

use crate::network::{Affine, Architecture, Convolution, Layer, Windows};

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input: Vec<String> = self.input().iter().map(usize::to_string).collect();
        f.write_str(&input.join("x"))?;
        let parts: Vec<(bool, String)> = self.layers().iter().map(|layer| self.part(layer)).collect();
        for run in parts.chunk_by(|a, b| a == b) {
            let (is_dense, part) = &run[0];
            match run.len() {
                1 => write!(f, "-{part}")?,
                n if *is_dense => write!(f, "-{part}x{n}")?,
                n => (0..n).try_for_each(|_| write!(f, "-{part}"))?,
            }
        }
        Ok(())
    }
}

impl Architecture {
    /// Whether a layer is dense, and its text.
    fn part(&self, layer: &Layer) -> (bool, String) {
        let sizes = |[rows, columns]: [usize; 2]| match (self.input().len(), rows == columns) {
            (2, _) => columns.to_string(),
            (_, true) => columns.to_string(),
            (_, false) => format!("{rows}x{columns}"),
        };
        let padding = |windows: &Windows| match windows.padding {
            [[0, 0], [0, 0]] => String::new(),
            [[top, bottom], [left, right]] if top == bottom && left == right => format!("p{}", sizes([top, left])),
            [_, [left, right]] if self.input().len() == 2 => format!("p{left}:{right}"),
            [[top, bottom], [left, right]] => format!("p{top}:{bottom}x{left}:{right}"),
        };
        let pool = |name: &str, windows: &Windows| {
            if windows.kernel == windows.input && windows.padding == [[0; 2]; 2] {
                return name.to_owned();
            }
            let stride =
                if windows.stride == windows.kernel { String::new() } else { format!("s{}", sizes(windows.stride)) };
            format!("{name}{}{stride}{}", sizes(windows.kernel), padding(windows))
        };
        let mut text = match &layer.affine {
            Affine::Dense { .. } => layer.outputs().to_string(),
            Affine::Convolution(Convolution { windows, groups, .. }) => {
                let filters = layer.outputs() / windows.positions();
                let is_one = windows.stride == [1, 1];
                let stride = if is_one { String::new() } else { format!("s{}", sizes(windows.stride)) };
                let groups = if *groups == 1 { String::new() } else { format!("g{groups}") };
                format!("c{filters}k{}{stride}{}{groups}", sizes(windows.kernel), padding(windows))
            }
            Affine::AveragePool(windows) => pool("avg", windows),
            Affine::WindowValues(windows) => pool("max", windows),
        };
        for skip in &layer.skips {
            match (skip.map, skip.source) {
                (Some(_), 0) => text.push('+'),
                (Some(_), source) => text += &format!("+{source}"),
                (None, source) => text += &format!("~{source}"),
            }
        }
        (matches!(layer.affine, Affine::Dense { .. }), text)
    }
}
