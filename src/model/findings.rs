use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Code, Fault, Place, Severity};

/// The findings of a job: every fault is counted, at most [`Findings::KEPT_PER_CODE`] are kept for
/// each code, so that memory does not grow with the damage.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    by_code: BTreeMap<Code, OfCode>,
    errors: u64,
    warnings: u64,
    infos: u64,
}

#[derive(Clone, Debug, Default)]
struct OfCode {
    kept: Vec<Fault>,
    count: u64,
    errors: u64,
}

impl Findings {
    /// How many faults of one code are kept.
    pub const KEPT_PER_CODE: usize = 1_000;

    /// Takes note of a fault.
    pub fn add(&mut self, fault: Fault) {
        match fault.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Info => self.infos += 1,
        }
        let of_code = self.by_code.entry(fault.code).or_default();
        of_code.count += 1;
        of_code.errors += u64::from(fault.severity == Severity::Error);
        if of_code.kept.len() < Self::KEPT_PER_CODE {
            of_code.kept.push(fault);
        }
    }

    /// Fills in, where a fault of this code was added for the same place, which entry it concerns:
    /// a container does not always know what reading it tells.
    pub fn complete(&mut self, fault: &Fault) {
        let of_code = self.by_code.get_mut(&fault.code);
        let kept = of_code.map(|of_code| of_code.kept.iter_mut()).into_iter().flatten();
        for said in kept.filter(|said| said.place.is_some() && said.place == fault.place) {
            said.index = said.index.or(fault.index);
            said.term = said.term.or(fault.term);
            said.group = said.group.take().or_else(|| fault.group.clone());
        }
    }

    /// Number of all faults, kept or not.
    pub fn total(&self) -> u64 {
        self.errors + self.warnings + self.infos
    }

    /// Number of faults that are errors.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Number of faults that are warnings.
    pub fn warnings(&self) -> u64 {
        self.warnings
    }

    /// Number of faults that are only worth knowing.
    pub fn infos(&self) -> u64 {
        self.infos
    }

    /// Number of faults of one code.
    pub fn count(&self, code: Code) -> u64 {
        self.by_code.get(&code).map_or(0, |of_code| of_code.count)
    }

    /// Number of faults of one code that are errors.
    pub fn errors_of(&self, code: Code) -> u64 {
        self.by_code.get(&code).map_or(0, |of_code| of_code.errors)
    }

    /// The codes of which there is at least one error, ascending.
    pub fn codes_in_error(&self) -> impl Iterator<Item = Code> {
        self.by_code.iter().filter(|(_, of_code)| of_code.errors > 0).map(|(code, _)| *code)
    }

    /// The gravest severity, or `None` without any fault.
    pub fn worst(&self) -> Option<Severity> {
        if self.errors > 0 {
            Some(Severity::Error)
        } else if self.warnings > 0 {
            Some(Severity::Warning)
        } else {
            (self.infos > 0).then_some(Severity::Info)
        }
    }

    /// Whether there is neither an error nor a warning.
    pub fn is_sound(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }

    /// The kept faults in the order of their codes, then as they were met.
    pub fn kept(&self) -> impl Iterator<Item = &Fault> {
        self.by_code.values().flat_map(|of_code| &of_code.kept)
    }

    /// Adds everything that `other` counted, as when several stores are reported together.
    pub fn merge(&mut self, other: Findings) {
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.infos += other.infos;
        for (code, theirs) in other.by_code {
            let ours = self.by_code.entry(code).or_default();
            ours.count += theirs.count;
            ours.errors += theirs.errors;
            let room = Self::KEPT_PER_CODE - ours.kept.len();
            ours.kept.extend(theirs.kept.into_iter().take(room));
        }
    }

    /// The kept faults by file, offset and index; those without a place come last.
    pub fn into_sorted(self) -> Vec<Fault> {
        let mut kept: Vec<Fault> =
            self.by_code.into_values().flat_map(|of_code| of_code.kept).collect();
        kept.sort_by(by_place);
        kept
    }
}

/// Places of which a fault was told, so that it is not told again.
#[derive(Clone, Debug, Default)]
pub struct KnownFaults(BTreeSet<(Code, Place)>);

impl KnownFaults {
    /// What `faults` say.
    pub fn of(faults: &[Fault]) -> KnownFaults {
        let place = |fault: &Fault| Some((fault.code, fault.place.clone()?));
        KnownFaults(faults.iter().filter_map(place).collect())
    }

    /// Whether a fault of this code was told of its place.
    pub fn has(&self, fault: &Fault) -> bool {
        let place = fault.place.clone().map(|place| (fault.code, place));
        place.is_some_and(|place| self.0.contains(&place))
    }
}

impl Extend<Fault> for Findings {
    fn extend<T: IntoIterator<Item = Fault>>(&mut self, faults: T) {
        for fault in faults {
            self.add(fault);
        }
    }
}

fn by_place(a: &Fault, b: &Fault) -> Ordering {
    let places = match (&a.place, &b.place) {
        (Some(a), Some(b)) => a.file.cmp(&b.file).then(a.offset_bytes.cmp(&b.offset_bytes)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    places.then_with(|| a.index.cmp(&b.index)).then_with(|| a.group.cmp(&b.group))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::model::{FaultKind, LogIndex, Place};

    fn note(code: Code) -> Fault {
        Fault::new(code, FaultKind::Note { found: "x".to_owned() })
    }

    #[test]
    fn every_fault_is_counted_but_only_a_thousand_of_a_code_are_kept() {
        let mut findings = Findings::default();
        for _ in 0..1_500 {
            findings.add(note(Code::R122));
        }
        findings.add(note(Code::R114));
        assert_eq!(findings.total(), 1_501);
        assert_eq!((findings.errors(), findings.warnings(), findings.infos()), (1_500, 1, 0));
        assert_eq!(findings.count(Code::R122), 1_500);
        assert_eq!(findings.worst(), Some(Severity::Error));
        assert_eq!(findings.into_sorted().len(), 1_001);
    }

    #[test]
    fn merging_keeps_the_limit_and_adds_the_counts() {
        let mut all = Findings::default();
        for _ in 0..3 {
            let mut one = Findings::default();
            for _ in 0..600 {
                one.add(note(Code::R122));
            }
            all.merge(one);
        }
        assert_eq!(all.count(Code::R122), 1_800);
        assert_eq!(all.kept().count(), Findings::KEPT_PER_CODE);
    }

    #[test]
    fn errors_are_counted_by_code_even_behind_many_softer_findings() {
        let mut findings = Findings::default();
        for _ in 0..2_000 {
            findings.add(note(Code::R101).as_severity(Severity::Info));
        }
        assert_eq!(findings.codes_in_error().next(), None);
        findings.add(note(Code::R101));
        findings.add(note(Code::R114));
        assert_eq!(findings.errors_of(Code::R101), 1);
        assert_eq!(findings.codes_in_error().collect::<Vec<_>>(), [Code::R101]);
    }

    #[test]
    fn faults_are_sorted_by_file_then_offset_then_index() {
        let at = |file: &str, offset_bytes| Place {
            file: Arc::from(Path::new(file)),
            offset_bytes,
            len_bytes: 1,
        };
        let mut findings = Findings::default();
        findings.add(note(Code::R101).at_index(LogIndex(1)));
        findings.add(note(Code::R119).at(at("b", 1)));
        findings.add(note(Code::R122).at(at("a", 9)));
        findings.add(note(Code::R122).at(at("a", 4)).at_index(LogIndex(8)));
        findings.add(note(Code::R120).at(at("a", 4)).at_index(LogIndex(7)));
        let order: Vec<(Code, Option<u64>)> = findings
            .into_sorted()
            .into_iter()
            .map(|fault| (fault.code, fault.place.map(|place| place.offset_bytes)))
            .collect();
        assert_eq!(
            order,
            [
                (Code::R120, Some(4)),
                (Code::R122, Some(4)),
                (Code::R122, Some(9)),
                (Code::R119, Some(1)),
                (Code::R101, None),
            ]
        );
    }

    #[test]
    fn infos_leave_a_store_sound_and_warnings_do_not() {
        let mut findings = Findings::default();
        assert_eq!(findings.worst(), None);
        findings.add(note(Code::R126));
        assert!(findings.is_sound());
        findings.add(note(Code::R114));
        assert!(!findings.is_sound());
        assert_eq!(findings.worst(), Some(Severity::Warning));
    }
}
