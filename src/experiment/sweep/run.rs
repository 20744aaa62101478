//! Runs the ensembles of a sweep, from where an earlier run ended.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::draws::Draws;
use super::journal::{self, Header, State};
use super::plan::{Member, SweepPlan};
use super::result::{chosen, write_summary};
use super::status::{Pace, Status};
use crate::engine::{Engine, PathCounts, Precision};
use crate::error::{Error, Result};
use crate::experiment::record::DrawFormat;
use crate::experiment::run::Course;
use crate::experiment::{Observer, Progress, allocate};
use crate::journal::Journal;

/// At most this much work is lost in a crash, but for what a batch takes.
const CHECKPOINT: Duration = Duration::from_millis(500);
const STATUS: Duration = Duration::from_secs(1);

/// A part of a sweep: number `number`, from 1, `of` so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: u64,
    /// How many there are.
    pub of: u64,
}

impl Shard {
    /// All there is.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// The draws of an ensemble that are this shard's. An ensemble that ends by its error or time belongs to one shard.
    pub(super) fn draws(self, member: &Member, ix: usize) -> Option<Range<u64>> {
        let n = member.plan.networks;
        if member.plan.target_error.is_some() || member.max_seconds.is_some() {
            return (ix as u64 % self.of == self.number - 1).then_some(0..n);
        }
        let end = |number: u64| (u128::from(n) * u128::from(number) / u128::from(self.of)) as u64;
        Some(end(self.number - 1)..end(self.number)).filter(|draws| !draws.is_empty())
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("give its number and how many there are, such as 3/16".to_owned()),
        }
    }
}

/// The files of a sweep or of one of its shards.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) directory: PathBuf,
    pub(super) journal: PathBuf,
    pub(super) draws: PathBuf,
    status: PathBuf,
}

impl Files {
    fn new(directory: &Path, shard: Shard) -> Self {
        let name = |whole: &str, part: &str| match shard {
            Shard::WHOLE => directory.join(whole),
            Shard { number, of } => directory.join(format!("shard-{number}-of-{of}.{part}")),
        };
        Self {
            directory: directory.to_owned(),
            journal: name("sweep.journal", "journal"),
            draws: name("draws.csv", "draws.csv"),
            status: name("status.json", "status.json"),
        }
    }

    /// Those that belong to a journal.
    pub(super) fn beside(journal: &Path, (number, of): (u64, u64)) -> Self {
        Self::new(journal.parent().unwrap_or(Path::new("")), Shard { number, of })
    }
}

/// What distinguishes a shard of a plan.
pub(super) fn header(plan: &SweepPlan, (number, of): (u64, u64), precision: Precision) -> Header {
    Header {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        precision,
        shard: (number, of),
        draws: plan.draws,
        members: plan.members.iter().map(|member| (member.keys.clone(), member.plan.digest())).collect(),
    }
}

/// Who is told how far a sweep is.
pub trait SweepObserver {
    /// Ensemble `ix` starts or goes on.
    fn started(&mut self, ix: usize, of: usize, member: &Member);

    /// After every batch of the ensemble at hand.
    fn progress(&mut self, progress: Progress);
}

/// A sweep at work in its directory.
#[derive(Debug)]
pub struct Sweep<'a> {
    plan: &'a SweepPlan,
    shard: Shard,
    files: Files,
    journal: Journal,
    states: Vec<State>,
    draws: Option<Draws>,
    /// What the engine computes at a time.
    threads: u64,
    last_status: Instant,
}

impl<'a> Sweep<'a> {
    /// Opens the directory, and what an earlier run of the same plan left in it.
    ///
    /// # Errors
    /// A directory that cannot be written, in which another process is at work, or which has another sweep: how they differ.
    pub fn open(plan: &'a SweepPlan, directory: &Path, shard: Shard, precision: Precision) -> Result<Self> {
        fs::create_dir_all(directory)
            .map_err(|e| Error::usage(format!("cannot write there: {e}")).at(directory.display()))?;
        let files = Files::new(directory, shard);
        let (journal, states) = journal::open(&files.journal, &header(plan, (shard.number, shard.of), precision))?;
        let depth = |member: &Member| member.plan.ensemble.network.architecture().depth();
        let n_layers = plan.members.iter().map(depth).max().unwrap_or(0);
        let finished = states.iter().filter_map(|state| state.draws.as_ref()).max_by_key(|extent| extent.bytes);
        if plan.draws && states.is_empty() && journal.is_new() && files.draws.exists() {
            return Err(Error::usage("is there, but no journal of a sweep: move it first").at(files.draws.display()));
        }
        let draws = plan.draws.then(|| Draws::open(&files.draws, n_layers, finished)).transpose()?;
        Ok(Self { plan, shard, files, journal, states, draws, threads: 1, last_status: Instant::now() })
    }

    /// Runs what is not finished. Returns the file with what is found, the summary or the shard's journal, or `None` if `stop` was set
    /// before the end.
    ///
    /// # Errors
    /// The engine's, and those of files; what was finished remains.
    pub fn run(
        &mut self,
        engine: &dyn Engine,
        observer: &mut dyn SweepObserver,
        stop: &AtomicBool,
    ) -> Result<Option<PathBuf>> {
        let start = Instant::now();
        self.threads = engine.networks_at_once();
        for (ix, member) in self.plan.members.iter().enumerate() {
            let Some(draws) = self.shard.draws(member, ix) else { continue };
            let earlier = self.states.iter().find(|state| state.ensemble == ix).cloned();
            if earlier.as_ref().is_some_and(|state| state.is_done) {
                continue;
            }
            observer.started(ix, self.plan.members.len(), member);
            member.plan.check_memory(engine)?;
            let state = self.run_member(ix, member, draws, earlier, engine, observer, start, stop)?;
            let is_done = state.as_ref().is_some_and(|state| state.is_done);
            if !is_done {
                return Ok(None);
            }
        }
        self.status(start, "finished", None).write(&self.files.status)?;
        match self.shard {
            Shard::WHOLE => write_summary(&self.files.directory, self.plan, &self.states).map(Some),
            _ => Ok(Some(self.files.journal.clone())),
        }
    }

    /// Finished ensembles whose error is above their target, with that.
    pub fn missed_targets(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.states.iter().filter(|state| state.is_done).filter_map(|state| {
            let plan = &self.plan.members[state.ensemble].plan;
            let target = plan.target_error?;
            let error = state.moments.density(plan.headline()).and_then(|density| density.relative_error());
            error.is_none_or(|error| error > target).then_some((state.ensemble, target))
        })
    }

    fn status(&self, start: Instant, what: &'static str, pace: Option<Pace>) -> Status<'_> {
        let seconds = start.elapsed().as_secs_f64();
        Status { plan: self.plan, shard: self.shard, states: &self.states, what, seconds, threads: self.threads, pace }
    }

    /// Runs one ensemble to its end, or until asked to stop; `None` if that was in its pilot.
    #[allow(clippy::too_many_arguments, reason = "one caller, and all of them are what is at hand")]
    fn run_member(
        &mut self,
        ix: usize,
        member: &Member,
        draws: Range<u64>,
        earlier: Option<State>,
        engine: &dyn Engine,
        observer: &mut dyn SweepObserver,
        start: Instant,
        stop: &AtomicBool,
    ) -> Result<Option<State>> {
        let begin = Instant::now();
        let (plan, mut course, before) = match earlier {
            Some(state) => {
                let course = Course::resumed(draws.clone(), state.moments.clone(), state.look);
                (chosen(member, &state), course, state.seconds)
            }
            None => {
                let mut plan = member.plan.clone();
                allocate(&mut plan, engine, stop)?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let course = Course::new(&plan, draws.clone());
                (plan, course, 0.0)
            }
        };
        let mut last_checkpoint = Instant::now();
        let networks_before = course.moments.networks();
        let format = self.draws.as_ref().map(|draws| draws.format(&plan, ix));
        loop {
            let seconds = before + begin.elapsed().as_secs_f64();
            let is_late = member.max_seconds.is_some_and(|most| seconds >= most) && course.moments.networks() > 0;
            let is_done = course.is_done() || is_late;
            let stopped = stop.load(Ordering::Relaxed);
            if is_done || stopped || last_checkpoint.elapsed() >= CHECKPOINT {
                let state = State {
                    ensemble: ix,
                    first: draws.start,
                    end: draws.end,
                    look: course.look,
                    is_done,
                    paths_per_network: plan.ensemble.paths_per_network,
                    points: plan.estimator.points(),
                    moments: course.moments.clone(),
                    draws: self.draws.as_mut().map(Draws::sync).transpose()?,
                    provenance: engine.provenance(),
                    seconds,
                };
                self.journal.append(&state)?;
                last_checkpoint = Instant::now();
                self.states.retain(|old| old.ensemble != ix);
                let at = self.states.partition_point(|old| old.ensemble < ix);
                self.states.insert(at, state.clone());
                if stopped && !is_done {
                    self.status(start, "stopped", None).write(&self.files.status)?;
                }
                if is_done || stopped {
                    return Ok(Some(state));
                }
            }
            if self.last_status.elapsed() >= STATUS {
                let pace = Pace {
                    ensemble: ix,
                    networks: course.moments.networks() - networks_before,
                    missing: course.look - course.moments.networks(),
                    seconds: begin.elapsed().as_secs_f64(),
                    before,
                };
                self.status(start, "running", Some(pace)).write(&self.files.status)?;
                self.last_status = Instant::now();
            }
            let mut rows = Rows { draws: self.draws.as_mut().zip(format.as_ref()), observer };
            course.next_batch(&plan, engine, &mut rows, stop)?;
        }
    }
}

/// Hands the rows and the progress of one ensemble on.
struct Rows<'a> {
    draws: Option<(&'a mut Draws, &'a DrawFormat)>,
    observer: &'a mut dyn SweepObserver,
}

impl Observer for Rows<'_> {
    fn counted(&mut self, first_network: u64, counts: &[PathCounts]) -> Result<()> {
        self.draws.as_mut().map_or(Ok(()), |(draws, format)| draws.write(format, first_network, counts))
    }

    fn progress(&mut self, progress: Progress) {
        self.observer.progress(progress);
    }
}
