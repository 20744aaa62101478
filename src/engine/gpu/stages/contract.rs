//! What host and kernels must agree on, read off the kernels.

use std::collections::BTreeMap;
use std::mem::offset_of;

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Literal, Module, ShaderStage, TypeInner};
use wgpu::Limits;

use super::Stage;
use super::harness::device;
use crate::engine::gpu::device::dispatch;
use crate::engine::gpu::plan::{CONVOLUTION_TILE, DENSE_TILE, LANES, MAX_ITERATIONS, SLAB};
use crate::engine::gpu::step::{
    BOUNDARIES, COINCIDENT, CONSTANT, CONSTANT_SHIFT, CROSSED, Density, Draw, Entry, FAILED, GridVertex, Interval,
    KNOTS, NEEDED, NEW, NO_CROSSING, NormalLaw, RESULT_HEAD, RISING, Source, Step, Way, Windows,
};

fn parse(stage: Stage) -> (Module, ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(stage.source()).unwrap_or_else(|e| panic!("{}", e.emit_to_string(stage.source())));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", stage.name(), e.emit_to_string(stage.source())));
    (module, info)
}

/// Bindings of a stage: for each, whether it is a storage buffer.
fn bindings(module: &Module) -> BTreeMap<u32, bool> {
    let bound = module.global_variables.iter().filter_map(|(_, v)| v.binding.map(|b| (v, b)));
    bound
        .map(|(variable, binding)| {
            assert_eq!(binding.group, 0);
            (binding.binding, matches!(variable.space, AddressSpace::Storage { .. }))
        })
        .collect()
}

#[test]
fn stages_need_no_more_than_every_device_has() {
    let limits = Limits::defaults();
    for stage in Stage::ALL {
        let (module, _) = parse(stage);
        let name = stage.name();
        let [entry] = module.entry_points.as_slice() else { panic!("{name}: one entry point") };
        assert_eq!((entry.stage, entry.name.as_str()), (ShaderStage::Compute, "main"), "{name}");
        let lanes = if stage == Stage::Scan { 256 } else { LANES as u32 };
        assert_eq!(entry.workgroup_size, [lanes, 1, 1], "{name}");
        assert!(lanes <= limits.max_compute_invocations_per_workgroup);
        let bindings = bindings(&module);
        assert!(bindings.keys().copied().eq(0..bindings.len() as u32), "{name}: bindings without gaps");
        assert!(!bindings[&0], "{name}: the uniform comes first");
        let n_storage = bindings.values().filter(|&&is_storage| is_storage).count() as u32;
        assert_eq!(n_storage as usize, bindings.len() - 1);
        assert!(n_storage <= limits.max_storage_buffers_per_shader_stage, "{name}: {n_storage} storage buffers");
        let context = module.to_ctx();
        let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| module.types[v.ty].inner.size(context)).sum();
        assert!(bytes <= limits.max_compute_workgroup_storage_size, "{name}: {bytes} bytes of workgroup memory");
    }
}

#[test]
fn stages_translate_for_every_kind_of_device() {
    for stage in Stage::ALL {
        let (module, info) = parse(stage);
        let name = stage.name();
        spv::write_vec(&module, &info, &spv::Options::default(), None).unwrap_or_else(|e| panic!("{name}: {e}"));
        let options = msl::Options { fake_missing_bindings: true, ..Default::default() };
        msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let options = hlsl::Options::default();
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

/// Names and offsets of a struct's members, and its size.
fn layout(module: &Module, name: &str) -> Option<(Vec<(String, u32)>, u32)> {
    let (_, found) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name))?;
    let TypeInner::Struct { members, span } = &found.inner else { panic!("{name} is no struct") };
    Some((members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset)).collect(), *span))
}

macro_rules! rust_layout {
    ($type:ty, $($field:ident),+) => {
        (vec![$((stringify!($field).to_owned(), offset_of!($type, $field) as u32)),+], size_of::<$type>() as u32)
    };
}

#[test]
fn structs_have_the_same_layout_on_both_sides() {
    let expected = [
        (
            "Step",
            rust_layout!(
                Step,
                paths_per_network,
                rows_in,
                rows_out,
                inputs,
                units,
                n_breakpoints,
                layer,
                n_layers,
                row_base,
                input_base,
                input_end,
                grid_base,
                grid_points,
                side_base,
                n_sides,
                keeps_rows,
                pairs,
                lanes,
                group_size,
                group_stride,
                from_stride,
                from_base,
                to_stride,
                to_base,
                weights_stride,
                weights_base,
                bias_base,
                adds,
                n_laws,
                bit,
                n_ways,
                outputs,
                selects
            ),
        ),
        ("Windows", rust_layout!(Windows, input, kernel, stride, padding, output, channels, filters, area, share)),
        ("Way", rust_layout!(Way, layers, from_input)),
        ("Draw", rust_layout!(Draw, seed, tensor, n_elements, stride, base, scale, padding)),
        ("Interval", rust_layout!(Interval, first_entry, n_entries, n_new, new_row)),
        ("OpenInterval", rust_layout!(Interval, first_entry, n_entries, n_new, new_row)),
        ("Entry", rust_layout!(Entry, fraction, row, crossing, leads)),
        ("Source", rust_layout!(Source, row, fraction, crossing)),
        ("NormalLaw", rust_layout!(NormalLaw, scale, weight_variance, bias_variance, multiplicity)),
        ("Density", rust_layout!(Density, width, peak, is_uniform)),
        ("Vertex", rust_layout!(GridVertex, whole, part, length)),
    ];
    for (name, expected) in expected {
        let found: Vec<_> = Stage::ALL.iter().filter_map(|&s| layout(&parse(s).0, name)).collect();
        assert!(!found.is_empty(), "{name} is used");
        assert!(found.iter().all(|layout| *layout == expected), "{name}: {found:?} on the device, {expected:?} here");
    }
}

/// The value of a named constant, where the stage has it.
fn constant(module: &Module, name: &str) -> Option<u32> {
    let (_, constant) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
    match module.global_expressions[constant.init] {
        naga::Expression::Literal(Literal::U32(value)) => Some(value),
        _ => None,
    }
}

#[test]
fn constants_are_the_same_on_both_sides() {
    let expected = [
        ("LANES", LANES as u32),
        ("SLAB", SLAB as u32),
        ("CROSSED", CROSSED),
        ("CONSTANT", CONSTANT),
        ("CONSTANT_SHIFT", CONSTANT_SHIFT as u32),
        ("COINCIDENT", COINCIDENT),
        ("RISING", RISING),
        ("NEW", NEW),
        ("NO_CROSSING", NO_CROSSING),
        ("FAILED", FAILED as u32),
        ("NEEDED", NEEDED as u32),
        ("BOUNDARIES", BOUNDARIES as u32),
        ("KNOTS", KNOTS as u32),
        ("CROSSINGS", RESULT_HEAD as u32),
    ];
    for (name, expected) in expected {
        let found: Vec<u32> = Stage::ALL.iter().filter_map(|&s| constant(&parse(s).0, name)).collect();
        assert!(!found.is_empty(), "{name} is used");
        assert!(found.iter().all(|&value| value == expected), "{name}: {found:?} on the device, {expected} here");
    }
}

#[test]
fn tiles_have_the_same_size_on_both_sides() {
    for (stage, tile) in [(Stage::Affine, DENSE_TILE), (Stage::Convolution, CONVOLUTION_TILE)] {
        let module = parse(stage).0;
        let found = ["TILE_ROWS", "TILE_COLUMNS"].map(|name| constant(&module, name));
        assert_eq!(found, tile.map(|n| Some(n as u32)), "{}", stage.name());
    }
}

/// Some software devices silently leave out iterations of a loop beyond 65,535 (Mesa 22). Plans keep all loops shorter than
/// `MAX_ITERATIONS`; this shows that the device at hand runs so many.
#[test]
fn long_loops_run_to_their_end() {
    let device = device();
    // A unit exactly on its breakpoint all along, but for the first row: the stage walks back to it.
    let rows = MAX_ITERATIONS - 1;
    let step = Step { rows_in: rows as u32, units: 1, n_breakpoints: 1, n_sides: 1, ..Step::default() };
    let mut z = vec![0f32; rows];
    z[0] = 1.0;
    let sides = device.scoped(|| {
        let sides = device.filled("sides", &[0]);
        let others = [device.filled("pieces", &[0f32, 0.0, 1.0, 0.0, 0.0]), device.filled("z", &z)];
        let n_rows = device.filled("n_rows", &[rows as u32]);
        let bind =
            device.bind(Stage::Sides, &[&device.uniform("step", &step), &others[0], &others[1], &n_rows, &sides]);
        let mut encoder = device.encoder();
        dispatch(&mut encoder, device.pipeline(Stage::Sides), &bind, [1, 1, 1]);
        let staging = device.staging(4);
        encoder.copy_buffer_to_buffer(&sides, 0, &staging, 0, 4);
        device.submit(encoder).unwrap();
        device.read(&staging, 1).unwrap()
    });
    assert_eq!(sides.unwrap(), [1]);
}
