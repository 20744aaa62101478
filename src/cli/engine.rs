//! The flags that choose what computes.

use clap::{Args, ValueEnum};

use crate::engine::cpu::CpuEngine;
use crate::engine::{Engine, Precision};
use crate::error::{Error, Result};

#[derive(Clone, Debug, Args)]
pub(super) struct EngineFlags {
    /// What computes
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,

    /// Threads of the CPU engine [default: all cores]
    #[arg(long, allow_negative_numbers = true)]
    threads: Option<usize>,

    /// Floating-point type of the engine (f64: CPU only)
    #[arg(long, value_enum)]
    precision: Option<PrecisionChoice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineChoice {
    /// The best there is
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
    /// The precision asked for, if any.
    pub(super) fn precision(&self) -> Option<Precision> {
        self.precision.map(|choice| match choice {
            PrecisionChoice::F32 => Precision::F32,
            PrecisionChoice::F64 => Precision::F64,
        })
    }

    /// The engine, in f32 unless another precision is asked for.
    pub(super) fn build(&self) -> Result<Box<dyn Engine>> {
        match self.engine {
            EngineChoice::Gpu => {
                Err(Error::usage("--engine gpu: this version computes on the CPU only, use cpu or auto"))
            }
            EngineChoice::Auto | EngineChoice::Cpu => {
                Ok(Box::new(CpuEngine::new(self.threads, self.precision().unwrap_or(Precision::F32))?))
            }
        }
    }
}
