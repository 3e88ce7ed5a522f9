//! What is known and decided before anything is written: damage, rules, losses, space.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::{EntryCount, Meter, Observer, Phase};
use crate::migrate::states::{Stated, States};
use crate::migrate::survey::{Survey, decodes, membership_decodes};
use crate::migrate::times::Times;
use crate::migrate::{
    ACCEPTABLE, Compared, Copied, Ends, Error, Loss, LossName, Migration, Options, Outcome, Plan,
};
use crate::model::{Code, Fault, Findings, IndexRange, KnownFaults, LogState};
use crate::store::target::{Sealed, Target};
use crate::store::{
    HeadPiece, Level, Located, LocatedHead, Profile, Room, SUPERSEDED_RECORDS, Store, StoreError,
};
use crate::vfs::{Metadata, parent_of};

/// Damage: whoever has it restores or repairs first. No flag takes it.
const DAMAGE: [Code; 7] =
    [Code::R103, Code::R115, Code::R116, Code::R119, Code::R120, Code::R122, Code::R125];

/// What the file system says about the source's files: changed when somebody wrote to them.
pub(super) type Fingerprint = Vec<(PathBuf, Option<Metadata>)>;

/// Looks at the source's files; one that cannot be looked at is the same each time.
pub(super) fn fingerprint(source: &dyn Store, target: &Target) -> Fingerprint {
    let look = |path: &Path| target.fs().metadata(path).ok();
    source.files().iter().map(|file| (file.path.clone(), look(&file.path))).collect()
}

/// Everything that is known of a migration so far.
pub(super) struct Preflight<'s> {
    source: &'s dyn Store,
    options: &'s Options,
    pub(super) groups: Vec<(Survey<'s>, &'s LogState)>,
    pub(super) findings: Findings,
    known: KnownFaults,
    state_faults: &'s [Fault],
    plan: Plan,
    profile: &'static Profile,
    room: Room,
    /// Losses of the whole store rather than of a group.
    lost: BTreeMap<LossName, u64>,
    surveyed: bool,
}

impl<'s> Preflight<'s> {
    /// Begins with the groups and their states.
    pub(super) fn new(
        source: &'s dyn Store,
        target: &Target,
        options: &'s Options,
        ends: &dyn Ends,
        states: &'s States,
    ) -> Result<Preflight<'s>, Error> {
        let profile = ends.profile(options, target.path())?;
        let room = ends.room(options);
        let survey = |stated: &'s Stated| {
            let to = (profile, room);
            (Survey::new(stated, source.profile(), to, options.time_form), &stated.state)
        };
        let groups: Vec<_> = states.groups.iter().map(survey).collect();
        let mut lost = BTreeMap::new();
        let others = source.other_contents().len() as u64;
        if others > 0 {
            lost.insert(LossName::OtherTables, others);
        }
        let plan = Plan {
            from: source.format().as_str().to_owned(),
            to: options.to.as_str().to_owned(),
            target: target.path().to_string_lossy().into_owned(),
            groups: Vec::new(),
            losses: Vec::new(),
            accepted: Vec::new(),
            notes: ends.notes(options).into_iter().chain(states.note.clone()).collect(),
            space_needed_bytes: 0,
            space_free_bytes: free_bytes(target),
        };
        let mut preflight = Preflight {
            source,
            options,
            groups,
            findings: Findings::default(),
            known: KnownFaults::default(),
            state_faults: &states.faults,
            plan,
            profile,
            room,
            lost,
            surveyed: false,
        };
        if preflight.groups.len() > 1 && !profile.holds.many_groups {
            let what = format!(
                "{} holds one group, the source has {}; choose one",
                options.to,
                preflight.groups.len()
            );
            let outcome = Box::new(preflight.outcome(None, None));
            return Err(Error::Unfit { what, outcome });
        }
        for (survey, state) in &preflight.groups {
            let group = (&survey.written_as, &survey.fit.state(state));
            ends.refuse_group(options, target.path(), group)?;
        }
        Ok(preflight)
    }

    /// Checks the source's container.
    pub(super) fn container(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        // Entries are read once more, and heads by themselves only where something is lost.
        self.source.forgo_heads();
        let total = self.source.files().iter().map(|file| file.size_bytes).sum();
        let checked = Meter::over(Phase::Verifying, total, observer, |progress| {
            self.source.check(Level::Full, progress)
        })?;
        match checked {
            Ok(checked) => {
                self.known = KnownFaults::of(&checked.faults);
                self.findings.extend(checked.faults);
                let superseded = |(name, _): &&(&str, u64)| *name == SUPERSEDED_RECORDS;
                let count = checked.counts.iter().find(superseded).map_or(0, |(_, count)| *count);
                if count > 0 {
                    self.lost.insert(LossName::SupersededRecords, count);
                }
            }
            Err(StoreError::Fault(fault)) => {
                self.findings.extend(self.source.opening_faults().iter().cloned());
                self.findings.add(*fault);
            }
            Err(error) => return Err(error.into()),
        }
        self.state_faults.iter().for_each(|fault| self.add(fault.clone()));
        Ok(())
    }

    /// Whether one reading may serve for plan and copy: nothing is known to be lost, contents fit
    /// whatever they are, and there is room for more than the entries can take.
    pub(super) fn may_copy_at_once(&self) -> Result<bool, Error> {
        let most_bytes = self.room.at_most_bytes(self.indexes(), self.source_bytes());
        let room = self.plan.space_free_bytes.is_none_or(|free| free >= most_bytes);
        let whole = self.groups.iter().all(|(survey, _)| survey.needs_heads_only());
        let may = !self.options.dry_run && room && whole && !self.would_lose();
        Ok(may && self.takes_the_largest()?)
    }

    /// Whether every entry is surely small enough for the target, so that none is met when others
    /// were written. An entry lies in one file, so only a large file can hold a large one.
    fn takes_the_largest(&self) -> Result<bool, Error> {
        let most_bytes = self.profile.entry_bytes_max;
        let files = self.source.files();
        if self.source.profile().entry_bytes_max <= most_bytes
            || files.iter().all(|file| file.size_bytes <= most_bytes)
        {
            return Ok(true);
        }
        let takes = |piece: &HeadPiece| match piece {
            HeadPiece::Run(run) => {
                // Extensions of all entries at most; where that is too much, each is looked at.
                let rest_bytes = run.encoded_bytes.saturating_sub(run.payload_bytes);
                run.payload_bytes_max.saturating_add(rest_bytes) <= most_bytes
            }
            HeadPiece::One(LocatedHead { head, .. }) => {
                head.payload_len_bytes.saturating_add(head.extensions_len_bytes) <= most_bytes
            }
        };
        for (survey, _) in &self.groups {
            for piece in self.source.head_runs(&survey.group, IndexRange::ALL)? {
                match piece {
                    Ok(piece) if takes(&piece) => {}
                    Ok(_) | Err(StoreError::Fault(_)) => return Ok(false),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(true)
    }

    /// Whether something of the logs is lost or unfit, as far as it is known.
    pub(super) fn would_lose(&self) -> bool {
        !self.groups.iter().all(|(survey, _)| survey.loses_nothing())
    }

    /// Reads every group once: counts, rules, losses.
    pub(super) fn survey(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let mut meter = self.meter(Phase::Reading, observer)?;
        for at in 0..self.groups.len() {
            let Some((survey, _)) = self.groups.get(at) else { continue };
            if survey.needs_heads_only() && !survey.counts_times() {
                self.survey_heads(at, &mut meter, observer)?;
            } else {
                self.survey_entries(at, &mut meter, observer)?;
            }
            self.finish_group(at);
        }
        meter.finish(observer)?;
        Ok(())
    }

    /// A meter over all entries of all groups.
    pub(super) fn meter(&self, phase: Phase, observer: &mut dyn Observer) -> Result<Meter, Error> {
        Ok(Meter::start(phase, None, Some(EntryCount(self.indexes())), observer)?)
    }

    /// Indexes within the bounds of all groups.
    fn indexes(&self) -> u64 {
        let bounds = self.groups.iter().filter_map(|(_, state)| state.bounds);
        bounds.map(IndexRange::count).fold(0, u64::saturating_add)
    }

    fn source_bytes(&self) -> u64 {
        self.source.files().iter().map(|file| file.size_bytes).sum()
    }

    /// Ends the reading of a group.
    pub(super) fn finish_group(&mut self, at: usize) {
        if let Some((survey, _)) = self.groups.get_mut(at) {
            survey.finish(&mut self.findings);
        }
        self.surveyed = true;
    }

    /// Takes note of a fault, unless the container's check said it about the same place.
    fn add(&mut self, fault: Fault) {
        match self.known.has(&fault) {
            true => self.findings.complete(&fault),
            false => self.findings.add(fault),
        }
    }

    /// Whether what was found stops a migration.
    pub(super) fn is_stopped(&self) -> bool {
        let accepted = |code: &Code| {
            !DAMAGE.contains(code)
                && (!ACCEPTABLE.contains(code) || self.options.accept.contains(code))
        };
        !self.findings.codes_in_error().all(|code| accepted(&code))
    }

    /// Stops over damage, a rule or a loss that is not accepted.
    pub(super) fn judge(&mut self) -> Result<(), Error> {
        if self.is_stopped() {
            return Err(Error::Findings { outcome: Box::new(self.outcome(None, None)) });
        }
        if let Some(unfit) = self.groups.iter().find_map(|(survey, _)| survey.unfit.clone()) {
            return Err(Error::Unfit { what: unfit, outcome: Box::new(self.outcome(None, None)) });
        }
        self.refuse_unread_times()?;
        match self.losses().iter().filter(|loss| !loss.accepted).count() {
            0 => Ok(()),
            1 => Err(self.refused("1 loss is not accepted yet".to_owned())),
            count => Err(self.refused(format!("{count} losses are not accepted yet"))),
        }
    }

    /// Stops where the program that owns the source would not read what is written, unless the
    /// form was asked for.
    fn refuse_unread_times(&mut self) -> Result<(), Error> {
        let Some(product) = self.options.product else { return Ok(()) };
        if self.options.time_form.is_some() {
            return Ok(());
        }
        let Some((what, wanted)) = self.times().unread_by(product) else { return Ok(()) };
        Err(Error::TimeForm { what, wanted, outcome: Box::new(self.outcome(None, None)) })
    }

    fn times(&self) -> Times {
        let all = self.groups.iter().map(|(survey, _)| survey.times);
        all.fold(Times::default(), Times::and)
    }

    /// Stops where the target would fill its file system.
    pub(super) fn refuse_without_space(&mut self, target: &Target) -> Result<(), Error> {
        let needed_bytes = self.bytes_needed();
        match self.plan.space_free_bytes {
            Some(free_bytes) if free_bytes < needed_bytes => {
                let outcome = Box::new(self.outcome(None, None));
                let path = target.path().to_owned();
                Err(Error::Space { path, outcome, needed_bytes, free_bytes })
            }
            _ => Ok(()),
        }
    }

    /// What is known now, as the job's result.
    pub(super) fn outcome(
        &mut self,
        copied: Option<Copied>,
        compared: Option<Compared>,
    ) -> Outcome {
        let mut plan = self.plan.clone();
        plan.groups = self.groups.iter().map(|(survey, _)| survey.plan()).collect();
        plan.losses = self.losses();
        plan.notes.extend(self.times().notes());
        plan.space_needed_bytes = self.bytes_needed();
        let accepted = self
            .findings
            .codes_in_error()
            .filter(|code| ACCEPTABLE.contains(code) && self.options.accept.contains(code));
        plan.accepted = accepted.map(|code| code.as_str().to_owned()).collect();
        let migration = Migration { plan, copied, compared };
        Outcome { migration, findings: std::mem::take(&mut self.findings) }
    }

    /// What was written, with its pace.
    pub(super) fn copied(&self, sealed: &Sealed, elapsed: Duration) -> Copied {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let per_second = u128::from(sealed.bytes) * 1_000_000 / elapsed.as_micros().max(1);
        Copied {
            groups: self.groups.len() as u64,
            entries: self.groups.iter().map(|(survey, _)| survey.plan().entries).sum(),
            bytes: sealed.bytes,
            files: sealed.files,
            elapsed_ms,
            bytes_per_s: u64::try_from(per_second).unwrap_or(u64::MAX),
        }
    }

    fn survey_heads(
        &mut self,
        at: usize,
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let source = self.source;
        let Some((survey, _)) = self.groups.get(at) else { return Ok(()) };
        let group = survey.group.clone();
        for located in source.heads(&group, IndexRange::ALL)? {
            match located {
                Ok(located) => {
                    let head = located.head;
                    let Some((survey, _)) = self.groups.get_mut(at) else { continue };
                    let of = (&group, survey.dialect());
                    let membership = || membership_decodes(source, of, head.index);
                    survey.head(&head, &mut self.findings, membership)?;
                    of_reading(located.faults.into_iter()).for_each(|fault| self.add(fault));
                    meter.entry(head.payload_len_bytes, observer)?;
                }
                Err(error) => self.unreadable(at, error)?,
            }
        }
        Ok(())
    }

    fn survey_entries(
        &mut self,
        at: usize,
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let source = self.source;
        let Some((survey, _)) = self.groups.get(at) else { return Ok(()) };
        let group = survey.group.clone();
        for located in source.entries(&group, IndexRange::ALL)? {
            match located {
                Ok(mut located) => {
                    meter.entry(located.entry.payload_bytes().len() as u64, observer)?;
                    self.see(at, &mut located)?;
                }
                Err(error) => self.unreadable(at, error)?,
            }
        }
        Ok(())
    }

    /// Takes note of an entry that was read with its contents; its place and its faults are taken.
    pub(super) fn see(&mut self, at: usize, located: &mut Located) -> Result<(), Error> {
        let Some((survey, _)) = self.groups.get_mut(at) else { return Ok(()) };
        let head = located.entry.head(located.place.take());
        let dialect = survey.dialect();
        survey.head(&head, &mut self.findings, || Ok(decodes(&located.entry, dialect)))?;
        survey.contents(&located.entry);
        of_reading(located.faults.drain(..)).for_each(|fault| self.add(fault));
        Ok(())
    }

    /// Takes note of damage where entries should be; anything else ends the migration.
    pub(super) fn unreadable(&mut self, at: usize, error: StoreError) -> Result<(), Error> {
        let StoreError::Fault(fault) = error else { return Err(error.into()) };
        if let Some((survey, _)) = self.groups.get_mut(at) {
            survey.unreadable();
        }
        self.add(*fault);
        Ok(())
    }

    fn refused(&mut self, what: String) -> Error {
        Error::Refused { what, outcome: Box::new(self.outcome(None, None)) }
    }

    fn losses(&self) -> Vec<Loss> {
        let mut counts = self.lost.clone();
        for (name, count) in self.groups.iter().flat_map(|(survey, _)| survey.losses()) {
            *counts.entry(name).or_default() += count;
        }
        let loss = |(name, count): (LossName, u64)| Loss {
            name,
            count,
            accepted: name.needs_no_acceptance() || self.options.allow_loss.contains(&name),
            meaning: name.meaning().to_owned(),
        };
        counts.into_iter().map(loss).collect()
    }

    /// As many bytes the target takes at most; before entries were read, judged by the size of the
    /// source.
    fn bytes_needed(&self) -> u64 {
        if self.surveyed {
            let groups = self.groups.iter().map(|(survey, _)| survey.bytes());
            return self.room.file_bytes(groups.fold(0, u64::saturating_add));
        }
        self.room.file_bytes(self.source_bytes())
    }
}

/// What is wrong with an entry that was read. Which indexes a library uses is asked by the rules,
/// which name it once.
fn of_reading(faults: impl Iterator<Item = Fault>) -> impl Iterator<Item = Fault> {
    faults.filter(|fault| fault.code != Code::R127)
}

fn free_bytes(target: &Target) -> Option<u64> {
    target.fs().free_bytes(parent_of(target.path())).ok().flatten()
}
