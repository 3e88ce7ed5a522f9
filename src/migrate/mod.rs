//! Moving logs from one store to another: plan, copy, compare, publish.

mod copy;
mod doors;
mod equal;
mod fit;
mod plan;
mod preflight;
mod states;
mod survey;
mod times;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::{Observer, Stopped};
use crate::migrate::copy::Copying;
use crate::migrate::preflight::Preflight;
use crate::model::{Code, Findings, GroupId, LogState, TimeForm};
use crate::store::target::{Sealed, Target};
use crate::store::{
    Format, LogSink, Opened, Product, Profile, Room, SinkOptions, Snapshots, Store, StoreError,
};
use crate::vfs::Clock;

pub use doors::Doors;
pub use plan::{Compared, Copied, GroupPlan, Loss, LossName, Migration, NoSuchLoss, Plan};
pub use states::kept as snapshots_kept;

/// Rules that an operator may take by name; damage is never among them.
pub const ACCEPTABLE: [Code; 8] = [
    Code::R102,
    Code::R105,
    Code::R106,
    Code::R107,
    Code::R108,
    Code::R109,
    Code::R113,
    Code::R118,
];

/// What is migrated, and what the operator takes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Format of the target.
    pub to: Format,
    /// What the target shall be like.
    pub sink: SinkOptions,
    /// Only this group.
    pub group: Option<GroupId>,
    /// Losses that are accepted.
    pub allow_loss: Vec<LossName>,
    /// Broken rules that are accepted; only [`ACCEPTABLE`] ones count.
    pub accept: Vec<Code>,
    /// Everything but writing.
    pub dry_run: bool,
    /// The form in which append times are written; without, each keeps its own.
    pub time_form: Option<TimeForm>,
    /// The program whose data directory the source lies in, where it is known.
    pub product: Option<Product>,
}

impl Options {
    /// A real run into `to`, of every group, that accepts nothing.
    pub fn to(to: Format) -> Options {
        Options {
            to,
            sink: SinkOptions::default(),
            group: None,
            allow_loss: Vec::new(),
            accept: Vec::new(),
            dry_run: false,
            time_form: None,
            product: None,
        }
    }
}

/// An opened source.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    /// The store.
    pub store: &'s dyn Store,
    /// The file or directory that it is.
    pub path: &'s Path,
    /// The snapshots beside it, where they are in view. They stay where they are.
    pub snapshots: Option<&'s Snapshots>,
}

impl<'s> From<&'s Opened> for Source<'s> {
    fn from(opened: &'s Opened) -> Source<'s> {
        Source {
            store: opened.store.as_ref(),
            path: &opened.description.store,
            snapshots: opened.snapshots.as_ref(),
        }
    }
}

/// How a migration reaches the formats: through [`Doors`]; tests put in others.
pub trait Ends {
    /// What a target can hold, before anything is created.
    ///
    /// # Errors
    /// For a format that is not written.
    fn profile(&self, options: &Options, target: &Path) -> Result<&'static Profile, StoreError>;
    /// Refuses a group that such a target cannot be given, before anything is created.
    ///
    /// # Errors
    /// `Refused`.
    fn refuse_group(
        &self,
        _options: &Options,
        _target: &Path,
        _group: (&GroupId, &LogState),
    ) -> Result<(), StoreError> {
        Ok(())
    }
    /// How much room such a target takes.
    fn room(&self, options: &Options) -> Room;
    /// What an operator must know about such a target, one line each.
    fn notes(&self, options: &Options) -> Vec<String>;
    /// Creates the empty target under its partial name.
    ///
    /// # Errors
    /// When the system refused.
    fn create(&self, options: &Options, target: Target) -> Result<Box<dyn LogSink>, StoreError>;
    /// Opens what was written, under its partial name, as any source is opened.
    ///
    /// # Errors
    /// When it does not open.
    fn reopen(&self, options: &Options, partial: &Path) -> Result<Box<dyn Store>, StoreError>;
}

/// What a migration did.
#[derive(Debug)]
pub struct Outcome {
    /// `result` of `migrate`.
    pub migration: Migration,
    /// What was found in the source on the way.
    pub findings: Findings,
}

/// Why a migration stopped. Nothing stands under the target's name then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source has no such group.
    #[error("the source has no {}", group_words(group))]
    NoSuchGroup {
        /// What was asked for.
        group: GroupId,
        /// What there is.
        present: Vec<GroupId>,
    },
    /// The source is damaged, or breaks a rule that was not accepted.
    #[error("the source is damaged or breaks a rule: {}", count_words(outcome))]
    Findings {
        /// The plan as far as it could be made, and what was found.
        outcome: Box<Outcome>,
    },
    /// The target cannot hold the log, whatever is accepted.
    #[error("{what}")]
    Unfit {
        /// Why, one line.
        what: String,
        /// The plan with its losses, and what was found.
        outcome: Box<Outcome>,
    },
    /// A loss was not accepted.
    #[error("{what}")]
    Refused {
        /// Why, one line.
        what: String,
        /// The plan with its losses, and what was found.
        outcome: Box<Outcome>,
    },
    /// The program of the source's data directory would not read the append times as they would be
    /// written.
    #[error("{what}")]
    TimeForm {
        /// Why, one line.
        what: String,
        /// The form that it reads.
        wanted: TimeForm,
        /// The plan, and what was found.
        outcome: Box<Outcome>,
    },
    /// The target would not fit where it shall lie.
    #[error("{} needs up to {needed_bytes} bytes, {free_bytes} are free", path.display())]
    Space {
        /// The target.
        path: PathBuf,
        /// The plan, and what was found.
        outcome: Box<Outcome>,
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes free.
        free_bytes: u64,
    },
    /// The source's files changed while they were read; what was written is removed.
    #[error("{} changed while it was read", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// What was written does not equal its source.
    #[error("the target differs from its source: {difference}")]
    Mismatch {
        /// Where and how, one line.
        difference: String,
        /// Where the target was kept for a look.
        set_aside: PathBuf,
    },
    /// The operator wanted it to stop; what was written is removed.
    #[error("cancelled")]
    Cancelled,
}

fn group_words(group: &GroupId) -> String {
    group.name().map_or("unnamed group".to_owned(), |name| format!("group {name:?}"))
}

fn count_words(outcome: &Outcome) -> String {
    match outcome.findings.errors() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    }
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::Cancelled
    }
}

/// Plans the migration of an opened source, and unless it is a dry run copies, compares and
/// publishes it. `target` was checked; an overlap with the source is refused here.
///
/// What would be lost is counted and named before a target exists, which takes a reading of its
/// own. Most logs lose nothing, and where only the entries themselves could still say otherwise
/// (a hole, an odd kind), that reading and the copy are one: nothing stands under the target's name
/// before the comparison. When something turns up, what was written is removed, and all is counted.
///
/// # Errors
/// See [`Error`]. On every error but `Mismatch` what was written is gone; the source is untouched.
pub fn run(
    source: Source<'_>,
    target: Target,
    options: &Options,
    ends: &dyn Ends,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    target.refuse_overlap(source.path)?;
    let before = preflight::fingerprint(source.store, &target);
    let snapshots = states::snapshots(source.snapshots, observer)?;
    let mut states = states::states(source.store, snapshots.as_ref(), options)?;
    states.note = source.snapshots.and_then(states::kept);
    let job = Job { source: source.store, target: &target, options, ends, clock };
    let mut preflight = Preflight::new(source.store, &target, options, ends, &states)?;
    preflight.container(observer)?;
    let mut written = None;
    if preflight.may_copy_at_once()? {
        written = job.copy_at_once(&mut preflight, observer)?;
        if written.is_none() {
            preflight = Preflight::new(source.store, &target, options, ends, &states)?;
            preflight.container(observer)?;
        }
    }
    let (sealed, copied) = match written {
        Some(written) => written,
        None => {
            preflight.survey(observer)?;
            preflight.judge()?;
            preflight.refuse_without_space(&target)?;
            if options.dry_run {
                return Ok(preflight.outcome(None, None));
            }
            job.copy_surveyed(&mut preflight, observer)?
        }
    };
    let compared = match equal::compare(source.store, &sealed, &preflight, options, ends, observer)
    {
        Ok(compared) => compared,
        Err(equal::Unequal::Stopped(error)) => return Err(error),
        Err(equal::Unequal::Different(difference)) => {
            refuse_changed(source.store, &target, &before)?;
            return Err(Error::Mismatch { difference, set_aside: sealed.set_aside()? });
        }
    };
    refuse_changed(source.store, &target, &before)?;
    sealed.publish()?;
    Ok(preflight.outcome(Some(copied), Some(compared)))
}

/// What both ways of copying need.
struct Job<'j> {
    source: &'j dyn Store,
    target: &'j Target,
    options: &'j Options,
    ends: &'j dyn Ends,
    clock: &'j dyn Clock,
}

impl Job<'_> {
    /// Copies what was surveyed and judged before.
    fn copy_surveyed(
        &self,
        preflight: &mut Preflight<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(Sealed, Copied), Error> {
        let start = self.clock.monotonic();
        let sink = self.ends.create(self.options, self.target.clone())?;
        let mut copying = Copying { source: self.source, sink, survey: false };
        copying.groups(preflight, observer)?;
        self.seal(copying, start, preflight)
    }

    /// Copies and surveys in one reading; `None`, and nothing left, when something would be lost
    /// after all.
    fn copy_at_once(
        &self,
        preflight: &mut Preflight<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Option<(Sealed, Copied)>, Error> {
        preflight.judge()?;
        let start = self.clock.monotonic();
        let sink = self.ends.create(self.options, self.target.clone())?;
        let mut copying = Copying { source: self.source, sink, survey: true };
        copying.groups(preflight, observer)?;
        if preflight.would_lose() {
            return Ok(None);
        }
        preflight.judge()?;
        self.seal(copying, start, preflight).map(Some)
    }

    fn seal(
        &self,
        copying: Copying<'_>,
        start: Duration,
        preflight: &Preflight<'_>,
    ) -> Result<(Sealed, Copied), Error> {
        let sealed = copying.sink.seal()?;
        let elapsed = self.clock.monotonic().saturating_sub(start);
        let copied = preflight.copied(&sealed, elapsed);
        Ok((sealed, copied))
    }
}

/// A log that somebody appended to meanwhile is neither copied whole nor compared with itself.
fn refuse_changed(
    source: &dyn Store,
    target: &Target,
    before: &preflight::Fingerprint,
) -> Result<(), Error> {
    let now = preflight::fingerprint(source, target);
    let changed = now.iter().zip(before).find(|(now, before)| now != before);
    match changed {
        Some(((path, _), _)) => Err(Error::SourceChanged { path: path.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
