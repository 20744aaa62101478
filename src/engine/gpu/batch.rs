//! A batch on the device: sends what it is about, runs its commands, reads what comes of it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use wgpu::Buffer;

use super::buffers::Buffers;
use super::commands::{self, Command};
use super::device::{Device, Fault};
use super::inputs::{Inputs, Job};
use super::outcome::{LayerLog, Outcome};
use super::plan::Plan;
use super::program::{Builder, GridStep, Program};
use super::step::{BOUNDARIES, FAILED, KNOTS, NEEDED, RESULT_HEAD};

/// The time that one stage of one layer took on a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageTime {
    /// The stage's name, that of its file in `shaders/`.
    pub stage: &'static str,
    /// The layer, from 0.
    pub layer: usize,
    /// Seconds, from sending to the end; some microseconds of each are overhead.
    pub seconds: f64,
}

/// Buffers and commands for up to as many networks and paths as its plan has.
pub(super) struct Batch {
    pub(super) plan: Plan,
    /// What it was made for.
    job: String,
    buffers: Buffers,
    program: Program,
}

impl Batch {
    /// Makes room for a plan of the job of this name.
    pub(super) fn new(device: &Device, plan: Plan, job: &Job, name: &str) -> Result<Self, Fault> {
        device.scoped(|| {
            let buffers = Buffers::new(device, &plan);
            let program = Builder::new(device, &plan, job, &buffers).build();
            Self { plan, job: name.to_owned(), buffers, program }
        })
    }

    /// What it was made for.
    pub(super) fn job(&self) -> &str {
        &self.job
    }

    /// Counts on all paths of `inputs`, at most as many as planned. `None` if asked to stop.
    pub(super) fn count(
        &mut self,
        device: &Device,
        job: &Job,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Outcome>>, Fault> {
        self.load(device, inputs)?;
        let mut total: Vec<Outcome> = vec![Outcome::default(); inputs.paths.len()];
        for pass in self.passes() {
            self.set_pass(device, pass);
            for layer in 0..self.program.layers.len() {
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                self.run_layer(device, job, inputs, layer)?;
            }
            let outcomes = self.outcomes(device, inputs.paths.len())?;
            total.iter_mut().zip(outcomes).for_each(|(total, outcome)| total.add(outcome));
        }
        Ok(Some(total))
    }

    /// Sends what a batch is about.
    fn load(&self, device: &Device, inputs: &Inputs) -> Result<(), Fault> {
        let rows = self.plan.shape.rows[0];
        device.scoped(|| {
            let write = |buffer: &Buffer, bytes: &[u8]| device.queue().write_buffer(buffer, 0, bytes);
            commands::send_draws(device, &inputs.draws, &self.buffers.draws);
            write(&self.buffers.points, bytemuck::cast_slice(&inputs.points(rows)));
            write(&self.buffers.n_rows[0], bytemuck::cast_slice(&inputs.n_vertices()));
            write(&self.buffers.vertices, bytemuck::cast_slice(&inputs.grid_vertices(rows)));
        })?;
        let mut encoder = device.encoder();
        encoder.clear_buffer(&self.buffers.sides, 0, None);
        device.submit(encoder)
    }

    /// The grid points of every pass; the exact method has one.
    fn passes(&self) -> Vec<Range<usize>> {
        let (grid, pass) = self.plan.shape.grid.map_or((1, 1), |grid| (grid, self.plan.shape.rows[1]));
        (0..grid).step_by(pass).map(|base| base..grid.min(base + pass)).collect()
    }

    fn set_pass(&mut self, device: &Device, pass: Range<usize>) {
        if let Some(GridStep { buffer, step }) = &mut self.program.grid {
            step.grid_base = pass.start as u32;
            step.grid_points = (pass.end - pass.start) as u32;
            device.queue().write_buffer(buffer, 0, bytemuck::bytes_of(step));
        }
    }

    /// Sends the commands of one layer, in several submissions where there is much to do.
    fn run_layer(&self, device: &Device, job: &Job, inputs: &Inputs, layer: usize) -> Result<(), Fault> {
        commands::send_weights(device, job, &inputs.draws, layer, &self.buffers.weights)?;
        let share = inputs.paths.len() as f64 / self.plan.n_paths() as f64;
        commands::submit(device, &self.program.layers[layer], inputs.extent(), share)
    }

    /// Counts on all paths of `inputs` with one submission after the other, and takes the time of each.
    pub(super) fn profile(&mut self, device: &Device, job: &Job, inputs: &Inputs) -> Result<Vec<StageTime>, Fault> {
        self.load(device, inputs)?;
        self.set_pass(device, self.passes().swap_remove(0));
        let mut times = Vec::new();
        for layer in 0..self.program.layers.len() {
            commands::send_weights(device, job, &inputs.draws, layer, &self.buffers.weights)?;
            for command in &self.program.layers[layer] {
                let mut encoder = device.encoder();
                command.encode(device, &mut encoder, inputs.extent());
                device.finish()?;
                let start = Instant::now();
                device.submit(encoder)?;
                device.finish()?;
                if let Command::Run { stage, .. } = command {
                    times.push(StageTime { stage: stage.name(), layer, seconds: start.elapsed().as_secs_f64() });
                }
            }
        }
        Ok(times)
    }

    /// Reads the results of the first `n_paths` paths.
    pub(super) fn outcomes(&self, device: &Device, n_paths: usize) -> Result<Vec<Outcome>, Fault> {
        let stride = RESULT_HEAD + self.plan.shape.layers.len();
        let parts: Vec<(&Buffer, usize)> = std::iter::once((&self.buffers.results, n_paths * stride))
            .chain(self.buffers.n_rows.iter().map(|buffer| (buffer, n_paths)))
            .collect();
        let words = device.read_parts(&self.buffers.staging, &parts)?;
        let (results, rows) = words.split_at(n_paths * stride);
        let outcome = |(path, result): (usize, &[u32])| Outcome {
            failed_layer: (result[FAILED] > 0).then(|| self.plan.shape.layers.len() - result[FAILED] as usize),
            needed: (result[NEEDED] > 0).then_some(result[NEEDED] as usize),
            boundaries: u64::from(result[BOUNDARIES]),
            knots: self.plan.shape.grid.is_none().then_some(u64::from(result[KNOTS])),
            crossings: result[RESULT_HEAD..].iter().map(|&n| u64::from(n)).collect(),
            rows: rows.iter().skip(path).step_by(n_paths).map(|&n| n as usize).collect(),
        };
        Ok(results.chunks_exact(stride).enumerate().map(outcome).collect())
    }

    /// Counts on one path, and keeps what every layer did. `None` if asked to stop.
    pub(super) fn log(
        &self,
        device: &Device,
        job: &Job,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<(Outcome, Vec<LayerLog>)>, Fault> {
        self.load(device, inputs)?;
        let mut logs = Vec::new();
        for layer in 0..self.program.layers.len() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            self.run_layer(device, job, inputs, layer)?;
            logs.push(self.layer_log(device, layer)?);
        }
        let outcome = self.outcomes(device, 1)?.swap_remove(0);
        Ok(Some((outcome, logs)))
    }

    /// What a layer found on the first path, and where its rows after insertion came from.
    fn layer_log(&self, device: &Device, layer: usize) -> Result<LayerLog, Fault> {
        let rows = self.plan.shape.rows_out(layer);
        let parts = [
            (&self.buffers.n_entries, 1),
            (&self.buffers.n_rows[layer + 1], 1),
            (&self.buffers.entries, 4 * rows),
            (&self.buffers.sources, 3 * rows),
        ];
        let words = device.read_parts(&self.buffers.staging, &parts)?;
        let (entries, sources) = words[2..].split_at(4 * rows);
        let n_entries = (words[0] as usize).min(rows);
        let n_sources = words[1] as usize;
        Ok(LayerLog {
            entries: bytemuck::cast_slice(&entries[..4 * n_entries]).to_vec(),
            sources: bytemuck::cast_slice(&sources[..3 * n_sources]).to_vec(),
        })
    }
}

/// What tests read of a batch.
#[cfg(test)]
impl Batch {
    /// The parameters of all draws, layer by layer, as they are on the device.
    pub(super) fn weights(&self, device: &Device, job: &Job, inputs: &Inputs) -> Result<Vec<Vec<f32>>, Fault> {
        self.load(device, inputs)?;
        let layer_weights = |layer: usize| {
            self.run_layer(device, job, inputs, layer)?;
            let shape = &self.plan.shape.layers[layer];
            let words = inputs.draws.len() * shape.n_parameters;
            Ok(bytemuck::cast_slice(&device.read_parts(&self.buffers.staging, &[(&self.buffers.weights, words)])?)
                .to_vec())
        };
        (0..self.program.layers.len()).map(layer_weights).collect()
    }
}
