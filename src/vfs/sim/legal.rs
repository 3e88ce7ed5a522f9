//! What a crash may leave of one file, given which part of the journal survives.

use xxhash_rust::xxh3::xxh3_128;

use super::disk::{CallNo, Step};
use super::file::{Cause, Change, Event, FileNode};
use super::page::{Content, PAGE_BYTES, Page, PageNo, joined, masked, zero_page};
use super::profile::Profile;

/// At most so many ends of pages are tried as sizes between two sizes that were asked for.
const PAGE_ENDS_MAX: usize = 4096;

/// The legal contents of a file.
#[derive(Default)]
pub(super) struct Legal {
    pub(super) eras: Vec<Era>,
    /// How many there are; saturates.
    pub(super) count: u64,
    /// What became of the size, call by call: the era and the size in it that the call led to.
    pub(super) history: Vec<(CallNo, SizeAt)>,
    /// Whether those sizes are how far the file has grown, so that of several the largest counts,
    /// not the last.
    pub(super) grows: bool,
}

/// Which size of which era.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SizeAt {
    pub(super) era: usize,
    pub(super) size: usize,
}

/// What is possible as long as one set of shrinks survives.
pub(super) struct Era {
    /// Ascending. Pages that are not listed are zeros.
    pub(super) pages: Vec<LegalPage>,
    pub(super) sizes: Vec<LegalSize>,
}

/// One size, and what it makes visible.
pub(super) struct LegalSize {
    pub(super) size_bytes: u64,
    /// How many of the era's pages lie wholly below it.
    pub(super) whole_pages: usize,
    /// The page that the size cuts, with zeros behind the cut.
    pub(super) cut_page: Option<LegalPage>,
    /// How many contents have this size; saturates.
    pub(super) count: u64,
}

/// The versions that a page may have, each once.
pub(super) struct LegalPage {
    pub(super) no: PageNo,
    pub(super) versions: Vec<Version>,
    /// The version without any pending write; `None` where the size would not be without one.
    base: Option<usize>,
    /// Which version each write led to, in issue order.
    history: Vec<(CallNo, usize)>,
}

pub(super) struct Version {
    pub(super) page: Page,
    /// Stands for this page at this place; 0 for zeros.
    pub(super) mark: u128,
}

/// Which part of the journal, or of everything issued, survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before(pub(super) Step);

impl Before {
    pub(super) const ALL: Before = Before(Step(u64::MAX));
    pub(super) const NOTHING: Before = Before(Step(0));

    fn keeps(self, event: &Event) -> bool {
        event.step < self.0
    }

    fn keeps_size(self, event: &Event) -> bool {
        self.keeps(event) || matches!(event.change, Change::Size { committed: true, .. })
    }
}

impl LegalSize {
    /// The pages of `era` that this size shows.
    pub(super) fn visible<'a>(&'a self, era: &'a Era) -> impl Iterator<Item = &'a LegalPage> {
        era.pages.iter().take(self.whole_pages).chain(&self.cut_page)
    }
}

impl LegalPage {
    /// The version that `keep` leads to: that of the last write it keeps.
    pub(super) fn last_kept(&self, mut keep: impl FnMut(CallNo) -> bool) -> usize {
        let kept = self.history.iter().rev().find(|(call, _)| keep(*call)).map(|(_, at)| *at);
        // Where the size proves that something was written, it was at least the first write.
        kept.or(self.base).or(self.history.first().map(|(_, at)| *at)).unwrap_or_default()
    }

    fn new(no: PageNo, base: Option<Page>, history: Vec<(CallNo, Page)>) -> LegalPage {
        let mut legal = LegalPage { no, versions: Vec::new(), base: None, history: Vec::new() };
        legal.base = base.map(|page| legal.version(page));
        for (call, page) in history {
            let at = legal.version(page);
            legal.history.push((call, at));
        }
        legal
    }

    fn version(&mut self, page: Page) -> usize {
        let digest = page.digest();
        if let Some(at) = self.versions.iter().position(|other| other.page.digest() == digest) {
            return at;
        }
        let mark = mark(self.no, &page);
        self.versions.push(Version { page, mark });
        self.versions.len() - 1
    }

    fn cut(&self, size_bytes: u64) -> LegalPage {
        let kept = self.no.bytes_before(size_bytes);
        let page = |at: &usize| self.versions.get(*at).map(|version| masked(&version.page, kept));
        let history =
            self.history.iter().filter_map(|(call, at)| Some((*call, page(at)?))).collect();
        LegalPage::new(self.no, self.base.as_ref().and_then(page), history)
    }
}

/// Stands for a page at its place in a file: 128 bits, 0 for zeros.
pub(super) fn mark(no: PageNo, page: &Page) -> u128 {
    if page.is_zero() {
        return 0;
    }
    let mut bytes = [0; 24];
    let (digest, place) = bytes.split_at_mut(16);
    digest.copy_from_slice(&page.digest().to_le_bytes());
    place.copy_from_slice(&no.0.to_le_bytes());
    xxh3_128(&bytes)
}

impl Legal {
    /// The legal contents of `file` when of journalled changes those before `before` survive.
    pub(super) fn of(file: &FileNode, profile: Profile, before: Before) -> Legal {
        match profile {
            Profile::StrictPosix => Legal::strict(file),
            Profile::Ext4Ordered | Profile::Xfs => Legal::journalled(file, profile, before),
            Profile::NoReorder => Legal::in_order(file, before),
            Profile::Kill => Legal::only(file.current.size_bytes, settled(&file.current)),
            Profile::Drop => Legal::only(file.durable.size_bytes, settled(&file.durable)),
        }
    }

    /// What `before` of this file says about [`Legal::of`]: equal keys have equal answers.
    pub(super) fn key(file: &FileNode, profile: Profile, before: Before) -> usize {
        match profile {
            Profile::StrictPosix | Profile::Kill | Profile::Drop => 0,
            Profile::Ext4Ordered | Profile::Xfs => file
                .events
                .iter()
                .filter(|event| event.waits_for_journal() && before.keeps(event))
                .count(),
            Profile::NoReorder => file.events.partition_point(|event| before.keeps(event)),
        }
    }

    /// Any pending size; any version of any page. An era is one number of surviving shrinks.
    fn strict(file: &FileNode) -> Legal {
        let mut eras: Vec<Vec<(Option<CallNo>, u64)>> = vec![vec![(None, file.durable.size_bytes)]];
        for event in &file.events {
            let Change::Size { to_bytes, cause, whole, .. } = event.change else { continue };
            if !whole {
                continue;
            }
            let size = (Some(event.call), to_bytes);
            match eras.last_mut() {
                Some(era) if cause != Cause::Shrink => era.push(size),
                _ => eras.push(vec![size]),
            }
        }
        let mut legal = Legal::default();
        for (survivors, sizes) in eras.iter().enumerate() {
            let mut shrinks = 0;
            let survives = |_: &Event| {
                shrinks += 1;
                shrinks <= survivors
            };
            legal.push(pages(file, survives, false), sizes);
        }
        legal
    }

    /// Sizes in the journal come with its prefix; growth since then shows as pages are written.
    fn journalled(file: &FileNode, profile: Profile, before: Before) -> Legal {
        let mut sizes = vec![(None, file.durable.size_bytes)];
        let mut page_ends = Vec::new();
        let mut final_bytes = file.durable.size_bytes;
        for event in &file.events {
            match event.change {
                Change::Size { to_bytes, cause, .. } if cause.is_journalled() => {
                    if !before.keeps_size(event) {
                        break;
                    }
                    sizes = vec![(Some(event.call), to_bytes)];
                    page_ends.clear();
                    final_bytes = to_bytes;
                }
                Change::Size { from_bytes, to_bytes, .. } => {
                    if profile == Profile::Ext4Ordered {
                        let ends = page_ends_between(from_bytes, to_bytes);
                        page_ends.extend(ends.map(|end| (event.call, end)));
                    }
                    page_ends.push((event.call, to_bytes));
                    final_bytes = to_bytes;
                }
                Change::Write { no, .. } => page_ends.push((event.call, no.end_bytes())),
            }
        }
        let base_bytes = sizes.first().map_or(0, |(_, size)| *size);
        page_ends.retain(|(_, end)| (base_bytes + 1..=final_bytes).contains(end));
        page_ends.sort_by_key(|(call, end)| (*call, *end));
        sizes.extend(page_ends.into_iter().map(|(call, end)| (Some(call), end)));
        let mut legal = Legal { grows: true, ..Legal::default() };
        let ordered = profile == Profile::Ext4Ordered;
        legal.push(pages(file, |event| before.keeps_size(event), ordered), &sizes);
        legal
    }

    /// The file as it was at a moment.
    fn in_order(file: &FileNode, before: Before) -> Legal {
        let kept = file.events.partition_point(|event| before.keeps(event));
        let events = file.events.get(..kept).unwrap_or_default();
        let mut content = (*file.durable).clone();
        for event in events {
            match &event.change {
                Change::Write { no, page, .. } => content.pages.put(*no, page.clone()),
                Change::Size { to_bytes, .. } => {
                    content.pages.cut(*to_bytes);
                    content.size_bytes = *to_bytes;
                }
            }
        }
        Legal::only(content.size_bytes, settled(&content))
    }

    fn only(size_bytes: u64, pages: Vec<LegalPage>) -> Legal {
        let mut legal = Legal::default();
        legal.push(pages, &[(None, size_bytes)]);
        legal
    }

    /// Adds an era with these pages and the sizes that calls led to; a size may come twice.
    fn push(&mut self, pages: Vec<LegalPage>, sizes: &[(Option<CallNo>, u64)]) {
        let era = self.eras.len();
        let mut legal_sizes: Vec<LegalSize> = Vec::new();
        for (call, size_bytes) in sizes {
            let known = legal_sizes.iter().position(|size| size.size_bytes == *size_bytes);
            let size = known.unwrap_or(legal_sizes.len());
            if known.is_none() {
                legal_sizes.push(LegalSize::new(*size_bytes, &pages));
            }
            if let Some(call) = call {
                self.history.push((*call, SizeAt { era, size }));
            }
        }
        let counts = legal_sizes.iter().map(|size| size.count);
        self.count = counts.fold(self.count, u64::saturating_add);
        self.eras.push(Era { pages, sizes: legal_sizes });
    }
}

impl LegalSize {
    fn new(size_bytes: u64, pages: &[LegalPage]) -> LegalSize {
        let whole_pages = pages.partition_point(|page| page.no.end_bytes() <= size_bytes);
        let next = pages.get(whole_pages);
        let cut_page =
            next.filter(|page| page.no.start_bytes() < size_bytes).map(|page| page.cut(size_bytes));
        let mut size = LegalSize { size_bytes, whole_pages, cut_page, count: 1 };
        let whole = pages.iter().take(whole_pages);
        size.count = whole
            .chain(&size.cut_page)
            .map(|page| page.versions.len() as u64)
            .fold(1, u64::saturating_mul);
        size
    }
}

/// What certainly is in a file of which the journal made a size durable and no sync the pages: the
/// image in which nothing pending survives. `None` where the durable content says it already.
pub(super) fn certain(file: &FileNode, profile: Profile) -> Option<Content> {
    if !file.has_committed_sizes() {
        return None;
    }
    let legal = Legal::of(file, profile, Before::NOTHING);
    let era = legal.eras.first()?;
    let size = era.sizes.first()?;
    let mut content = Content { size_bytes: size.size_bytes, ..Content::default() };
    for page in size.visible(era) {
        if let Some(version) = page.versions.get(page.last_kept(|_| false)) {
            content.pages.push(page.no, version.page.clone());
        }
    }
    Some(content)
}

/// Ends of pages above `from_bytes` and below `to_bytes`, the first and the last of them if many.
fn page_ends_between(from_bytes: u64, to_bytes: u64) -> impl Iterator<Item = u64> {
    let first = PageNo::holding(from_bytes);
    let end = PageNo::holding(to_bytes);
    let half = PAGE_ENDS_MAX as u64 / 2;
    let middle = (first.0.saturating_add(half)).min(end.0);
    let late = end.0.saturating_sub(half).max(middle);
    (first.0..middle)
        .chain(late..end.0)
        .map(|no| PageNo(no).end_bytes())
        .filter(move |end| *end < to_bytes)
}

fn settled(content: &Content) -> Vec<LegalPage> {
    let page = |(no, page): (PageNo, &Page)| LegalPage::new(no, Some(page.clone()), Vec::new());
    content.pages.iter().map(page).collect()
}

/// A page on its way through the events.
struct Walk {
    no: PageNo,
    base: Page,
    /// Whether the page may be as if nothing had been written to it.
    base_legal: bool,
    history: Vec<(CallNo, Page)>,
    /// Since a shrink that does not survive: what the bytes behind its cut still are.
    keeper: Option<Keeper>,
}

struct Keeper {
    page: Page,
    cut: usize,
}

/// The versions of every page that any event or the durable content knows.
///
/// `survives` is asked about each shrink and each allocation, in order. With `ordered`, a page that
/// lay behind the end of the file when it was first written is only ever seen written.
fn pages(
    file: &FileNode,
    mut survives: impl FnMut(&Event) -> bool,
    ordered: bool,
) -> Vec<LegalPage> {
    let mut walks = walks(file);
    for event in &file.events {
        match &event.change {
            Change::Write { no, page, is_new } => {
                if let Ok(at) = walks.binary_search_by_key(no, |walk| walk.no)
                    && let Some(walk) = walks.get_mut(at)
                {
                    walk.write(event.call, page, ordered && *is_new);
                }
            }
            Change::Size { to_bytes, cause: Cause::Shrink, .. } => {
                let survives = survives(event);
                for walk in walks.iter_mut().filter(|walk| walk.no.end_bytes() > *to_bytes) {
                    walk.shrink(walk.no.bytes_before(*to_bytes), survives);
                }
            }
            Change::Size { to_bytes, cause: Cause::Allocate, .. } if ordered => {
                if survives(event) {
                    let reached = walks.iter_mut().filter(|w| w.no.start_bytes() < *to_bytes);
                    reached.for_each(|walk| walk.base_legal = true);
                }
            }
            Change::Size { .. } => {}
        }
    }
    walks
        .into_iter()
        .map(|walk| {
            let base = (walk.base_legal || walk.history.is_empty()).then_some(walk.base);
            LegalPage::new(walk.no, base, walk.history)
        })
        .collect()
}

fn walks(file: &FileNode) -> Vec<Walk> {
    let durable = file.durable.pages.iter().map(|(no, _)| no);
    let written = file.events.iter().filter_map(|event| match event.change {
        Change::Write { no, .. } => Some(no),
        Change::Size { .. } => None,
    });
    let mut numbers: Vec<PageNo> = durable.chain(written).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
        .into_iter()
        .map(|no| Walk {
            no,
            base: file.durable.pages.get_or_zero(no),
            base_legal: true,
            history: Vec::new(),
            keeper: None,
        })
        .collect()
}

impl Walk {
    fn write(&mut self, call: CallNo, page: &Page, only_seen_written: bool) {
        let page = match &self.keeper {
            Some(keeper) if keeper.cut == 0 => return,
            Some(keeper) => joined(page, &keeper.page, keeper.cut),
            None => page.clone(),
        };
        if only_seen_written {
            self.base_legal = false;
        }
        self.history.push((call, page));
    }

    /// A shrink that leaves `cut` bytes of this page.
    fn shrink(&mut self, cut: usize, survives: bool) {
        debug_assert!(cut < PAGE_BYTES);
        if !survives {
            if self.keeper.as_ref().is_none_or(|keeper| cut < keeper.cut) {
                let last = self.history.last().map_or(&self.base, |(_, page)| page);
                self.keeper = Some(Keeper { page: last.clone(), cut });
            }
        } else if cut == 0 {
            *self = Walk {
                no: self.no,
                base: zero_page(),
                base_legal: true,
                history: Vec::new(),
                keeper: None,
            };
        } else {
            self.base = masked(&self.base, cut);
            for (_, page) in &mut self.history {
                *page = masked(page, cut);
            }
        }
    }
}
