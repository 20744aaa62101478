//! Architectures as text.

use std::fmt;
use std::sync::Arc;

use super::architecture::pre_activations;
use super::{Activation, Affine, Architecture, Convolution, Layer, Skip, Windows};
use crate::error::{Error, Result};

/// Most hidden layers; 64 tensors of skips for each are less than 2^30.
const MAX_DEPTH: usize = 1_000_000;

/// Most values of an input, a layer or a patch.
const MAX_VALUES: usize = 1 << 40;

impl Architecture {
    /// Reads the input and the hidden layers, joined by `-`.
    ///
    /// - `2-64x3`, `784-512-256-128`: the number of inputs, then widths of dense layers, `WxN` for N layers of width W.
    /// - `3x32x32-c16k3s2p1-c32k3x5g4-max2-avg-100`: channels, height and width of images, or `1x16-c4k3` channels and length; convolutions by
    ///   filters, kernel, stride (1), padding (0) and groups (1), each one number or height x width; max- and average pooling
    ///   with windows of a size (all of the channel if left out) and, likewise, stride (that size) and padding. A padding of `0:1` is
    ///   none before and one behind the image.
    /// - `64+`: a dense layer to which a linear map of the network's input is added; `64+3` one of the outputs of hidden layer
    ///   3. For a convolution it is one with kernel 1. `64~3` adds the outputs themselves.
    /// - `[c16k3p1-c16k3p1]x3`: three residual blocks: the input of a block is added to the pre-activations of its last layer, through a
    ///   map as above where their shapes differ.
    ///
    /// Dense layers and convolutions have `activation`, average pooling none. The number before a kernel is that of channels that come out: a
    /// maxout unit of rank k is the largest of k consecutive filters at one position, a sorted group of size g is g channels there.
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(text: &str, activation: Activation, outputs: usize) -> Result<Self> {
        let place = || format!("architecture '{text}'");
        let reader = Reader::new(text, Arc::new(activation));
        let read = reader.and_then(|mut reader| {
            reader.parts()?;
            Self::of_layers(reader.input, reader.layers, outputs)
        });
        read.map_err(|e| e.at(place()))
    }
}

/// Channels, height and width; of dense layers the number of units.
type Image = [usize; 3];

struct Reader<'a> {
    rest: Vec<&'a str>,
    activation: Arc<Activation>,
    input: Vec<usize>,
    layers: Vec<Layer>,
    /// The shapes of the input and of the outputs of every layer.
    images: Vec<Image>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, activation: Arc<Activation>) -> Result<Self> {
        let mut parts = split(text)?.into_iter();
        let first = parts.next().unwrap_or_default();
        let bad = || bad(first, "begin with the input, for example 784, 1x64 or 3x32x32");
        let input: Vec<usize> = first.split('x').map(|n| number(n).ok_or_else(bad)).collect::<Result<_>>()?;
        let image = match *input {
            [n] => [n, 1, 1],
            [channels, length] => [channels, 1, length],
            [channels, height, width] => [channels, height, width],
            _ => return Err(bad()),
        };
        size_of(&image)?;
        Ok(Self { rest: parts.collect(), activation, input, layers: Vec::new(), images: vec![image] })
    }

    fn parts(&mut self) -> Result<()> {
        for part in std::mem::take(&mut self.rest) {
            match part.strip_prefix('[') {
                Some(block) => self.blocks(part, block)?,
                None => self.part(part)?,
            }
        }
        Ok(())
    }

    /// Residual blocks, of which `block` is the text behind the opening bracket.
    fn blocks(&mut self, part: &str, block: &str) -> Result<()> {
        let bad = || bad(part, "write for example [64-64]x3");
        let (inner, repeat) = block.split_once(']').ok_or_else(bad)?;
        let n_blocks = match repeat {
            "" => 1,
            _ => repeat.strip_prefix('x').and_then(number).filter(|&n| n > 0).ok_or_else(bad)?,
        };
        for _ in 0..n_blocks {
            let source = self.layers.len();
            for part in inner.split('-') {
                self.part(part)?;
            }
            let last = self.layers.len() - 1;
            if matches!(self.layers[last].affine, Affine::AveragePool(_) | Affine::WindowValues(_)) {
                return Err(Error::usage(format!(
                    "'{part}': a block ends with a convolution or a dense layer, not with a pool"
                )));
            }
            let map = match self.images[source] == self.pre_activations(last) {
                true => None,
                false => Some(self.map_from(source).map_err(|e| e.at(format!("'{part}'")))?),
            };
            self.layers[last].skips.push(Skip { source, map });
        }
        Ok(())
    }

    /// One layer, or several dense ones.
    fn part(&mut self, part: &str) -> Result<()> {
        let (body, mut skips) = part.split_at(part.find(['+', '~']).unwrap_or(part.len()));
        let mut n_layers = 1;
        if body.starts_with(|c: char| c.is_ascii_digit()) {
            let repeated = if skips.is_empty() { body } else { skips };
            if let Some((once, n)) = repeated.split_once('x') {
                n_layers = number(n).filter(|&n| n > 0).ok_or_else(|| bad(part, DENSE))?;
                skips = if skips.is_empty() { "" } else { once };
            }
        }
        for _ in 0..n_layers {
            let ix = self.layers.len() + 1;
            self.layer(body, skips).map_err(|e| e.at(format!("hidden layer {ix} '{part}'")))?;
        }
        Ok(())
    }

    fn layer(&mut self, body: &str, skips: &str) -> Result<()> {
        if !skips.is_empty() && (body.starts_with("max") || body.starts_with("avg")) {
            return Err(Error::usage("a pool adds nothing from further back: convolutions and dense layers do"));
        }
        if let Some(sizes) = body.strip_prefix("max") {
            return self.pool(sizes, true);
        }
        if let Some(sizes) = body.strip_prefix("avg") {
            return self.pool(sizes, false);
        }
        let map = match body.starts_with('c') {
            true => self.convolution(body)?,
            false => {
                let width = if skips.is_empty() { body.split('x').next().unwrap_or_default() } else { body };
                let width = number(width).ok_or_else(|| Error::usage(DENSE))?;
                let units = pre_activations(&self.activation, width)?;
                Affine::Dense { inputs: size_of(self.image())?, units }
            }
        };
        self.push(map, skips)
    }

    fn image(&self) -> &Image {
        &self.images[self.layers.len()]
    }

    /// A dense layer or convolution with the skips of its text.
    fn push(&mut self, affine: Affine, skips: &str) -> Result<()> {
        let image = match affine {
            Affine::Convolution(map) => {
                with_channels(self.activation.outputs(map.filters).expect("whole units"), &map.windows)
            }
            _ => [self.activation.outputs(affine.units()).expect("whole groups"), 1, 1],
        };
        self.push_layer(Layer { affine, skips: Vec::new(), activation: Arc::clone(&self.activation) }, image)?;
        let mut rest = skips;
        while let Some(kind) = rest.chars().next() {
            let end = rest[1..].find(['+', '~']).map_or(rest.len(), |at| at + 1);
            let (source, after) = (&rest[1..end], &rest[end..]);
            let source = match (kind, source) {
                ('+', "") => 0,
                _ => number(source).ok_or_else(|| Error::usage(SKIP))?,
            };
            if source >= self.layers.len() {
                return Err(Error::usage(format!("adds the outputs of hidden layer {source}, which is not before it")));
            }
            let map = if kind == '+' { Some(self.map_from(source)?) } else { None };
            let last = self.layers.len() - 1;
            self.layers[last].skips.push(Skip { source, map });
            rest = after;
        }
        Ok(())
    }

    fn push_layer(&mut self, layer: Layer, image: Image) -> Result<()> {
        if self.layers.len() == MAX_DEPTH {
            return Err(Error::usage(format!("more than {MAX_DEPTH} layers")));
        }
        size_of(&image)?;
        self.layers.push(layer);
        self.images.push(image);
        Ok(())
    }

    /// The shape of the pre-activations of a layer that is no pool.
    fn pre_activations(&self, layer: usize) -> Image {
        match &self.layers[layer].affine {
            Affine::Convolution(map) => with_channels(map.filters, &map.windows),
            map => [map.units(), 1, 1],
        }
    }

    /// The linear map from a source to the last layer's pre-activations.
    fn map_from(&self, source: usize) -> Result<Affine> {
        let (from, layer) = (self.images[source], &self.layers[self.layers.len() - 1]);
        let Affine::Convolution(to) = layer.affine else {
            return Ok(Affine::Dense { inputs: size_of(&from)?, units: layer.affine.units() });
        };
        let [channels, height, width] = from;
        let output = to.windows.output();
        let stride = [height.div_ceil(output[0]), width.div_ceil(output[1])];
        let windows = Windows { channels, input: [height, width], kernel: [1, 1], stride, padding: [[0; 2]; 2] };
        if windows.check().is_err() || windows.output() != output {
            let [rows, columns] = output;
            return Err(Error::usage(format!(
                "no stride takes a source of {height} x {width} to the layer's {rows} x {columns}"
            )));
        }
        Ok(Affine::Convolution(Convolution { windows, filters: to.filters, groups: 1 }))
    }

    fn convolution(&self, body: &str) -> Result<Affine> {
        let bad =
            || Error::usage("write filters and kernel, then what differs of stride, padding and groups: c16k3s2p1g4");
        let [filters, kernel, stride, padding, groups] = fields(body, ['c', 'k', 's', 'p', 'g']).ok_or_else(bad)?;
        let number = |text: Option<&str>| text.and_then(number).ok_or_else(bad);
        let (outputs, groups) = (number(filters)?, number(groups.or(Some("1")))?);
        let filters = pre_activations(&self.activation, outputs)?;
        let windows = self.windows(kernel.ok_or_else(bad)?, stride.unwrap_or("1"), padding, bad)?;
        if filters == 0 {
            return Err(Error::usage("0 filters: give at least 1"));
        }
        let channels = windows.channels;
        if groups == 0 || !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            let of_outputs = match outputs == filters {
                true => String::new(),
                false => format!(" (of which {} makes {outputs} channels)", self.activation),
            };
            return Err(Error::usage(format!(
                "{groups} groups: give a number that divides both {channels} channels and {filters} filters{of_outputs}"
            )));
        }
        Ok(Affine::Convolution(Convolution { windows, filters, groups }))
    }

    fn pool(&mut self, sizes: &str, is_max: bool) -> Result<()> {
        let bad = || {
            Error::usage("write a window, and what differs of stride and padding: max2, avg3s2p1, or avg for all of it")
        };
        let text = format!("k{sizes}");
        let [_, height, width] = *self.image();
        let is_line = self.input.len() == 2;
        let whole = if is_line { width.to_string() } else { format!("{height}x{width}") };
        let [kernel, stride, padding] = fields(&text, ['k', 's', 'p']).ok_or_else(bad)?;
        let kernel = kernel.filter(|k| !k.is_empty()).unwrap_or(&whole);
        let windows = self.windows(kernel, stride.unwrap_or(kernel), padding, bad)?;
        let image = with_channels(windows.channels, &windows);
        let (affine, activation) = match is_max {
            true => (Affine::WindowValues(windows), Activation::largest_of(windows.area())?),
            false => (Affine::AveragePool(windows), Activation::identity()),
        };
        self.push_layer(Layer { affine, skips: Vec::new(), activation: Arc::new(activation) }, image)
    }

    /// Windows on the image at hand; `bad` is the error of sizes that are none.
    fn windows(&self, kernel: &str, stride: &str, padding: Option<&str>, bad: impl Fn() -> Error) -> Result<Windows> {
        let &[channels, height, width] = self.image();
        let is_line = self.input.len() == 2;
        let is_image = matches!(
            self.layers.last(),
            None | Some(Layer {
                affine: Affine::Convolution(_) | Affine::AveragePool(_) | Affine::WindowValues(_),
                ..
            })
        );
        if self.input.len() == 1 || !is_image {
            return Err(Error::usage(
                "needs an image before it: start with channels x height x width, dense layers last",
            ));
        }
        let sizes = |text: &str, of_line| -> Result<[usize; 2]> {
            let number = |text: &str| number(text).ok_or_else(&bad);
            match text.split_once('x') {
                Some((rows, columns)) if !is_line => Ok([number(rows)?, number(columns)?]),
                Some(_) => Err(bad()),
                None if is_line => Ok([of_line, number(text)?]),
                None => Ok([number(text)?; 2]),
            }
        };
        let windows = Windows {
            channels,
            input: [height, width],
            kernel: sizes(kernel, 1)?,
            stride: sizes(stride, 1)?,
            padding: padding.map_or(Some([[0; 2]; 2]), |text| padding_of(text, is_line)).ok_or_else(&bad)?,
        };
        windows.check()?;
        Ok(windows)
    }
}

/// What dense layers and skips are written like.
const DENSE: &str = "write a width, a convolution (c16k3) or a pool (max2, avg2): 64, or 64x3 for three layers";
const SKIP: &str = "write 64+ for a map of the input, 64+2 for one of hidden layer 2, 64~2 for its outputs themselves";

fn bad(part: &str, remedy: &str) -> Error {
    Error::usage(format!("'{part}': {remedy}"))
}

/// A whole number without a sign.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The parts between dashes outside of brackets.
fn split(text: &str) -> Result<Vec<&str>> {
    let unpaired = || Error::usage("blocks begin with [ and end with ], one after the other: [64-64]x3");
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' | ']' if is_inside == (c == '[') => return Err(unpaired()),
            '[' | ']' => is_inside = !is_inside,
            '-' if !is_inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(unpaired());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// What stands behind each of these letters, of which the first begins the text and the others follow in order or are left out.
fn fields<const N: usize>(text: &str, letters: [char; N]) -> Option<[Option<&str>; N]> {
    let mut found = [None; N];
    let mut rest = text;
    let mut next = 0;
    while let Some(letter) = rest.chars().next() {
        let ix = letters[next..].iter().position(|&l| l == letter)? + next;
        let end = rest[1..].find(letters.as_slice()).map_or(rest.len(), |at| at + 1);
        found[ix] = Some(&rest[1..end]);
        (rest, next) = (&rest[end..], ix + 1);
    }
    Some(found)
}

/// Padding of all sides, of rows x columns, or where it differs before and after the image, before:after of both.
fn padding_of(text: &str, is_line: bool) -> Option<[[usize; 2]; 2]> {
    let axis = |text: &str| match text.split_once(':') {
        Some((before, after)) => Some([number(before)?, number(after)?]),
        None => number(text).map(|n| [n, n]),
    };
    match text.split_once('x') {
        Some((rows, columns)) if !is_line => Some([axis(rows)?, axis(columns)?]),
        Some(_) => None,
        None if is_line => Some([[0; 2], axis(text)?]),
        None => axis(text).map(|n| [n, n]),
    }
}

fn with_channels(channels: usize, windows: &Windows) -> Image {
    let [height, width] = windows.output();
    [channels, height, width]
}

/// The number of values of an image, if that is a number of any use.
fn size_of(image: &Image) -> Result<usize> {
    let size = image.iter().try_fold(1usize, |size, &n| size.checked_mul(n)).filter(|&size| size <= MAX_VALUES);
    size.ok_or_else(|| Error::usage(format!("a layer of {image:?} values: the most are {MAX_VALUES}")))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::ActivationKind;

    fn parse(text: &str) -> Result<Architecture> {
        Architecture::parse(text, Activation::relu(), 1)
    }

    #[test]
    fn text_round_trips_in_its_shortest_form() {
        for (text, shortest) in [
            ("2-64x3", "2-64x3"),
            ("784-512-256-128", "784-512-256-128"),
            ("1-3-3-5x1-5", "1-3x2-5x2"),
            ("20-64-64+x9-64+2", "20-64-64+x9-64+2"),
            ("3x32x32-c16k3s1p1-max2-c32k3x3s2p1g1-100", "3x32x32-c16k3p1-max2-c32k3s2p1-100"),
            ("2x9-c4k3s2-avg2s1-max-5", "2x9-c4k3s2-avg2s1-max-5"),
            ("2x6x8-c4k3x2p1x0g2-avg3x4-7", "2x6x8-c4k3x2p1x0g2-avg3x4-7"),
            ("2x6x6-max3s2p1-avg3", "2x6x6-max3s2p1-avg"),
            ("1x8x9-c4k5p2-max3s2p0:1x0:0-c4k4x2", "1x8x9-c4k5p2-max3s2p0:1x0:0-c4k4x2"),
            ("2x8-max3s2p1:0-c3k2p1:1", "2x8-max3s2p1:0-c3k2p1"),
            (
                "3x8x8-c4k3p1-[c4k3p1-c4k3p1]x2-[c8k3s2p1-c8k3p1]",
                "3x8x8-c4k3p1-c4k3p1-c4k3p1~1-c4k3p1-c4k3p1~3-c8k3s2p1-c8k3p1+5",
            ),
            ("8-[16-8]x2-[8-9]", "8-16-8~0-16-8~2-8-9+4"),
        ] {
            let shape = parse(text).unwrap();
            assert_eq!(shape.to_string(), shortest);
            assert_eq!(parse(shortest).unwrap().to_string(), shortest);
        }
    }

    /// What a block adds has the shape of pre-activations, of which there are half as many as outputs, or more.
    #[test]
    fn blocks_add_to_pre_activations() {
        for (text, activation, expected) in [
            ("8-[8-8]", "relu", "8-8-8~0"),
            ("8-[8-8]", "crelu", "8-8-8+"),
            ("4-[8-8]", "crelu", "4-8-8~0"),
            ("8-[8-8]", "maxout:2", "8-8-8+"),
            ("8-[8-8]", "group-sort:4", "8-8-8~0"),
            ("2x6x6-[c4k3p1-c4k3p1]", "crelu", "2x6x6-c4k3p1-c4k3p1~0"),
            ("4x6x6-[c4k3p1-c4k3p1]", "crelu", "4x6x6-c4k3p1-c4k3p1+"),
        ] {
            let shape = Architecture::parse(text, activation.parse().unwrap(), 1);
            assert_eq!(shape.unwrap().to_string(), expected, "{text} {activation}");
        }
    }

    #[test]
    fn images_become_what_comes_out_of_their_windows() {
        let shape = parse("3x32x30-c16k5s2p1g1-max3s2-c8k1-avg-10").unwrap();
        let units: Vec<usize> = shape.layers().iter().map(|layer| layer.affine.units()).collect();
        // (32 + 2 - 5) / 2 + 1 = 15 by (30 + 2 - 5) / 2 + 1 = 14; then 7 by 6.
        assert_eq!(units, [16 * 15 * 14, 16 * 7 * 6 * 9, 8 * 7 * 6, 8, 10]);
        let outputs: Vec<usize> = shape.layers().iter().map(Layer::outputs).collect();
        assert_eq!(outputs[1], 16 * 7 * 6);
        assert_eq!(shape.layers()[0].affine.fan_in(), 75);
        // The 20 layers of He, Zhang, Ren and Sun 2016 for images of 32 x 32 have 0.27 million parameters.
        let resnet = parse(
            "3x32x32-c16k3p1-[c16k3p1-c16k3p1]x3-[c32k3s2p1-c32k3p1]-[c32k3p1-c32k3p1]x2-[c64k3s2p1-c64k3p1]-[c64k3p1-c64k3p1]x2-avg",
        );
        let resnet = resnet.unwrap();
        assert_eq!((resnet.depth(), resnet.affine_map(20).inputs()), (20, 64));
        assert_eq!(
            resnet.n_hidden_parameters(),
            432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864 + 512 + 2048 + 7 * 16 + 6 * 32 + 6 * 64
        );
    }

    #[test]
    fn bad_shapes_are_refused_with_their_place() {
        for (text, place) in [
            ("", "''"),
            ("2", "hidden layer"),
            ("2-0x3", "hidden layer 1: has width 0"),
            ("0-3", "input dimension"),
            ("2-64x0", "'64x0'"),
            ("2--3", "''"),
            ("2-3x", "'3x'"),
            ("2-a", "'a'"),
            ("-2-3", "''"),
            ("2-3x99999999", "more than"),
            ("1-99999999999999999999", "'99999999999999999999'"),
            ("1-200000x2", "2^34"),
            ("1x3x3x3-c2k2", "'1x3x3x3'"),
            ("5-c2k2", "hidden layer 1 'c2k2': needs an image"),
            ("1x5x5-7-c2k2", "hidden layer 2 'c2k2': needs an image"),
            ("1x5x5-c2k6", "kernel of height 6 on an input of height 5"),
            ("1x5x5-c2k3-c2k0", "hidden layer 2 'c2k0': a kernel of height 0"),
            ("1x5x5-c0k2", "0 filters"),
            ("1x5x5-c2k3s0", "stride of 0"),
            ("1x5x5-c2k3s6", "stride of 6 is larger"),
            ("1x5x5-c2k3p3", "padding of 3 is beyond"),
            ("2x5x5-c3k3g2", "2 groups: give a number that divides both 2 channels and 3 filters"),
            ("+2-8", "'+2': begin with the input"),
            ("2-+8", "hidden layer 1 '+8': write a width"),
            ("2x+9-c4k3", "'2x+9': begin with the input"),
            ("1x9x9-c4k3-8+a", "hidden layer 2 '8+a': write 64+"),
            ("2x5x5-c2k3g0", "0 groups"),
            ("1x5x5-c2", "'c2'"),
            ("1x5x5-c2s1k3", "'c2s1k3'"),
            ("1x9-c2k2x2", "'c2k2x2'"),
            ("1x9-max10s1", "kernel of width 10"),
            ("1x9-avg2k3", "'avg2k3'"),
            ("1x9-max2p0:1x0:1", "'max2p0:1x0:1'"),
            ("1x9x9-max2p0:", "'max2p0:'"),
            ("1x9x9-max2p0:2", "padding of 2 is beyond"),
            ("3-4-4~0", "to which 3 values"),
            ("3-4-4~2", "hidden layer 2 '4~2': adds the outputs of hidden layer 2"),
            ("1x8x8-c2k3-c2k3~1", "to which 72 values"),
            ("1x5x5-c2k2+", "no stride takes a source of 5 x 5"),
            ("3-[4-4", "'3-[4-4': blocks begin with ["),
            ("3x8x8-c4k3-max2+", "hidden layer 2 'max2+': a pool adds nothing"),
            ("1x4x4-avg2~foo", "'avg2~foo': a pool adds nothing"),
            ("3x8x8-[c4k3-max2]", "'[c4k3-max2]': a block ends with"),
            ("1x33x33-max", "a maximum of 1089 values: the most are 1000"),
            ("3-[4-[4]]", "'3-[4-[4]]'"),
            ("3-[4-4]y", "'[4-4]y'"),
            ("3-[4-4]x0", "'[4-4]x0'"),
            ("1099511627777x1x2-max", "the most are"),
            ("18446744073709551615x2x2-3", "the most are"),
        ] {
            let message = parse(text).map(|shape| shape.to_string()).expect_err(text).to_string();
            assert!(message.contains(place), "{text}: {message}");
            // Nothing is quoted twice one after the other.
            let quotes: Vec<&str> = message.split('\'').skip(1).step_by(2).collect();
            assert!(quotes.windows(2).all(|pair| pair[0].is_empty() || pair[0] != pair[1]), "{text}: {message}");
        }
        let error = Architecture::parse("2x5x5-c6k3g2", "crelu".parse().unwrap(), 1).unwrap_err().to_string();
        assert!(error.contains("2 channels and 3 filters (of which crelu makes 6 channels)"), "{error}");
        for (text, activation, message) in [
            ("1x5x5-c3k3", "max-min", "hidden layer 1 'c3k3': has width 3, no multiple of the group size 2 of max-min"),
            ("4x5x5-c6k3g2", "max-min", "6 filters in 2 groups are no whole units or groups of max-min"),
            ("4x5x5-c3k3g2", "maxout:2", "6 filters in 2 groups are no whole units or groups of maxout:2"),
        ] {
            let error = Architecture::parse(text, activation.parse().unwrap(), 1).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let maxout = Architecture::parse("1x5x5-c3k3-c2k2", "maxout:4".parse().unwrap(), 1).unwrap();
        assert_eq!(maxout.to_string(), "1x5x5-c3k3-c2k2");
        let sizes = |layer: &Layer| (layer.affine.units(), layer.outputs(), layer.grouping().stride);
        assert_eq!(maxout.layers().iter().map(sizes).collect::<Vec<_>>(), [(12 * 9, 3 * 9, 9), (8 * 4, 2 * 4, 4)]);
        assert!(matches!(
            parse("1x4x4-max2").unwrap().layers()[0].activation.kind(),
            ActivationKind::Maxout { rank: 4 }
        ));
    }
}
