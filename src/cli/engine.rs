//! The flags that choose what computes.

use clap::{Args, ValueEnum};

use crate::engine::cpu::CpuEngine;
#[cfg(feature = "gpu")]
use crate::engine::gpu::{AdapterChoice, GpuEngine, adapters, automatic, check};
use crate::engine::{Engine, Estimator, Precision};
use crate::error::{Error, Result};
use crate::experiment::Plan;
use crate::network::Architecture;

#[derive(Clone, Debug, Args)]
pub(super) struct EngineFlags {
    /// What computes
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,

    /// The GPU: a number that linregions devices shows, or all [default: the fastest]
    #[arg(long, value_name = "N|all")]
    adapter: Option<String>,

    /// Threads of the CPU engine [default: all cores]
    #[arg(long, allow_negative_numbers = true)]
    threads: Option<usize>,

    /// Floating-point type of the engine (f64: CPU only)
    #[arg(long, value_enum)]
    precision: Option<PrecisionChoice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineChoice {
    /// A GPU where there is one, else the processor
    Auto,
    /// A GPU
    Gpu,
    /// The processor
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PrecisionChoice {
    F32,
    F64,
}

impl EngineFlags {
    /// The engine for networks of these shapes, in f32 unless another precision is asked for. `auto` takes the processor for layers that
    /// are too much for GPUs.
    ///
    /// # Errors
    /// Flags that contradict each other, no GPU where one is asked for.
    pub(super) fn build<'a>(
        &self,
        shapes: impl IntoIterator<Item = &'a Architecture>,
        quiet: bool,
    ) -> Result<Box<dyn Engine>> {
        match self.asks_for_gpu()? {
            true => self.gpu(),
            false if self.engine == EngineChoice::Auto && !self.asks_for_f64() => self.automatic(shapes, quiet),
            false => self.cpu(),
        }
    }

    /// The engine for plans: `auto` takes the processor where all are of expected crossings, which are done before a GPU has started, and
    /// where one draws features.
    ///
    /// # Errors
    /// Those of [`EngineFlags::build`].
    pub(super) fn build_for(&self, plans: &[&Plan], quiet: bool) -> Result<Box<dyn Engine>> {
        let is_for_cpu = plans.iter().all(|plan| plan.estimator.is_rice())
            || plans.iter().any(|plan| plan.estimator == Estimator::RiceFeatures);
        match is_for_cpu && self.engine == EngineChoice::Auto && !self.asks_for_gpu()? {
            true => self.cpu(),
            false => self.build(plans.iter().map(|plan| plan.ensemble.network.architecture()), quiet),
        }
    }

    /// The engine for tracing networks of a shape; `None` for the f64 reference, which is what traces by default.
    ///
    /// # Errors
    /// Those of [`EngineFlags::build`].
    pub(super) fn build_for_trace(&self, shape: &Architecture, quiet: bool) -> Result<Option<Box<dyn Engine>>> {
        if self.asks_for_gpu()? || self.precision == Some(PrecisionChoice::F32) {
            return self.build([shape], quiet).map(Some);
        }
        // Its flags are checked all the same.
        self.cpu().map(|_| None)
    }

    /// The number of threads that was asked for.
    pub(super) fn threads(&self) -> Option<usize> {
        self.threads
    }

    fn asks_for_f64(&self) -> bool {
        self.precision == Some(PrecisionChoice::F64)
    }

    /// Whether the flags name a GPU.
    fn asks_for_gpu(&self) -> Result<bool> {
        let asks = self.engine == EngineChoice::Gpu || self.adapter.is_some();
        if !asks {
            return Ok(false);
        }
        if self.engine == EngineChoice::Cpu {
            return Err(Error::usage("--adapter chooses a GPU: leave it out, or use --engine gpu"));
        }
        if self.asks_for_f64() {
            return Err(Error::usage("--precision f64: GPUs compute in f32 here, use --engine cpu"));
        }
        if self.threads.is_some() {
            return Err(Error::usage("--threads is about the CPU engine: leave it out, or use --engine cpu"));
        }
        Ok(true)
    }

    fn cpu(&self) -> Result<Box<dyn Engine>> {
        let precision = if self.asks_for_f64() { Precision::F64 } else { Precision::F32 };
        Ok(Box::new(CpuEngine::new(self.threads, precision)?))
    }

    #[cfg(feature = "gpu")]
    fn gpu(&self) -> Result<Box<dyn Engine>> {
        let choice = match self.adapter.as_deref() {
            None => AdapterChoice::Best,
            Some("all") => AdapterChoice::All,
            Some(number) => AdapterChoice::Number(number.parse().map_err(|_| {
                Error::usage(format!("--adapter {number}: give a number that linregions devices shows, or all"))
            })?),
        };
        Ok(Box::new(GpuEngine::new(choice)?))
    }

    /// A real GPU where there is one that works and takes these shapes, else the processor.
    #[cfg(feature = "gpu")]
    fn automatic<'a>(
        &self,
        shapes: impl IntoIterator<Item = &'a Architecture>,
        quiet: bool,
    ) -> Result<Box<dyn Engine>> {
        // Whoever counts threads means the processor.
        let number = if self.threads.is_none() { automatic(&adapters()) } else { None };
        let open = |number| {
            shapes.into_iter().try_for_each(check)?;
            GpuEngine::new(AdapterChoice::Number(number))
        };
        match number.map(open) {
            None => self.cpu(),
            Some(Ok(engine)) => Ok(Box::new(engine)),
            Some(Err(error)) => {
                if !quiet {
                    super::complain(format_args!("warning: the CPU computes, because the GPU does not: {error}"));
                }
                self.cpu()
            }
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn gpu(&self) -> Result<Box<dyn Engine>> {
        Err(super::no_gpu_support("--engine gpu"))
    }

    #[cfg(not(feature = "gpu"))]
    fn automatic<'a>(&self, _: impl IntoIterator<Item = &'a Architecture>, _: bool) -> Result<Box<dyn Engine>> {
        self.cpu()
    }
}
