//! Reading architectures.

use std::sync::Arc;

use super::text::{fields, number, padding_of, split};
use crate::error::{Error, Result};
use crate::network::architecture::pre_activations;
use crate::network::{Activation, Affine, Architecture, Convolution, Layer, Skip, Windows};

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

fn with_channels(channels: usize, windows: &Windows) -> Image {
    let [height, width] = windows.output();
    [channels, height, width]
}

/// The number of values of an image, if that is a number of any use.
fn size_of(image: &Image) -> Result<usize> {
    let size = image.iter().try_fold(1usize, |size, &n| size.checked_mul(n)).filter(|&size| size <= MAX_VALUES);
    size.ok_or_else(|| Error::usage(format!("a layer of {image:?} values: the most are {MAX_VALUES}")))
}
