//! The devices there are, and which to take.

use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor};

use crate::error::{Error, Result};

/// The interfaces to devices that are tried. The one that only pretends to compute is not among them.
const BACKENDS: Backends = Backends::VULKAN.union(Backends::METAL).union(Backends::DX12);

/// Which devices to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The fastest kind; a software device only where there is nothing else.
    Best,
    /// This one of [`adapters`], from 0.
    Number(usize),
    /// Every GPU that the best one's interface sees.
    All,
}

/// A device as wgpu sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// Its name.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `other` or `software`.
    pub kind: &'static str,
    /// The interface: `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// Bytes of the largest buffer that a stage can use.
    pub max_buffer: u64,
}

impl AdapterSummary {
    fn new(adapter: &Adapter) -> Self {
        let info = adapter.get_info();
        let kind = match info.device_type {
            DeviceType::DiscreteGpu => "discrete",
            DeviceType::IntegratedGpu => "integrated",
            DeviceType::VirtualGpu => "virtual",
            DeviceType::Other => "other",
            DeviceType::Cpu => "software",
        };
        Self {
            name: info.name,
            kind,
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            max_buffer: adapter.limits().max_storage_buffer_binding_size,
        }
    }

    /// Whether it is a program on the processor.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    fn speed(&self) -> u8 {
        match self.kind {
            "discrete" => 4,
            "integrated" => 3,
            "virtual" => 2,
            "other" => 1,
            _ => 0,
        }
    }
}

/// The devices there are, in the order of their numbers.
pub fn adapters() -> Vec<AdapterSummary> {
    found().iter().map(AdapterSummary::new).collect()
}

/// The number of the device that an automatic choice takes: the fastest kind, the first of several; never a software device.
pub fn automatic(adapters: &[AdapterSummary]) -> Option<usize> {
    best(adapters).filter(|&ix| !adapters[ix].is_software())
}

fn best(adapters: &[AdapterSummary]) -> Option<usize> {
    (0..adapters.len()).max_by_key(|&ix| (adapters[ix].speed(), std::cmp::Reverse(ix)))
}

fn found() -> Vec<Adapter> {
    if !Instance::enabled_backend_features().intersects(BACKENDS) {
        return Vec::new();
    }
    let instance =
        Instance::new(InstanceDescriptor { backends: BACKENDS, ..InstanceDescriptor::new_without_display_handle() });
    pollster::block_on(instance.enumerate_adapters(BACKENDS))
}

/// The numbers of the devices of a choice.
fn choose(adapters: &[AdapterSummary], choice: AdapterChoice) -> Result<Vec<usize>> {
    let Some(best) = best(adapters) else {
        return Err(Error::usage(
            "no GPU: wgpu finds no device by Vulkan, Metal or DX12; install a driver (on Debian, mesa-vulkan-drivers has one in software) or \
             use --engine cpu",
        ));
    };
    match choice {
        AdapterChoice::Best => Ok(vec![best]),
        AdapterChoice::Number(number) if number < adapters.len() => Ok(vec![number]),
        AdapterChoice::Number(number) => Err(Error::usage(format!(
            "--adapter {number}: there are adapters 0 to {}, see linregions devices",
            adapters.len() - 1
        ))),
        AdapterChoice::All => {
            let is_like_best = |a: &AdapterSummary| {
                a.backend == adapters[best].backend && a.is_software() == adapters[best].is_software()
            };
            Ok((0..adapters.len()).filter(|&ix| is_like_best(&adapters[ix])).collect())
        }
    }
}

/// The devices of a choice.
///
/// # Errors
/// There is none, or not that one.
pub(super) fn take(choice: AdapterChoice) -> Result<Vec<(Adapter, AdapterSummary)>> {
    let all: Vec<(Adapter, AdapterSummary)> =
        found().into_iter().map(|a| (a.clone(), AdapterSummary::new(&a))).collect();
    let summaries: Vec<AdapterSummary> = all.iter().map(|(_, summary)| summary.clone()).collect();
    Ok(choose(&summaries, choice)?.into_iter().map(|ix| all[ix].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(kind: &'static str, backend: &str) -> AdapterSummary {
        AdapterSummary {
            name: "a".to_owned(),
            kind,
            backend: backend.to_owned(),
            driver: "d".to_owned(),
            max_buffer: 1,
        }
    }

    #[test]
    fn real_devices_come_before_software_and_fast_ones_before_slow_ones() {
        let desktop = [
            adapter("software", "vulkan"),
            adapter("integrated", "vulkan"),
            adapter("discrete", "vulkan"),
            adapter("discrete", "vulkan"),
            adapter("discrete", "dx12"),
        ];
        assert_eq!(automatic(&desktop), Some(2));
        assert_eq!(choose(&desktop, AdapterChoice::Best).unwrap(), [2]);
        assert_eq!(choose(&desktop, AdapterChoice::Number(1)).unwrap(), [1]);
        assert_eq!(choose(&desktop, AdapterChoice::All).unwrap(), [1, 2, 3]);
        let message = choose(&desktop, AdapterChoice::Number(5)).unwrap_err().to_string();
        assert!(message.contains("--adapter 5") && message.contains("0 to 4"), "{message}");
    }

    #[test]
    fn software_is_taken_when_asked_for_and_never_by_itself() {
        let server = [adapter("software", "vulkan")];
        assert_eq!(automatic(&server), None);
        assert_eq!(choose(&server, AdapterChoice::Best).unwrap(), [0]);
        assert_eq!(choose(&server, AdapterChoice::All).unwrap(), [0]);
        assert_eq!(automatic(&[]), None);
        assert!(choose(&[], AdapterChoice::Best).unwrap_err().to_string().contains("no GPU"));
    }
}
