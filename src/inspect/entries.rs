use std::ops::ControlFlow;

use crate::decode::Program;
use crate::event::{EntryCount, Meter, Observer, Phase};
use crate::inspect::{
    EntryItem, EntryLine, EntryOptions, Error, PayloadMode, PayloadView, Streamed, UtcTime, chosen,
    damage, of_reading, program_of,
};
use crate::model::{Dialect, Entry, Fault, GroupId, IndexRange, LogIndex, Term};
use crate::store::detect::product_of;
use crate::store::open::memberships;
use crate::store::{Located, Store};

/// Streams entries, group by group in index order. `visit` may break, which ends the stream well.
///
/// # Errors
/// When the store cannot be read any further; damage is a finding, given to `visit` at its place.
pub fn entries(
    store: &dyn Store,
    options: &EntryOptions,
    visit: &mut dyn FnMut(EntryItem<'_>) -> ControlFlow<()>,
    observer: &mut dyn Observer,
) -> Result<Streamed, Error> {
    let mut stream = Stream::new(options, visit);
    let mut spans = Vec::new();
    for group in chosen(store, options.group.as_ref())? {
        if let Some(span) = span(store, &group, options, &mut stream)? {
            spans.push((group, span));
        }
    }
    let total = spans.iter().map(|(_, span)| span.known).sum();
    let mut meter = Meter::start(Phase::Reading, None, Some(EntryCount(total)), observer)?;
    let opening = store.opening_faults();
    let mut flow = opening.iter().try_for_each(|fault| stream.finding(fault.clone()));
    for (group, span) in spans {
        if flow.is_break() {
            break;
        }
        stream.spoken = spoken_in(store, &group, options);
        for located in store.entries(&group, span.indexes)? {
            flow = match located {
                Ok(located) => {
                    meter.entry(located.entry.payload_bytes().len() as u64, observer)?;
                    stream.entry(&group, located, span.terms)
                }
                Err(error) => {
                    let fault = damage(error)?;
                    if opening.contains(&fault) { flow } else { stream.finding(fault) }
                }
            };
            if flow.is_break() {
                break;
            }
        }
    }
    meter.finish(observer)?;
    Ok(stream.streamed)
}

/// What of a group is asked for.
struct Span {
    indexes: IndexRange,
    terms: (Term, Term),
    /// Indexes of it that the group's bounds hold, for progress.
    known: u64,
}

fn span(
    store: &dyn Store,
    group: &GroupId,
    options: &EntryOptions,
    stream: &mut Stream<'_>,
) -> Result<Option<Span>, Error> {
    let bounds = match store.state(group) {
        Ok(state) => state.bounds,
        Err(error) => {
            // The log may be readable although the state is not.
            let _closed_early = stream.finding(damage(error)?);
            Some(IndexRange::ALL)
        }
    };
    let Some((indexes, terms)) = resolved(store, group, options, bounds)? else { return Ok(None) };
    let known = bounds.and_then(|bounds| bounds.intersection(indexes)).map_or(0, IndexRange::count);
    Ok(Some(Span { indexes, terms, known }))
}

/// Indexes, and the first and the last term.
pub(super) type Wanted = (IndexRange, (Term, Term));

/// The indexes and terms that are asked for, in a log with these bounds; `None` when that is
/// nothing.
pub(super) fn resolved(
    store: &dyn Store,
    group: &GroupId,
    options: &EntryOptions,
    bounds: Option<IndexRange>,
) -> Result<Option<Wanted>, Error> {
    let highest = bounds.map(|bounds| bounds.last());
    let indexes = options.index.resolve(highest.map(|LogIndex(index)| index));
    let indexes =
        indexes.and_then(|(first, last)| IndexRange::new(LogIndex(first), LogIndex(last)));
    let last_term = match options.term.needs_highest() {
        true => last_term(store, group, highest)?,
        false => None,
    };
    let terms = options.term.resolve(last_term.map(|Term(term)| term));
    Ok(indexes.zip(terms.map(|(first, last)| (Term(first), Term(last)))))
}

/// Term of the last entry that can be read, looking back from the last index.
fn last_term(
    store: &dyn Store,
    group: &GroupId,
    highest: Option<LogIndex>,
) -> Result<Option<Term>, Error> {
    const LOOK_BACK: u64 = 1_000;
    let Some(highest) = highest else { return Ok(None) };
    let from = LogIndex(highest.0.saturating_sub(LOOK_BACK));
    let Some(range) = IndexRange::new(from, highest) else { return Ok(None) };
    let mut last = None;
    for head in store.heads(group, range)? {
        match head {
            Ok(located) => last = Some(located.head.term),
            Err(error) => drop(damage(error)?),
        }
    }
    Ok(last)
}

/// Entries on their way to a visitor.
pub(super) struct Stream<'v> {
    pub(super) options: &'v EntryOptions,
    pub(super) visit: &'v mut dyn FnMut(EntryItem<'_>) -> ControlFlow<()>,
    pub(super) streamed: Streamed,
    /// In whose encoding the memberships of the group at hand are.
    pub(super) spoken: Spoken,
}

/// Whose commands the entries are, and in whose encoding their memberships.
pub(super) type Spoken = (Option<Program>, Dialect);

/// What is spoken in the log of a group. What a log was converted from is known by its keys.
pub(super) fn spoken_in(store: &dyn Store, group: &GroupId, options: &EntryOptions) -> Spoken {
    let program = options.product.and_then(program_of);
    match options.payload {
        PayloadMode::Auto | PayloadMode::Utf8 => {
            let state = store.state(group).unwrap_or_default();
            let known = || product_of(&state).and_then(program_of);
            (program.or_else(known), memberships(&state, store.profile()).dialect)
        }
        _ => (program, Dialect::Any),
    }
}

impl<'v> Stream<'v> {
    /// A stream that has shown nothing yet.
    pub(super) fn new(
        options: &'v EntryOptions,
        visit: &'v mut dyn FnMut(EntryItem<'_>) -> ControlFlow<()>,
    ) -> Stream<'v> {
        Stream { options, visit, streamed: Streamed::default(), spoken: (None, Dialect::Any) }
    }

    /// Gives a finding to the visitor.
    pub(super) fn finding(&mut self, fault: Fault) -> ControlFlow<()> {
        let flow = (self.visit)(EntryItem::Finding(&fault));
        self.streamed.findings.add(fault);
        flow
    }

    /// Gives an entry to the visitor, if it is wanted.
    pub(super) fn entry(
        &mut self,
        group: &GroupId,
        located: Located,
        (first_term, last_term): (Term, Term),
    ) -> ControlFlow<()> {
        if self.options.limit.is_some_and(|limit| self.streamed.items >= limit) {
            return ControlFlow::Break(());
        }
        let Located { entry, place, faults } = located;
        let kinds = &self.options.kinds;
        let wanted = (first_term..=last_term).contains(&entry.term)
            && (kinds.is_empty() || kinds.contains(&entry.kind));
        if !wanted {
            return ControlFlow::Continue(());
        }
        for fault in of_reading(faults) {
            self.finding(fault)?;
        }
        let line = EntryLine { place, ..line(group, &entry, (self.options, self.spoken)) };
        (self.visit)(EntryItem::Entry(&line))?;
        self.streamed.items += 1;
        match self.options.limit {
            Some(limit) if self.streamed.items >= limit => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn line(group: &GroupId, entry: &Entry, (options, spoken): (&EntryOptions, Spoken)) -> EntryLine {
    EntryLine {
        group: group.clone(),
        index: entry.index,
        term: entry.term,
        kind: entry.kind,
        kind_code: entry.kind_code,
        size_bytes: entry.payload_bytes().len() as u64,
        appended_at: entry.extra.appended_at.instant().and_then(UtcTime::of),
        extensions_bytes: entry.extensions_bytes().len() as u64,
        place: None,
        payload: PayloadView::of(entry, options.payload, spoken),
    }
}
