//! Arrays of constants: decoded, broadcast, and read from a file of their own beside the model.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use prost::Message;
use prost::bytes::Bytes;

use super::proto::{StringStringEntryProto, TensorProto};
use crate::error::{Error, Result};
use crate::files::read_bytes;

/// Values of `TensorProto.DataType`.
const FLOAT: i32 = 1;
const INT32: i32 = 6;
const INT64: i32 = 7;
const BOOL: i32 = 9;
const FLOAT16: i32 = 10;
const DOUBLE: i32 = 11;
const BFLOAT16: i32 = 16;

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// Arrays of more sides are nobody's.
const MAX_RANK: usize = 64;

/// A row-major array. Integers are exact up to 2^53, far above any size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    /// Whether its type is one of integers, which divide to integers.
    pub is_integer: bool,
}

impl Tensor {
    /// An array of floating-point numbers without sides.
    pub(super) fn scalar(value: f64) -> Self {
        Self { shape: Vec::new(), values: vec![value], is_integer: false }
    }

    /// A list of integers.
    pub(super) fn integers(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        Self { shape: vec![values.len()], values, is_integer: true }
    }

    /// Decodes an array of the file.
    pub(super) fn decode(proto: &TensorProto, files: &ExternalFiles) -> Result<Self> {
        check_rank(proto.dims.len())?;
        let side = |&n: &i64| usize::try_from(n).map_err(|_| Error::usage(format!("a side of {n} elements")));
        let shape: Vec<usize> = proto.dims.iter().map(side).collect::<Result<_>>()?;
        let n = n_elements(&shape).ok_or_else(|| Error::usage(format!("shape {shape:?} is too large")))?;
        let kind = proto.data_type;
        let width = match kind {
            BOOL => 1,
            FLOAT16 | BFLOAT16 => 2,
            FLOAT | INT32 => 4,
            DOUBLE | INT64 => 8,
            _ => {
                let name = type_name(kind);
                return Err(Error::usage(format!("elements of type {name}: save them as FLOAT or DOUBLE")));
            }
        };
        let raw = match proto.data_location {
            EXTERNAL => files.read(&proto.external_data)?,
            _ => proto.raw_data.clone(),
        };
        let values = if raw.is_empty() { listed_values(proto) } else { raw_values(kind, width, &raw, n)? };
        if values.len() != n {
            return Err(Error::usage(format!("{} values for shape {shape:?}, which has {n}", values.len())));
        }
        Ok(Self { shape, values, is_integer: matches!(kind, INT32 | INT64 | BOOL) })
    }

    /// The only value of an array of one.
    pub(super) fn single(&self) -> Option<f64> {
        if let [value] = *self.values { Some(value) } else { None }
    }

    /// The values repeated along missing sides and sides of 1, as far as `shape`, which [`broadcast`] made of the tensor's.
    pub(super) fn expand(&self, shape: &[usize]) -> Vec<f64> {
        let n = shape.iter().product();
        if self.values.len() == n {
            return self.values.clone();
        }
        let missing = shape.len() - self.shape.len();
        // Elements to go on by one step along a side, none where values repeat.
        let mut strides = vec![0; shape.len()];
        let mut stride = 1;
        for (axis, &side) in self.shape.iter().enumerate().rev() {
            strides[missing + axis] = if side == 1 { 0 } else { stride };
            stride *= side;
        }
        let (mut index, mut at) = (vec![0; shape.len()], 0);
        let mut values = Vec::with_capacity(n);
        for _ in 0..n {
            values.push(self.values[at]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                at -= strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
        values
    }
}

/// Refuses a shape of absurdly many sides.
pub(super) fn check_rank(rank: usize) -> Result<()> {
    if rank > MAX_RANK { Err(Error::usage(format!("a shape of {rank} sides"))) } else { Ok(()) }
}

/// The number of elements of a shape, unless it overflows.
pub(super) fn n_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side))
}

/// The common shape of two arrays in an operation element by element, if there is one.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let common = |axis| match (side(a, axis), side(b, axis)) {
        (x, y) if x == y || y == 1 => Some(x),
        (1, y) => Some(y),
        _ => None,
    };
    (0..rank).map(common).collect()
}

/// Values in the fields of the message itself.
fn listed_values(proto: &TensorProto) -> Vec<f64> {
    let half = |convert: fn(u16) -> f64| proto.int32_data.iter().map(|&bits| convert(bits as u16)).collect();
    match proto.data_type {
        FLOAT => proto.float_data.iter().map(|&v| f64::from(v)).collect(),
        DOUBLE => proto.double_data.clone(),
        INT64 => proto.int64_data.iter().map(|&v| v as f64).collect(),
        FLOAT16 => half(|bits| f16::from_bits(bits).to_f64()),
        BFLOAT16 => half(|bits| bf16::from_bits(bits).to_f64()),
        _ => proto.int32_data.iter().map(|&v| f64::from(v)).collect(),
    }
}

/// Values as little-endian bytes.
fn raw_values(kind: i32, width: usize, raw: &[u8], n: usize) -> Result<Vec<f64>> {
    if n.checked_mul(width) != Some(raw.len()) {
        return Err(Error::usage(format!("{} bytes of data for {n} elements of {width} bytes", raw.len())));
    }
    fn all<const N: usize>(raw: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.as_chunks().0.iter().map(|&bytes| convert(bytes)).collect()
    }
    Ok(match kind {
        FLOAT => all(raw, |b| f64::from(f32::from_le_bytes(b))),
        DOUBLE => all(raw, f64::from_le_bytes),
        INT32 => all(raw, |b| f64::from(i32::from_le_bytes(b))),
        INT64 => all(raw, |b| i64::from_le_bytes(b) as f64),
        FLOAT16 => all(raw, |b| f16::from_le_bytes(b).to_f64()),
        BFLOAT16 => all(raw, |b| bf16::from_le_bytes(b).to_f64()),
        _ => raw.iter().map(|&b| f64::from(b)).collect(),
    })
}

/// The name of an element type.
pub(super) fn type_name(kind: i32) -> String {
    let name = match kind {
        FLOAT => "FLOAT",
        2 => "UINT8",
        3 => "INT8",
        4 => "UINT16",
        5 => "INT16",
        INT32 => "INT32",
        INT64 => "INT64",
        8 => "STRING",
        BOOL => "BOOL",
        FLOAT16 => "FLOAT16",
        DOUBLE => "DOUBLE",
        12 => "UINT32",
        13 => "UINT64",
        BFLOAT16 => "BFLOAT16",
        other => return format!("number {other}"),
    };
    name.to_owned()
}

/// What a cast to an element type does.
pub(super) enum Cast {
    /// Every value of a network in f32 stays what it is.
    Keep,
    /// Values become integers.
    Truncate,
    /// Values are rounded.
    Round,
}

/// What a cast to this element type does; `None` where there are no such numbers.
pub(super) fn cast(kind: i64) -> Option<Cast> {
    match i32::try_from(kind).ok()? {
        FLOAT | DOUBLE => Some(Cast::Keep),
        INT32 | INT64 => Some(Cast::Truncate),
        FLOAT16 | BFLOAT16 => Some(Cast::Round),
        _ => None,
    }
}

/// The files that hold a model's larger arrays: in its own directory, each read once.
pub(super) struct ExternalFiles {
    directory: PathBuf,
    read: RefCell<HashMap<String, Bytes>>,
}

impl ExternalFiles {
    /// Those beside a model.
    pub(super) fn beside(model: &Path) -> Self {
        let directory = model.parent().unwrap_or(Path::new("")).to_owned();
        Self { directory, read: RefCell::default() }
    }

    /// The part of a file that an array's entries name.
    fn read(&self, entries: &[Bytes]) -> Result<Bytes> {
        let (mut location, mut offset, mut length) = (None, 0, None);
        for entry in entries {
            let entry = StringStringEntryProto::decode(entry.clone()).map_err(super::malformed)?;
            let number = || {
                let text = entry.value.trim();
                text.parse::<usize>()
                    .map_err(|_| Error::usage(format!("external data: {} '{text}' is no number", entry.key)))
            };
            match entry.key.as_str() {
                "location" => location = Some(entry.value),
                "offset" => offset = number()?,
                "length" => length = Some(number()?),
                _ => {}
            }
        }
        let location = location.ok_or_else(|| Error::usage("external data without a location"))?;
        let bytes = self.file(&location)?;
        let end = length.map_or(Some(bytes.len()), |length| offset.checked_add(length));
        match end {
            Some(end) if offset <= end && end <= bytes.len() => Ok(bytes.slice(offset..end)),
            _ => Err(Error::usage(format!(
                "external data: {} bytes from {offset} on, but '{location}' has {}",
                length.unwrap_or(0),
                bytes.len()
            ))),
        }
    }

    fn file(&self, location: &str) -> Result<Bytes> {
        if let Some(bytes) = self.read.borrow().get(location) {
            return Ok(bytes.clone());
        }
        // A name alone: a model must not make other files of the user's part of it.
        let path = self.directory.join(location);
        let is_name = !location.contains(['/', '\\', '\0']) && path.file_name().is_some_and(|name| name == location);
        if !is_name || !path.symlink_metadata().is_ok_and(|data| data.is_file()) {
            return Err(Error::usage(format!("external data: no file '{location}' in the model's own directory")));
        }
        let bytes = Bytes::from(read_bytes(&path)?);
        self.read.borrow_mut().insert(location.to_owned(), bytes.clone());
        Ok(bytes)
    }
}
