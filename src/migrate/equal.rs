//! Copied means compared: what was written is reopened and read side by side with its source.

use crate::event::{Meter, Observer, Phase};
use crate::migrate::fit::Fit;
use crate::migrate::preflight::Preflight;
use crate::migrate::survey::Survey;
use crate::migrate::{Compared, Ends, Error, Options};
use crate::model::{Field, GroupId, IndexRange, LogState, Severity};
use crate::store::ahead::{Ahead, read_ahead};
use crate::store::target::Sealed;
use crate::store::{Store, StoreError};

/// Why a comparison did not end well.
pub(super) enum Unequal {
    /// The target is not what was to be written; how, in one line.
    Different(String),
    /// The source could not be read again, or the operator wanted to stop.
    Stopped(Error),
}

impl<E: Into<Error>> From<E> for Unequal {
    fn from(error: E) -> Unequal {
        Unequal::Stopped(error.into())
    }
}

/// Compares every field of every entry and of every state.
pub(super) fn compare(
    source: &dyn Store,
    sealed: &Sealed,
    preflight: &Preflight<'_>,
    options: &Options,
    ends: &dyn Ends,
    observer: &mut dyn Observer,
) -> Result<Compared, Unequal> {
    let mut meter = preflight.meter(Phase::Comparing, observer)?;
    let target = ends.reopen(options, &sealed.partial()).map_err(of_target)?;
    if target.format() != options.to {
        return Err(wrong(format!("it is recognised as {}", target.format())));
    }
    let grave = |severity: Severity| severity > Severity::Info;
    if let Some(fault) = target.opening_faults().iter().find(|fault| grave(fault.severity)) {
        return Err(wrong(fault.to_string()));
    }
    let groups = target.groups().map_err(of_target)?;
    let expected: Vec<&GroupId> =
        preflight.groups.iter().map(|(survey, _)| &survey.written_as).collect();
    if groups.iter().ne(expected.iter().copied()) {
        return Err(wrong(format!("{} groups, not {}", groups.len(), expected.len())));
    }
    let mut compared = Compared { entries: 0, state_keys: 0, equal: true };
    for (survey, state) in &preflight.groups {
        let group = &survey.group;
        let wanted = survey.written_state(state);
        let written = target.state(&survey.written_as).map_err(of_target)?;
        same_state(&wanted, &written, &survey.fit)
            .map_err(|difference| in_group(group, difference))?;
        compared.state_keys += wanted.stable.len() as u64;
        let pair = Pair { source, target: target.as_ref(), survey };
        compared.entries += pair.same_entries(&mut meter, observer)?;
    }
    meter.finish(observer)?;
    Ok(compared)
}

fn wrong(difference: String) -> Unequal {
    Unequal::Different(difference)
}

/// The target must be sound: whatever is wrong with it, it was written wrong. A disk that cannot be
/// read says nothing of what is on it.
fn of_target(error: StoreError) -> Unequal {
    match error {
        StoreError::Io(_) => Unequal::Stopped(error.into()),
        other => wrong(format!("it cannot be used: {other}")),
    }
}

fn in_group(group: &GroupId, difference: String) -> Unequal {
    match group.name() {
        Some(name) => wrong(format!("group {name:?}: {difference}")),
        None => wrong(difference),
    }
}

fn same_state(wanted: &LogState, written: &LogState, fit: &Fit) -> Result<(), String> {
    let all = wanted.differences(written, &fit.state_fields());
    let counts = |field: &Field, added: bool| {
        !(added && fit.may_add_keys() && matches!(field, Field::State(_)))
    };
    match all.into_iter().find(|found| counts(&found.field, found.a.is_none())) {
        None => Ok(()),
        Some(found) => {
            let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
            Err(format!("{}: {}, not {}", found.field, shown(found.b), shown(found.a)))
        }
    }
}

/// One group in both stores.
struct Pair<'p> {
    source: &'p dyn Store,
    target: &'p dyn Store,
    survey: &'p Survey<'p>,
}

impl Pair<'_> {
    /// Reads both side by side, the source by a thread of its own; returns how many entries are
    /// equal.
    fn same_entries(&self, meter: &mut Meter, observer: &mut dyn Observer) -> Result<u64, Unequal> {
        std::thread::scope(|scope| {
            let source = self.source.entries(&self.survey.group, self.survey.range())?;
            self.same(read_ahead(scope, source), meter, observer)
        })
    }

    fn same(
        &self,
        source: Ahead<'_>,
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<u64, Unequal> {
        let (survey, fit) = (self.survey, self.survey.fit);
        let fields = fit.entry_fields();
        let written = self.target.entries(&survey.written_as, IndexRange::ALL);
        let mut written = written.map_err(of_target)?;
        let mut count = 0;
        for read in source {
            let mut read = read?;
            let wanted = &mut read.entry;
            fit.entry(wanted);
            let index = wanted.index;
            let found = match written.next() {
                None => return Err(self.differs(format!("entry {index} is missing"))),
                Some(Err(error)) => return Err(self.unreadable(error)),
                Some(Ok(located)) => located,
            };
            let found = &found.entry;
            if found.index != index {
                return Err(self.differs(format!("entry {} stands for {index}", found.index)));
            }
            if let Some(field) = wanted.difference(found, &fields) {
                return Err(self.differs(format!("{field} of entry {index}")));
            }
            count += 1;
            meter.entry(wanted.payload_bytes().len() as u64, observer)?;
        }
        match written.next() {
            None => Ok(count),
            Some(Ok(more)) => Err(self.differs(format!("entry {} is too much", more.entry.index))),
            Some(Err(error)) => Err(self.unreadable(error)),
        }
    }

    fn unreadable(&self, error: StoreError) -> Unequal {
        match of_target(error) {
            Unequal::Different(difference) => self.differs(difference),
            stopped => stopped,
        }
    }

    fn differs(&self, difference: String) -> Unequal {
        in_group(&self.survey.group, difference)
    }
}
