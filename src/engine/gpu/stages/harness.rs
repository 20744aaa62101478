//! What the tests of the stages share: one dispatch on a real device.

use bytemuck::Pod;
use wgpu::Limits;

use super::Stage;
use crate::engine::gpu::adapter::{self, AdapterChoice};
use crate::engine::gpu::device::{Device, dispatch};
use crate::engine::gpu::step::{COINCIDENT, CONSTANT_SHIFT};
use crate::random::Stream;

/// What is in buffers before a stage writes to them; as a float, NaN.
pub(in crate::engine::gpu) const DIRT: u32 = 0xFFFF_DEAD;

/// The best device, with the limits that every device has.
pub(in crate::engine::gpu) fn device() -> Device {
    let (adapter, _) = adapter::take(AdapterChoice::Best).expect("a device: see the README").swap_remove(0);
    Device::open(&adapter, Some(Limits::defaults())).expect("it opens")
}

/// Runs a stage once on these buffers and returns what is in them then.
pub(super) fn run<const N: usize>(
    device: &Device,
    stage: Stage,
    uniform: &impl Pod,
    groups: [u32; 3],
    buffers: [&[u32]; N],
) -> [Vec<u32>; N] {
    let result = device.scoped(|| {
        let uniform = device.uniform("test", uniform);
        let on_device = buffers.map(|words| device.filled("test", words));
        let all: Vec<&wgpu::Buffer> = std::iter::once(&uniform).chain(&on_device).collect();
        let bind = device.bind(stage, &all);
        let mut encoder = device.encoder();
        dispatch(&mut encoder, device.pipeline(stage), &bind, groups);
        let back = std::array::from_fn(|ix| {
            let staging = device.staging(4 * buffers[ix].len() as u64);
            encoder.copy_buffer_to_buffer(&on_device[ix], 0, &staging, 0, 4 * buffers[ix].len() as u64);
            staging
        });
        device.submit(encoder).expect("it runs");
        let read = |ix: usize| {
            let back: &[wgpu::Buffer; N] = &back;
            device.read(&back[ix], buffers[ix].len()).expect("it can be read")
        };
        std::array::from_fn(read)
    });
    result.expect("no error")
}

/// Anything as words.
pub(super) fn words<T: Pod>(values: &[T]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}

/// Words as anything.
pub(super) fn values<T: Pod>(words: &[u32]) -> &[T] {
    bytemuck::cast_slice(words)
}

/// Whole numbers from 0 to `below`, the same for the same `seed`.
pub(super) fn dice(seed: u64) -> impl FnMut(u32) -> u32 {
    let stream = Stream::new(seed, 0, 0);
    let mut next = 0;
    move |below| {
        next += 1;
        stream.word(next) % below
    }
}

/// Flags of a row, for two layers.
pub(super) fn random_flags(die: &mut impl FnMut(u32) -> u32) -> u32 {
    let coincident = if die(2) == 1 { COINCIDENT } else { 0 };
    coincident | die(4) | die(4) << CONSTANT_SHIFT
}

/// Whether the device has the twin's values but for a relative error, and nothing where the twin has none.
pub(super) fn agree(twin: &[Option<f64>], device: &[u32], relative: f64) -> bool {
    let same = |(twin, (&bits, &value)): (&Option<f64>, (&u32, &f32))| match twin {
        Some(twin) => (f64::from(value) - twin).abs() <= relative * twin.abs(),
        None => bits == DIRT,
    };
    twin.len() == device.len() && twin.iter().zip(device.iter().zip(values::<f32>(device))).all(same)
}

/// Whether a stage notices that one of its inputs is another: the negative control of a comparison.
pub(super) fn expect_difference(twin: &[u32], device: &[u32], what: &str) {
    assert_ne!(twin, device, "a changed input changes nothing: {what}");
}
