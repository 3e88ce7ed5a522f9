use std::sync::Arc;

use super::disk::{Attributes, CallNo, Step};
use super::page::{Content, PAGE_BYTES, Page, PageNo, masked, page_of};
use crate::vfs::PRIVATE_FILE_MODE;

/// A file: what the process sees, what is certainly durable, and every change in between.
#[derive(Clone)]
pub(super) struct FileNode {
    pub(super) current: Arc<Content>,
    pub(super) durable: Arc<Content>,
    /// Since the last sync, in issue order.
    pub(super) events: Vec<Event>,
    /// Pages that a failed sync turned clean: the process may see them, the disk never will, until
    /// they are written again.
    lost: Vec<PageNo>,
    pub(super) attributes: Attributes,
}

#[derive(Clone)]
pub(super) struct Event {
    pub(super) step: Step,
    pub(super) call: CallNo,
    pub(super) change: Change,
}

#[derive(Clone)]
pub(super) enum Change {
    /// A page was written; `page` is all of it as the process saw it then.
    Write {
        no: PageNo,
        page: Page,
        /// Whether the page lay wholly behind the end of the file before.
        is_new: bool,
    },
    Size {
        from_bytes: u64,
        to_bytes: u64,
        cause: Cause,
        /// Whether the journal that holds it is durable, although the file's pages are not.
        committed: bool,
        /// Whether the call ended at this size, rather than passed it.
        whole: bool,
    },
}

/// What changed a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Write,
    Grow,
    Shrink,
    Allocate,
}

impl Cause {
    /// Whether a journalling file system orders it with changes of names.
    pub(super) fn is_journalled(self) -> bool {
        matches!(self, Cause::Shrink | Cause::Allocate)
    }
}

impl Default for FileNode {
    fn default() -> FileNode {
        let empty = Arc::default();
        FileNode::at_rest(empty, Attributes { mode: PRIVATE_FILE_MODE, modified_unix_ns: 0 })
    }
}

impl FileNode {
    /// A file of which everything is durable.
    pub(super) fn at_rest(content: Arc<Content>, attributes: Attributes) -> FileNode {
        FileNode {
            current: Arc::clone(&content),
            durable: content,
            events: Vec::new(),
            lost: Vec::new(),
            attributes,
        }
    }

    /// Writes `bytes` from step `first` on, one step a page, and returns how many steps it took.
    pub(super) fn write(
        &mut self,
        call: CallNo,
        first: Step,
        offset: u64,
        mut bytes: &[u8],
    ) -> u64 {
        let end_bytes = offset.saturating_add(bytes.len() as u64);
        let content = Arc::make_mut(&mut self.current);
        let mut step = first;
        let mut at = offset;
        while !bytes.is_empty() {
            let no = PageNo::holding(at);
            let skip = no.bytes_before(at);
            let (part, rest) = bytes.split_at(bytes.len().min(PAGE_BYTES - skip));
            let page = overwritten(&content.pages.get_or_zero(no), skip, part);
            let is_new = no.start_bytes() >= content.size_bytes;
            at = at.saturating_add(part.len() as u64);
            if at > content.size_bytes {
                self.events.push(Event {
                    step,
                    call,
                    change: Change::Size {
                        from_bytes: content.size_bytes,
                        to_bytes: at,
                        cause: Cause::Write,
                        committed: false,
                        whole: at == end_bytes,
                    },
                });
                content.size_bytes = at;
            }
            content.pages.put(no, Arc::clone(&page));
            self.lost.retain(|lost| *lost != no);
            self.events.push(Event { step, call, change: Change::Write { no, page, is_new } });
            step.0 += 1;
            bytes = rest;
        }
        step.0 - first.0
    }

    pub(super) fn set_size(&mut self, call: CallNo, step: Step, to_bytes: u64) {
        let cause = if to_bytes < self.current.size_bytes { Cause::Shrink } else { Cause::Grow };
        self.resize(call, step, to_bytes, cause);
        if cause == Cause::Shrink {
            Arc::make_mut(&mut self.current).pages.cut(to_bytes);
            self.lost.retain(|no| no.start_bytes() < to_bytes);
        }
    }

    pub(super) fn allocate(&mut self, call: CallNo, step: Step, to_bytes: u64) {
        if to_bytes > self.current.size_bytes {
            self.resize(call, step, to_bytes, Cause::Allocate);
        }
    }

    fn resize(&mut self, call: CallNo, step: Step, to_bytes: u64, cause: Cause) {
        let from_bytes = self.current.size_bytes;
        if from_bytes == to_bytes {
            return;
        }
        Arc::make_mut(&mut self.current).size_bytes = to_bytes;
        let change = Change::Size { from_bytes, to_bytes, cause, committed: false, whole: true };
        self.events.push(Event { step, call, change });
    }

    /// Makes all of it durable, but for pages that a failed sync lost.
    pub(super) fn fold(&mut self) {
        self.events.clear();
        if self.lost.is_empty() {
            self.durable = Arc::clone(&self.current);
            return;
        }
        let mut content = (*self.current).clone();
        for no in &self.lost {
            let kept = no.bytes_before(content.size_bytes);
            content.pages.put(*no, masked(&self.durable.pages.get_or_zero(*no), kept));
        }
        self.durable = Arc::new(content);
    }

    /// Forgets every page that is not durable; sizes stay pending. With `read_old` the process
    /// sees what is on the disk, else what it wrote.
    pub(super) fn lose_pages(&mut self, read_old: bool) {
        let mut lost: Vec<PageNo> = self
            .events
            .iter()
            .filter_map(|event| match event.change {
                Change::Write { no, .. } => Some(no),
                Change::Size { .. } => None,
            })
            .collect();
        self.events.retain(|event| matches!(event.change, Change::Size { .. }));
        // A page that was cut off since is not lost but gone.
        lost.retain(|no| no.start_bytes() < self.current.size_bytes);
        lost.extend(self.lost.iter().copied());
        lost.sort_unstable();
        lost.dedup();
        if !read_old {
            self.lost = lost;
            return;
        }
        let shortest_bytes = self
            .events
            .iter()
            .filter_map(|event| match event.change {
                Change::Size { to_bytes, .. } => Some(to_bytes),
                Change::Write { .. } => None,
            })
            .fold(self.durable.size_bytes, u64::min);
        let content = Arc::make_mut(&mut self.current);
        for no in lost {
            let old = self.durable.pages.get_or_zero(no);
            content.pages.put(no, masked(&old, no.bytes_before(shortest_bytes)));
        }
        self.lost.clear();
    }

    /// Whether the journal made a size durable while pages of the file are not.
    pub(super) fn has_committed_sizes(&self) -> bool {
        self.events.iter().any(Event::is_committed)
    }

    /// Takes `certain`, which has the sizes that the journal made durable, for all that is durable.
    pub(super) fn settle(&mut self, certain: Content) {
        let end = self.events.iter().rposition(Event::is_committed).map_or(0, |last| last + 1);
        let later = self.events.split_off(end);
        for event in std::mem::take(&mut self.events) {
            match event.change {
                Change::Write { .. } => self.events.push(event),
                Change::Size { to_bytes, cause: Cause::Shrink, .. } => self.cut_events(to_bytes),
                Change::Size { .. } => {}
            }
        }
        self.events.extend(later);
        self.durable = Arc::new(certain);
    }

    /// Forgets what pending writes left behind a cut that is durable.
    fn cut_events(&mut self, size_bytes: u64) {
        self.events.retain_mut(|event| match &mut event.change {
            Change::Write { no, page, .. } => {
                *page = masked(page, no.bytes_before(size_bytes));
                no.start_bytes() < size_bytes
            }
            Change::Size { .. } => true,
        });
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether a sync has to make a size durable.
    pub(super) fn size_is_pending(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event.change, Change::Size { committed: false, .. }))
    }

    pub(super) fn has_journalled_sizes(&self) -> bool {
        self.events.iter().any(Event::waits_for_journal)
    }

    pub(super) fn commit_journalled_sizes(&mut self) {
        for event in &mut self.events {
            if let Change::Size { cause, committed, .. } = &mut event.change
                && cause.is_journalled()
            {
                *committed = true;
            }
        }
    }
}

impl Event {
    fn is_committed(&self) -> bool {
        matches!(self.change, Change::Size { committed: true, .. })
    }

    /// Whether it is a change of size that lies in the journal and is not durable.
    pub(super) fn waits_for_journal(&self) -> bool {
        matches!(self.change, Change::Size { cause, committed: false, .. } if cause.is_journalled())
    }
}

/// `page` with `part` in place of its bytes from `skip` on.
fn overwritten(page: &Page, skip: usize, part: &[u8]) -> Page {
    if let Ok(whole) = <[u8; PAGE_BYTES]>::try_from(part) {
        return page_of(whole);
    }
    let mut bytes = *page.bytes();
    if let Some(into) = bytes.get_mut(skip..skip + part.len()) {
        into.copy_from_slice(part);
    }
    page_of(bytes)
}
