//! Runs with a scripted engine: statistics, stopping and files with numbers that are known exactly.

mod common;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use linregions::engine::{Engine, Estimator, Method, PathCounts, Precision, Provenance};
use linregions::ensemble::Ensemble;
use linregions::error::ErrorKind;
use linregions::experiment::{DrawsFile, Observer, OutputFile, Plan, Progress, SummaryRow, allocate, estimate};
use linregions::network::Network;
use linregions::path::Path;
use linregions::random::{QuantileTable, StandardLaw, Stream};
use linregions::stats::Quantity;
use linregions::trace::Trace;
use linregions::{Error, Result};

/// An engine that counts what a function of draw and path says.
struct Scripted<F> {
    boundaries: F,
    batches: Mutex<Vec<Range<u64>>>,
    fails_from: u64,
    memory: u128,
}

impl<F: Fn(u64, u64) -> u64> Scripted<F> {
    fn new(boundaries: F) -> Self {
        Self { boundaries, batches: Mutex::new(Vec::new()), fails_from: u64::MAX, memory: 0 }
    }
}

impl<F: Fn(u64, u64) -> u64 + Send + Sync> Engine for Scripted<F> {
    fn provenance(&self) -> Provenance {
        Provenance {
            engine: "scripted".to_owned(),
            adapter: "test".to_owned(),
            driver: String::new(),
            precision: Precision::F64,
        }
    }

    fn memory_needed(&self, _: &Ensemble, _: Estimator) -> Result<u128> {
        Ok(self.memory)
    }

    fn networks_at_once(&self) -> u64 {
        7
    }

    fn count(&self, ensemble: &Ensemble, _: Method, networks: Range<u64>, _: &AtomicBool) -> Result<Vec<PathCounts>> {
        self.batches.lock().expect("no panic").push(networks.clone());
        if networks.end > self.fails_from {
            return Err(Error::failed("scripted"));
        }
        let paths = |draw: u64| {
            (0..ensemble.paths_per_network).map(move |path_ix| {
                let boundaries = (self.boundaries)(draw, path_ix);
                PathCounts { length: 2.0, crossings: vec![boundaries, 1, 0], boundaries, knots: Some(boundaries / 2) }
            })
        };
        Ok(networks.flat_map(paths).collect())
    }

    fn expect(
        &self,
        ensemble: &Ensemble,
        _: usize,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        let counts = self.count(ensemble, Method::Exact, networks, stop)?;
        Ok(counts.into_iter().map(|counts| PathCounts { knots: None, ..counts }).collect())
    }

    fn expect_from_features(
        &self,
        ensemble: &Ensemble,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        self.expect(ensemble, 1, networks, stop)
    }

    fn count_given(&self, _: &Network, _: &[&Path], _: Method) -> Result<Vec<PathCounts>> {
        unreachable!("runs draw their networks")
    }

    fn trace(&self, _: &Network, _: &[&Path], _: &AtomicBool) -> Result<Vec<Trace>> {
        unreachable!("runs draw their networks")
    }
}

#[derive(Default)]
struct Recorder {
    networks: u64,
    /// Paths of each network beyond the first.
    more_paths: u64,
    stop_at: Option<u64>,
    draws: Option<DrawsFile>,
}

static STOP: AtomicBool = AtomicBool::new(false);

impl Observer for Recorder {
    fn counted(&mut self, first_network: u64, counts: &[PathCounts]) -> Result<()> {
        assert_eq!(first_network, self.networks, "networks come in order");
        self.networks += counts.len() as u64 / (1 + self.more_paths);
        self.draws.as_mut().map_or(Ok(()), |draws| draws.write(first_network, counts))
    }

    fn progress(&mut self, progress: Progress) {
        if self.stop_at.is_some_and(|at| progress.networks >= at) {
            STOP.store(true, Ordering::Relaxed);
        }
    }
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

#[test]
fn a_plain_run_draws_what_was_asked_for() {
    let plan = common::plan(&[("networks", "101")]);
    let engine = Scripted::new(|draw, _| draw % 3);
    let result = estimate(&plan, &engine, &mut Recorder::default(), &never()).expect("a result");
    assert_eq!(result.moments.networks(), 101);
    // 34 zeros, 34 ones, 33 twos over 202 units of length.
    let density = result.moments.density(Quantity::Boundaries).expect("defined");
    assert_eq!(density.mean, 100.0 / 202.0);
    assert!(!result.interrupted);
    let batches = engine.batches.lock().expect("no panic");
    assert!(batches.iter().zip(&batches[1..]).all(|(a, b)| a.end == b.start), "{batches:?}");
}

/// Counts 9 and 11 in turn: the relative error is 0.1 / sqrt(n - 1), so 1 % needs 101 networks.
#[test]
fn a_target_stops_the_run_soon_after_it_is_reached() {
    let plan = common::plan(&[("target-error", "1%")]);
    let engine = Scripted::new(|draw, _| 9 + 2 * (draw % 2));
    let result = estimate(&plan, &engine, &mut Recorder::default(), &never()).expect("a result");
    let networks = result.moments.networks();
    assert!((101..=112).contains(&networks), "{networks}");
    let error = result.moments.density(Quantity::Boundaries).and_then(|d| d.relative_error()).expect("defined");
    assert!(error <= 0.01, "{error}");
}

#[test]
fn a_target_is_never_reached_with_fewer_than_30_networks() {
    // No variance at all: the target is reached at the first look.
    let plan = common::plan(&[("target-error", "50%")]);
    let result = estimate(&plan, &Scripted::new(|_, _| 5), &mut Recorder::default(), &never()).expect("a result");
    assert_eq!(result.moments.networks(), 30);
    // No crossing at all has no relative error: the limit ends the run.
    let plan = common::plan(&[("target-error", "50%"), ("networks", "500")]);
    let result = estimate(&plan, &Scripted::new(|_, _| 0), &mut Recorder::default(), &never()).expect("a result");
    assert_eq!(result.moments.networks(), 500);
    assert_eq!(result.moments.density(Quantity::Boundaries).expect("defined").mean, 0.0);
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    let plan = common::plan(&[("networks", "1000000000")]);
    let mut recorder = Recorder { stop_at: Some(50), ..Recorder::default() };
    let result = estimate(&plan, &Scripted::new(|_, _| 4), &mut recorder, &STOP).expect("a result");
    assert!(result.interrupted);
    assert_eq!(result.moments.networks(), recorder.networks);
    assert_eq!(result.moments.density(Quantity::Boundaries).expect("defined").mean, 2.0);
}

#[test]
fn an_engine_failure_ends_the_run_with_its_rows_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("draws.csv");
    let plan = common::plan(&[("networks", "1000000")]);
    let engine = Scripted { fails_from: 20, ..Scripted::new(|draw, _| draw) };
    let draws = DrawsFile::new(OutputFile::create(&target).expect("writable"), &plan).expect("written");
    let mut recorder = Recorder { draws: Some(draws), ..Recorder::default() };
    let error = estimate(&plan, &engine, &mut recorder, &never()).expect_err("the scripted failure");
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(!target.exists());
    let rows = std::fs::read_to_string(directory.path().join("draws.csv.partial")).expect("readable");
    assert_eq!(rows.lines().count() as u64, 1 + recorder.networks);
    assert_eq!(rows.lines().last().map(|row| row.split(',').nth(2)), Some(Some("6")), "networks 0 to 6");
}

#[test]
fn what_does_not_fit_is_refused_with_its_size() {
    let plan = common::plan(&[]);
    let engine = Scripted { memory: 1 << 60, ..Scripted::new(|_, _| 0) };
    let error = estimate(&plan, &engine, &mut Recorder::default(), &never()).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("1073741824.0 GiB"), "{error}");
}

/// The bound of the default ensemble is 611: 1300 boundaries on a length of 2 exceed it.
#[test]
fn a_violated_bound_is_found_and_a_kept_one_is_not() {
    let run = |networks: &str, boundaries: u64| {
        let plan = common::plan(&[("networks", networks)]);
        let engine = Scripted::new(move |draw, _| boundaries + draw % 2);
        estimate(&plan, &engine, &mut Recorder::default(), &never()).expect("a result").violations(5.0)
    };
    let violated = run("100", 1300);
    assert!(violated.iter().any(|(quantity, ..)| *quantity == Quantity::Boundaries), "{violated:?}");
    assert_eq!(run("100", 400), []);
    assert_eq!(run("29", 1300), [], "too few networks to judge");
}

#[test]
fn rows_are_those_of_the_file_format() {
    let plan: Plan = common::plan(&[("networks", "40"), ("paths-per-network", "2"), ("arch", "2-5x3")]);
    let engine = Scripted::new(|draw, path_ix| 10 + draw % 2 + path_ix);
    let mut recorder = Recorder { more_paths: 1, ..Recorder::default() };
    let result = estimate(&plan, &engine, &mut recorder, &never()).expect("a result");
    let rows = SummaryRow::of_estimate(&plan, &engine.provenance(), &result);
    let mut text = Vec::new();
    SummaryRow::write_csv(&rows, &mut text).expect("memory");
    let mut csv = csv::Reader::from_reader(text.as_slice());
    let expected = "architecture,activation,input_dim,depth,units,weights,bias,path,length,method,grid_points,quantity,\
                    layer,networks,paths_per_network,mean_density,std_error,ci_low,ci_high,confidence,between_network_std,\
                    within_network_std,density_upper_bound,bound_ratio,infinite_width_density,engine,adapter,driver,\
                    precision,seed,version,plan_digest,wall_seconds,start,points_per_path,pieces";
    assert_eq!(csv.headers().expect("a header").iter().collect::<Vec<_>>().join(","), expected);
    let records: Vec<csv::StringRecord> = csv.records().collect::<csv::Result<_>>().expect("rows");
    let quantities: Vec<String> = records.iter().map(|r| format!("{} {}", &r[11], &r[12])).collect();
    assert_eq!(
        quantities,
        ["crossings all", "boundaries all", "knots all", "crossings 1", "crossings 2", "crossings 3"]
    );
    // Boundaries of the two paths of a network: c and c + 1 with c 10 or 11, on paths of length 2.
    let boundaries = &records[1];
    assert_eq!(boundaries[15].parse::<f64>(), Ok(5.5));
    let within: f64 = boundaries[21].parse().expect("a number");
    assert!((within - 0.5f64.sqrt() / 2.0).abs() < 1e-12, "{within}");
    assert_eq!((&boundaries[10], &boundaries[27]), ("", ""), "no grid, no driver");
    let mut json = Vec::new();
    SummaryRow::write_json(&rows, &mut json).expect("memory");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["rows"][1]["mean_density"], 5.5);
    assert_eq!(json["rows"][1]["grid_points"], serde_json::Value::Null);
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(6));
}

#[test]
fn digests_tell_plans_apart_by_their_draws_alone() {
    let digest = |changes: &[(&str, &str)]| common::plan(changes).digest();
    let base = digest(&[]);
    assert_eq!(base.len(), 16);
    assert_eq!(base, digest(&[("networks", "5"), ("target-error", "1%")]));
    for change in [
        ("arch", "2-64x2"),
        ("activation", "abs"),
        ("weights", "glorot-normal"),
        ("bias", "zero"),
        ("path", "chord"),
        ("start", "normal:2"),
        ("length", "3"),
        ("seed", "1"),
        ("method", "sampled"),
        ("paths-per-network", "2"),
    ] {
        assert_ne!(base, digest(&[change]), "{change:?}");
    }
}

/// Paths that a pilot chooses where networks and paths differ by so many standard deviations of their own.
fn allocated(changes: &[(&str, &str)], between: f64, within: f64) -> (u64, u64) {
    let mut plan = common::plan(&[changes, &[("paths-per-network", "auto")]].concat());
    let normal = QuantileTable::new(StandardLaw::Normal).expect("a law");
    let engine = Scripted::new(|draw, path_ix| {
        let value = |tensor, element| f64::from(normal.element(&Stream::new(1, draw, tensor), element, 1.0));
        (1e6 + 1e4 * (between * value(0, 0) + within * value(1, path_ix))) as u64
    });
    let allocation = allocate(&mut plan, &engine, &never()).expect("a pilot").expect("a choice");
    assert_eq!(plan.ensemble.paths_per_network, allocation.paths_per_network);
    // None of the pilot's networks is one of the estimate's.
    let batches = engine.batches.lock().expect("no panic");
    assert!(batches.iter().all(|batch| batch.start >= 1 << 63), "{batches:?}");
    (allocation.paths_per_network, allocation.expected.expect("a pilot").0)
}

/// The classical optimum is the root of (cost of a network / cost of a path x variance between paths / variance between networks):
/// nothing to gain from paths without variance between them or that cost as much as networks; the more the larger it is.
#[test]
fn pilots_choose_paths_by_variance_and_cost() {
    let networks = [("networks", "100000")];
    let wide = [("arch", "500-500x3"), ("networks", "100000"), ("method", "rice")];
    assert_eq!(allocated(&networks, 1.0, 0.0).0, 1);
    let few = allocated(&wide, 1.0, 1.0).0;
    let more = allocated(&wide, 1.0, 10.0).0;
    let many = allocated(&wide, 0.01, 10.0).0;
    assert!(few <= 16 && few < more && more < many, "{few} {more} {many}");
    // The first guess at what counting costs has to be replaced by what the pilot counts: a million crossings make a path expensive.
    assert_eq!(allocated(&[("arch", "2-500x3"), ("networks", "100000")], 1.0, 1.0).0, 1);
}

/// Networks differ by 1 %, so a target of 0.01 % takes 10,000 of them: the variance is known from 256, to 9 %.
#[test]
fn pilots_know_how_many_networks_a_target_takes() {
    let (_, networks) = allocated(&[("target-error", "0.01%")], 1.0, 0.0);
    assert!((7000..14_000).contains(&networks), "{networks}");
    assert_eq!(allocated(&[("target-error", "5%")], 1.0, 0.0).1, 30);
    assert_eq!(allocated(&[("networks", "77")], 1.0, 0.0).1, 77);
}

#[test]
fn pilots_that_are_stopped_choose_nothing() {
    let mut plan = common::plan(&[("method", "rice")]);
    let stopped = AtomicBool::new(true);
    assert_eq!(allocate(&mut plan, &Scripted::new(|_, _| 4), &stopped).expect("no error"), None);
    assert_eq!(plan.ensemble.paths_per_network, 1);
    // Nothing is open.
    let mut plan = common::plan(&[]);
    assert_eq!(allocate(&mut plan, &Scripted::new(|_, _| 4), &never()).expect("no error"), None);
}
