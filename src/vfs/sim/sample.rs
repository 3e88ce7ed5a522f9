//! Which images are tried where there are too many to try them all.

use super::dice::{Dice, Seed};
use super::disk::{CallNo, Step};
use super::image::Tries;
use super::legal::{Before, Legal, LegalPage, SizeAt};
use super::page::{PAGE_BYTES, Page, SECTOR_BYTES, page_of};
use super::profile::Torn;

/// At most so many calls are tried alone.
const ALONE_MAX: usize = 64;

/// How one image is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// Nothing that is pending is kept.
    Nothing,
    /// All of it is.
    All,
    /// What one call did is kept.
    Only(CallNo),
    /// All but that is kept.
    Except(CallNo),
    /// Every legal outcome of each choice is as likely.
    Uniform,
    /// Each change is kept so many times in eight.
    Eighths(u64),
}

/// The draws of a moment with these pending calls.
pub(super) fn plan(calls: &[CallNo], tries: Tries) -> Vec<Draw> {
    let alone = some_of(calls, tries.seed);
    let mut draws = vec![Draw::Nothing, Draw::All];
    draws.extend(alone.iter().map(|call| Draw::Only(*call)));
    draws.extend(alone.iter().map(|call| Draw::Except(*call)));
    let biases = [Draw::Uniform, Draw::Eighths(7), Draw::Eighths(1), Draw::Eighths(4)];
    draws.extend(biases.into_iter().cycle().take(usize::try_from(tries.samples).unwrap_or(0)));
    draws.truncate(usize::try_from(tries.samples).unwrap_or(usize::MAX).max(2));
    draws
}

/// At most [`ALONE_MAX`] of the calls, in order.
fn some_of(calls: &[CallNo], seed: Seed) -> Vec<CallNo> {
    let mut dice = Dice::new(seed.part(u64::MAX));
    let mut chosen = calls.to_vec();
    for at in 0..ALONE_MAX.min(chosen.len()) {
        let other = at + dice.index(chosen.len() - at);
        chosen.swap(at, other);
    }
    chosen.truncate(ALONE_MAX);
    chosen.sort_unstable();
    chosen
}

impl Draw {
    /// Whether a change that `call` made is kept.
    pub(super) fn keeps(self, call: CallNo, dice: &mut Dice) -> bool {
        match self {
            Draw::Nothing => false,
            Draw::All => true,
            Draw::Only(only) => call == only,
            Draw::Except(except) => call != except,
            Draw::Uniform => dice.eighths(4),
            Draw::Eighths(of) => dice.eighths(of),
        }
    }

    /// Whether pages may be torn.
    pub(super) fn tears(self) -> bool {
        matches!(self, Draw::Uniform | Draw::Eighths(_))
    }

    /// How much of a journal survives. What is kept needs all that came before it.
    pub(super) fn prefix(self, journal: &[(CallNo, Step)], dice: &mut Dice) -> Before {
        let after = |at: usize| match journal.get(at) {
            Some((_, step)) => Before(Step(step.0 + 1)),
            None => Before::ALL,
        };
        match self {
            Draw::Nothing => Before::NOTHING,
            Draw::All => Before::ALL,
            Draw::Only(only) => {
                let last = journal.iter().rposition(|(call, _)| *call == only);
                last.map_or(Before::NOTHING, after)
            }
            Draw::Except(except) => {
                let dropped = journal.iter().find(|(call, _)| *call == except);
                dropped.map_or(Before::ALL, |(_, step)| Before(*step))
            }
            Draw::Uniform => match dice.index(journal.len() + 1) {
                0 => Before::NOTHING,
                kept => after(kept - 1),
            },
            Draw::Eighths(of) => {
                let dropped = journal.iter().find(|_| !dice.eighths(of));
                dropped.map_or(Before::ALL, |(_, step)| Before(*step))
            }
        }
    }

    pub(super) fn size(self, legal: &Legal, dice: &mut Dice) -> SizeAt {
        if self == Draw::Uniform {
            let mut no = dice.index(legal.sizes());
            for (at, era) in legal.eras.iter().enumerate() {
                if no < era.sizes.len() {
                    return SizeAt { era: at, size: no };
                }
                no -= era.sizes.len();
            }
        }
        let mut kept = legal.history.iter().rev().filter(|(call, _)| self.keeps(*call, dice));
        let kept = if legal.grows {
            kept.max_by_key(|(_, at)| legal.size_bytes(*at))
        } else {
            kept.next()
        };
        kept.map(|(_, at)| *at).unwrap_or_default()
    }

    pub(super) fn version(self, page: &LegalPage, dice: &mut Dice) -> usize {
        if page.versions.len() < 2 {
            0
        } else if self == Draw::Uniform {
            dice.index(page.versions.len())
        } else {
            page.last_kept(|call| self.keeps(call, dice))
        }
    }
}

/// A mixture of the chosen version of a page with another one, now and then.
pub(super) fn torn_page(
    page: &LegalPage,
    chosen: usize,
    tries: Tries,
    dice: &mut Dice,
) -> Option<Page> {
    let Tries { torn, psow, .. } = tries;
    if torn == Torn::No || page.versions.len() < 2 || !dice.eighths(2) {
        return None;
    }
    let other = dice.index(page.versions.len() - 1);
    let other = if other >= chosen { other + 1 } else { other };
    let (chosen, other) = (page.versions.get(chosen)?, page.versions.get(other)?);
    let mut bytes = *chosen.page.bytes();
    let sectors = dice.next_u64();
    let sources = other.page.bytes().chunks_exact(SECTOR_BYTES);
    let targets = bytes.chunks_exact_mut(SECTOR_BYTES).zip(sources);
    for (at, (target, source)) in targets.enumerate() {
        if sectors >> at & 1 == 1 {
            target.copy_from_slice(source);
        }
    }
    if torn == Torn::Bytes {
        // One sector more, up to a byte inside it.
        let end = dice.index(PAGE_BYTES);
        let start = end - end % SECTOR_BYTES;
        if let (Some(target), Some(source)) =
            (bytes.get_mut(start..end), other.page.bytes().get(start..end))
        {
            target.copy_from_slice(source);
        }
    }
    if !psow {
        let changed = |sector: &usize| {
            let at = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
            chosen.page.bytes().get(at.clone()) != other.page.bytes().get(at)
        };
        let changed: Vec<usize> = (0..PAGE_BYTES / SECTOR_BYTES).filter(changed).collect();
        // The sector that was being written holds anything, old bytes included.
        let broken = changed.get(dice.index(changed.len().max(1)));
        if let Some(room) = broken
            .and_then(|sector| bytes.get_mut(sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES))
        {
            room.iter_mut().for_each(|byte| *byte = u8::try_from(dice.below(256)).unwrap_or(0));
        }
    }
    Some(page_of(bytes))
}
