use std::sync::atomic::AtomicBool;

use super::*;
use crate::engine::cpu::CpuEngine;
use crate::network::{Activation, Architecture, BiasLaw, RandomNetwork, WeightLaw};
use crate::path::{PathLaw, RandomPath, StartLaw};

#[test]
fn scratch() {
    let shape = Architecture::parse("2-64x3", Activation::relu(), 1).unwrap();
    let network = RandomNetwork::new(shape, WeightLaw::HeNormal, BiasLaw::Normal(0.1), 0).unwrap();
    let law = PathLaw::Segment { start: StartLaw::Normal(1.0), length: 2.0 };
    let ensemble = Ensemble { network, path: RandomPath::new(law, 2, 0).unwrap(), paths_per_network: 1 };
    let stop = AtomicBool::new(false);
    let cpu = CpuEngine::new(None, Precision::F32).unwrap();
    let start = std::time::Instant::now();
    let gpu = GpuEngine::new(AdapterChoice::Best).unwrap();
    println!("{:?} {:?}", gpu.provenance(), start.elapsed());
    for method in [Method::Exact, Method::Sampled { grid: 1024 }] {
        for n in [10, 1000] {
            let start = std::time::Instant::now();
            let b = gpu.count(&ensemble, method, 0..n, &stop).unwrap();
            println!("{method:?} {n} {:?}", start.elapsed());
            let a = cpu.count(&ensemble, method, 0..n, &stop).unwrap();
            let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
            println!("same {same}");
            for (a, b) in a.iter().zip(&b).filter(|(a, b)| a != b).take(5) {
                println!("{a:?}\n{b:?}");
            }
        }
    }
}
