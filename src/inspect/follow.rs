//! `--follow`: entries as a live process writes them.

mod shown;

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Meter, Observer, Phase};
use crate::inspect::entries::{Spoken, Stream, resolved, spoken_in};
use crate::inspect::follow::shown::Shown;
use crate::inspect::{EntryItem, EntryOptions, Error, Streamed, chosen, damage};
use crate::model::{Code, Dialect, Fault, GroupId, IndexRange, LogIndex, Place, Selection, Term};
use crate::store::follow::{Follow, Looked, skipped};
use crate::store::{Located, Store, StoreError};
use crate::vfs::Clock;

/// Time before the next look when something came.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Time between two looks when nothing comes for long.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// Time after which it is said that what was written behind the last entry cannot be read.
const UNREAD_FOR: Duration = Duration::from_secs(5);
/// Times in a row that reading may fail while a writer replaces files.
const PATIENCE: u32 = 25;
/// Faults that are not told again, the newest.
const TOLD_MAX: usize = 1_024;

/// How a store is opened, again and again, without keeping its writer out.
pub type Reopen<'r> = dyn FnMut() -> Result<Box<dyn Store>, StoreError> + 'r;

/// Who gets the entries.
pub struct Audience<'a> {
    /// Gets each entry; may break.
    pub visit: &'a mut dyn FnMut(EntryItem<'_>) -> ControlFlow<()>,
    /// Asked before each pause; breaks when nobody listens any more.
    pub pause: &'a mut dyn FnMut() -> ControlFlow<()>,
    /// Told where something was written behind the last entry that could not be read for a while:
    /// once for each place.
    pub unread: &'a mut dyn FnMut(&Place),
    /// Told when the store is not there any more, for a while: once until it is back.
    pub gone: &'a mut dyn FnMut(),
}

/// Streams the entries of a store, and then those that a live process writes behind them, until
/// somebody wants no more or the limit is reached. Entries that replace others after a conflict are
/// shown when they come: an index that was shown before, with another term. Where the log was
/// replaced by another, that one is shown from the first index on whose term was not shown. A store
/// that is removed is waited for.
///
/// # Errors
/// When the store cannot be opened, or for a while not be read; `Store` with `Unsupported` for a
/// format that is not followed.
pub fn follow(
    reopen: &mut Reopen<'_>,
    clock: &dyn Clock,
    options: &EntryOptions,
    audience: Audience<'_>,
    observer: &mut dyn Observer,
) -> Result<Streamed, Error> {
    let Audience { visit, pause, unread, gone } = audience;
    let stream = Stream::new(options, visit);
    let meter = Meter::start(Phase::Reading, None, None, observer)?;
    let mut following = Following {
        options,
        stream,
        meter,
        groups: BTreeMap::new(),
        unread: Unread { since: None, tell: unread },
        told: VecDeque::new(),
        failing: Failing { misses: 0, gone: None, tell: gone },
    };
    while following.opened(reopen, clock, pause, observer)?.is_continue()
        && following.rest(clock, PAUSE_MAX, pause, observer)?.is_continue()
    {}
    following.meter.finish(observer)?;
    Ok(following.stream.streamed)
}

/// Where following a group stands.
struct Standing {
    /// The first index that was not shown.
    next: LogIndex,
    /// The first and the last index that are wanted.
    first: LogIndex,
    last: LogIndex,
    /// Terms that are wanted.
    terms: (Term, Term),
    /// Whether an entry of it was met.
    begun: bool,
    /// The terms of what was shown.
    shown: Shown,
    /// In whose encoding its memberships are.
    spoken: Spoken,
}

/// Reading that fails while a writer replaces files, or somebody the whole store.
struct Failing<'f> {
    /// Times in a row that it failed.
    misses: u32,
    /// Since when the store is not there, and whether that was told.
    gone: Option<(Duration, bool)>,
    tell: &'f mut dyn FnMut(),
}

impl Failing<'_> {
    /// Reading went well.
    fn passed(&mut self) {
        (self.misses, self.gone) = (0, None);
    }

    /// Takes note of a store that is not there any more.
    fn is_gone(&mut self, now: Duration) {
        let (since, told) = self.gone.unwrap_or((now, false));
        let long = now.saturating_sub(since) >= UNREAD_FOR;
        if long && !told {
            (self.tell)();
        }
        self.gone = Some((since, told || long));
    }

    /// Lets a failure pass for a while: where a writer replaces files there are such.
    fn passes(&mut self, error: Error) -> Result<(), Error> {
        self.misses = self.misses.saturating_add(1);
        let may_pass = matches!(error, Error::Store(StoreError::Io(_) | StoreError::Fault(_)));
        if may_pass && self.misses < PATIENCE { Ok(()) } else { Err(error) }
    }
}

/// What was written behind the last entry and cannot be read.
struct Unread<'f> {
    /// Where, since when, and whether it was told.
    since: Option<(Place, Duration, bool)>,
    tell: &'f mut dyn FnMut(&Place),
}

impl Unread<'_> {
    /// Takes note of what a look showed at the time `now`.
    fn seen(&mut self, place: Option<Place>, now: Duration) {
        let of = |place: &Place| (Arc::clone(&place.file), place.offset_bytes);
        let known = self.since.take();
        let Some(place) = place else { return };
        let known = known.filter(|(known, ..)| of(known) == of(&place));
        let (mut since, mut told) = (now, false);
        if let Some((_, first, before)) = known {
            (since, told) = (first, before);
        }
        if !told && now.saturating_sub(since) >= UNREAD_FOR {
            (self.tell)(&place);
            told = true;
        }
        self.since = Some((place, since, told));
    }
}

struct Following<'f> {
    options: &'f EntryOptions,
    stream: Stream<'f>,
    meter: Meter,
    groups: BTreeMap<GroupId, Standing>,
    unread: Unread<'f>,
    /// Code and place of the faults that were told.
    told: VecDeque<(Code, Arc<Path>, u64)>,
    failing: Failing<'f>,
}

impl Following<'_> {
    /// Opens the store, shows what is there, and follows it until it must be opened again.
    fn opened(
        &mut self,
        reopen: &mut Reopen<'_>,
        clock: &dyn Clock,
        pause: &mut dyn FnMut() -> ControlFlow<()>,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<()>, Error> {
        let begun = reopen().map_err(Error::from).and_then(|store| {
            let flow = self.show(store.as_ref(), observer)?;
            Ok((flow, store.follow().ok_or_else(|| unfollowed(store.as_ref()))?))
        });
        let (flow, mut live) = match begun {
            Ok(begun) => begun,
            Err(Error::Store(error)) if is_gone(&error) && !self.groups.is_empty() => {
                self.failing.is_gone(clock.monotonic());
                return Ok(ControlFlow::Continue(()));
            }
            Err(error) => return self.failing.passes(error).map(ControlFlow::Continue),
        };
        self.failing.passed();
        if flow.is_break() {
            return Ok(flow);
        }
        let mut wait = PAUSE_MIN;
        loop {
            if self.rest(clock, wait, pause, observer)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let looked = match self.look(live.as_mut(), observer) {
                Ok(looked) => {
                    self.failing.passed();
                    looked
                }
                Err(Error::Store(error)) if is_gone(&error) => Looked::Lost,
                Err(error) => {
                    self.failing.passes(error)?;
                    Looked::Nothing
                }
            };
            self.unread.seen(live.unread(), clock.monotonic());
            wait = match looked {
                Looked::Ended => return Ok(ControlFlow::Break(())),
                Looked::Lost => return Ok(ControlFlow::Continue(())),
                Looked::New => PAUSE_MIN,
                Looked::Nothing => wait.saturating_mul(2).min(PAUSE_MAX),
            };
        }
    }

    /// Waits, unless nobody listens any more.
    fn rest(
        &mut self,
        clock: &dyn Clock,
        wait: Duration,
        pause: &mut dyn FnMut() -> ControlFlow<()>,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<()>, Error> {
        let flow = pause();
        if flow.is_continue() {
            clock.sleep(wait);
            self.meter.waited(observer)?;
        }
        Ok(flow)
    }

    /// Shows what of an opened store was not shown yet.
    fn show(
        &mut self,
        store: &dyn Store,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<()>, Error> {
        for group in chosen(store, self.options.group.as_ref())? {
            let bounds = store.state(&group)?.bounds;
            let mut standing = match self.groups.remove(&group) {
                Some(standing) => standing,
                None => begin(store, &group, self.options, bounds)?,
            };
            standing.spoken = spoken_in(store, &group, self.options);
            let standing = self.groups.entry(group.clone()).or_insert(standing);
            let Some(bounds) = bounds else { continue };
            if let Some(other) = standing.shown.first_other(store, &group, bounds)? {
                standing.next = standing.next.min(other);
            }
            let passed = bounds.first().previous().filter(|_| standing.begun);
            if let Some(passed) = passed.filter(|passed| *passed >= standing.next) {
                let fault = skipped(&group, standing.next, passed);
                if self.fault(fault).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(standing) = self.groups.get_mut(&group) else { continue };
            // A conflict may have taken the end away; what comes instead is shown.
            standing.next = standing.next.min(bounds.last().next().unwrap_or(bounds.last()));
            let new = IndexRange::new(standing.next, standing.last);
            let Some(range) = new.and_then(|new| bounds.intersection(new)) else { continue };
            for located in store.entries(&group, range)? {
                let located = match located {
                    Ok(located) => Ok(located),
                    Err(error) => Err(damage(error)?),
                };
                if self.take(&group, located, observer)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn look(
        &mut self,
        live: &mut dyn Follow,
        observer: &mut dyn Observer,
    ) -> Result<Looked, Error> {
        let mut stopped = Ok(());
        let looked = live.look(&mut |group, located| {
            if self.options.group.as_ref().is_some_and(|wanted| wanted != group) {
                return ControlFlow::Continue(());
            }
            let located = located.map_err(|fault| *fault);
            self.take(group, located, observer).unwrap_or_else(|error| {
                stopped = Err(error);
                ControlFlow::Break(())
            })
        });
        stopped?;
        Ok(looked?)
    }

    /// Shows an entry, or what is wrong where one should be.
    fn take(
        &mut self,
        group: &GroupId,
        located: Result<Located, Fault>,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<()>, Error> {
        let located = match located {
            Ok(located) => located,
            Err(fault) => return Ok(self.fault(fault)),
        };
        let index = located.entry.index;
        self.meter.entry(located.entry.payload_bytes().len() as u64, observer)?;
        let standing = self.groups.entry(group.clone()).or_insert_with(|| later(self.options));
        standing.next = index.next().unwrap_or(index);
        standing.begun = true;
        standing.shown.add(index, located.entry.term);
        self.stream.spoken = standing.spoken;
        if index < standing.first || index > standing.last {
            return Ok(ControlFlow::Continue(()));
        }
        let terms = standing.terms;
        Ok(self.stream.entry(group, located, terms))
    }

    /// Shows what is wrong, once: what was opened anew tells it again.
    fn fault(&mut self, fault: Fault) -> ControlFlow<()> {
        if let Some(place) = &fault.place {
            let of = (fault.code, Arc::clone(&place.file), place.offset_bytes);
            if self.told.contains(&of) {
                return ControlFlow::Continue(());
            }
            if self.told.len() >= TOLD_MAX {
                self.told.pop_front();
            }
            self.told.push_back(of);
        }
        self.stream.finding(fault)
    }
}

/// What is wanted of a group that was not there at first.
fn later(options: &EntryOptions) -> Standing {
    let of = |selection: Selection| match selection.needs_highest() {
        true => (0, u64::MAX),
        false => selection.resolve(None).unwrap_or((0, u64::MAX)),
    };
    let (first_term, last_term) = of(options.term);
    let (first, last) = of(options.index);
    let (first, last) = (LogIndex(first), LogIndex(last));
    let terms = (Term(first_term), Term(last_term));
    let (shown, spoken) = (Shown::default(), (None, Dialect::Any));
    Standing { next: first, first, last, terms, begun: false, shown, spoken }
}

/// Where following a group begins.
fn begin(
    store: &dyn Store,
    group: &GroupId,
    options: &EntryOptions,
    bounds: Option<IndexRange>,
) -> Result<Standing, Error> {
    let mut standing = later(options);
    if let Some((indexes, terms)) = resolved(store, group, options, bounds)? {
        standing.next = indexes.first();
        // What is asked for by its distance from the end goes on behind it.
        if options.term.needs_highest() {
            standing.terms.0 = terms.0;
        }
    }
    Ok(standing)
}

/// Whether the store is not there.
fn is_gone(error: &StoreError) -> bool {
    match error {
        StoreError::NotFound { .. } => true,
        StoreError::Io(error) => error.source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn unfollowed(store: &dyn Store) -> Error {
    let path = store.files().first().map(|file| file.path.clone()).unwrap_or_default();
    Error::Store(StoreError::Unsupported {
        path,
        what: format!("{} is not followed", store.format()),
        way_out: "logs that only grow are: fastlog, raft-wal and etcd-wal".to_owned(),
    })
}
