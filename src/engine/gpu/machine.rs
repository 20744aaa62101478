//! One device that is opened again when it is lost, and the memory that it may take.

use wgpu::{Adapter, Limits};

use super::adapter::AdapterSummary;
use super::device::{Device, Fault};
use super::plan::DeviceLimits;
use crate::error::{Error, Result};

/// Bytes of all buffers together, on devices that share the host's memory and gain nothing from large batches, and on others.
const SOFTWARE_MEMORY: u64 = 1 << 28;
const DEVICE_MEMORY: u64 = 1 << 30;

/// Batches on less memory than this are not worth trying.
const MIN_MEMORY: u64 = 1 << 20;

/// Why there is no result.
pub(super) enum Halt {
    Error(Error),
    Stopped,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A device and how to get it back.
pub(super) struct Machine {
    adapter: Adapter,
    summary: AdapterSummary,
    /// Limits to ask for instead of all that the device has.
    wanted: Option<Limits>,
    memory: u64,
    device: Device,
    /// Attempts before each of which the device is ended, as a driver's reset would.
    #[cfg(test)]
    pub(super) losses_to_come: usize,
    /// Attempts that find no memory.
    #[cfg(test)]
    pub(super) shortages_to_come: usize,
}

impl Machine {
    /// Opens a device with limits `wanted`, or all that it has, and `memory` bytes for all buffers together, or a usual number.
    ///
    /// # Errors
    /// What the driver says.
    pub(super) fn open(
        adapter: Adapter,
        summary: AdapterSummary,
        wanted: Option<Limits>,
        memory: Option<u64>,
    ) -> Result<Self> {
        let usual = if summary.is_software() { SOFTWARE_MEMORY } else { DEVICE_MEMORY };
        let memory = memory.unwrap_or(usual);
        let device = Device::open(&adapter, wanted.clone()).map_err(|fault| failure(&summary, memory, fault))?;
        Ok(Self {
            adapter,
            summary,
            wanted,
            memory,
            device,
            #[cfg(test)]
            losses_to_come: 0,
            #[cfg(test)]
            shortages_to_come: 0,
        })
    }

    pub(super) fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Bytes of all its buffers together.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn limits(&self) -> DeviceLimits {
        self.device.limits(self.memory)
    }

    /// A fault as the user is told of it.
    pub(super) fn failure(&self, fault: Fault) -> Error {
        failure(&self.summary, self.memory, fault)
    }

    /// Makes another attempt possible, once its buffers are gone: a lost device is opened again, once; with too little memory, batches,
    /// the last one of `n_paths` paths, are halved.
    ///
    /// # Errors
    /// The fault, where there is no use in another attempt.
    pub(super) fn recover(&mut self, fault: Fault, losses: &mut usize, n_paths: usize) -> Result<()> {
        match fault {
            Fault::Lost(_) if *losses == 0 => *losses += 1,
            Fault::Memory if n_paths > 1 && self.memory / 2 >= MIN_MEMORY => {
                // Half of what was used, which may be less than what was allowed.
                self.memory /= 2;
                return Ok(());
            }
            fault => return Err(self.failure(fault)),
        }
        self.device = Device::open(&self.adapter, self.wanted.clone()).map_err(|fault| self.failure(fault))?;
        Ok(())
    }

    /// What tests do to a device.
    #[cfg(test)]
    pub(super) fn misfortune(&mut self) -> std::result::Result<(), Fault> {
        if self.losses_to_come > 0 {
            self.losses_to_come -= 1;
            self.device.destroy();
        }
        if self.shortages_to_come > 0 {
            self.shortages_to_come -= 1;
            return Err(Fault::Memory);
        }
        Ok(())
    }
}

fn failure(summary: &AdapterSummary, memory: u64, fault: Fault) -> Error {
    let name = &summary.name;
    Error::failed(match fault {
        Fault::Memory => format!("{name}: out of memory, even for batches of {} MiB: use --engine cpu", memory >> 20),
        Fault::Lost(reason) => format!("{name}: the device was lost twice ({}): use --engine cpu", reason.trim()),
        Fault::Other(message) => format!("{name}: {message}"),
    })
}
