//! Entries by index: the pieces say where to begin, the file is followed from there.

use crate::model::{
    Code, Entry, EntryExtra, EntryHead, Fault, FaultKind, GroupId, HeadRun, IndexRange, LogIndex,
    Place, Term,
};
use crate::store::codec::kind_of;
use crate::store::raft_fastlog::format::{ENTRY_HEAD_BYTES, Head};
use crate::store::raft_fastlog::index::{Piece, Pieces};
use crate::store::raft_fastlog::records::{Item, Records, Step};
use crate::store::window::{Source, Window};
use crate::store::{HeadPiece, Located, LocatedHead, StoreError};

/// Goes through the entries inside a range of indexes.
pub struct HeadWalk<'s> {
    records: Records<'s>,
    pieces: Box<dyn Iterator<Item = (u64, Piece)> + Send + 's>,
    range: IndexRange,
    /// The index to come and the last one of the piece.
    current: Option<(u64, u64)>,
    /// The base of the piece that `records` follow, and how many of its entries lie behind.
    followed: Option<(u64, u64)>,
    ended: bool,
}

impl<'s> HeadWalk<'s> {
    /// Begins with the first entry inside `range`.
    pub fn new(source: &'s Source, pieces: &'s Pieces, range: IndexRange) -> HeadWalk<'s> {
        let pieces = pieces.within(range.first().0..=range.last().0);
        HeadWalk {
            records: Records::new(Window::new(source), source.size_bytes),
            pieces: Box::new(pieces),
            range,
            current: None,
            followed: None,
            ended: false,
        }
    }

    /// The head of the next entry.
    fn advance(&mut self) -> Option<Result<Head, StoreError>> {
        if self.ended {
            return None;
        }
        let wanted = match self.current {
            Some((index, last)) => {
                self.current = index.checked_add(1).filter(|next| *next <= last).zip(Some(last));
                index
            }
            None => match self.next_piece()? {
                Ok(index) => index,
                Err(error) => return Some(Err(self.end(error))),
            },
        };
        match self.next_head() {
            Ok(Some(head)) if head.index == wanted => Some(Ok(head)),
            Ok(found) => {
                self.ended = true;
                Some(Err(changed(self.records.window.source(), wanted, found).into()))
            }
            Err(error) => Some(Err(self.end(error))),
        }
    }

    /// After an error of the disk there is nothing more.
    fn end(&mut self, error: StoreError) -> StoreError {
        self.ended = true;
        error
    }

    /// Goes to the first wanted entry of the next piece; returns its index.
    fn next_piece(&mut self) -> Option<Result<u64, StoreError>> {
        let (first, piece) = self.pieces.next()?;
        let begin = first.max(self.range.first().0);
        let last = piece.last(first).min(self.range.last().0);
        let before = u64::from(piece.skip).saturating_add(begin.saturating_sub(first));
        let behind = match self.followed {
            Some((base, behind)) if base == piece.base && behind <= before => behind,
            _ => {
                self.records.jump(piece.base, piece.left.into());
                0
            }
        };
        for _ in behind..before {
            match self.next_head() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        self.followed = Some((piece.base, before));
        self.current = begin.checked_add(1).filter(|next| *next <= last).zip(Some(last));
        Some(Ok(begin))
    }

    /// The next entry in the file, whatever lies between; `None` where the records end.
    fn next_head(&mut self) -> Result<Option<Head>, StoreError> {
        loop {
            match self.records.step()? {
                Step::Item(Item::Entry(head)) => {
                    if let Some((_, behind)) = &mut self.followed {
                        *behind += 1;
                    }
                    return Ok(Some(head));
                }
                Step::Item(_) => {}
                Step::End | Step::Broken(_) => return Ok(None),
            }
        }
    }

    fn place(&self, head: &Head) -> Place {
        self.records.window.source().place(head.offset_bytes, head.len_bytes())
    }
}

/// The file does not hold any more what it held when it was opened.
fn changed(source: &Source, wanted: u64, found: Option<Head>) -> Fault {
    let at = found.map_or(source.size_bytes, |head| head.offset_bytes);
    let kind = FaultKind::Field {
        what: "entry where it was when the file was opened",
        expected: format!("index {wanted}"),
        found: found.map_or("nothing".to_owned(), |head| format!("index {}", head.index)),
    };
    let fault = Fault::new(Code::R115, kind).at(source.place(at, ENTRY_HEAD_BYTES));
    fault.in_group(&GroupId::Unnamed).at_index(LogIndex(wanted))
}

fn head_of(head: &Head, place: Option<Place>) -> EntryHead {
    EntryHead {
        index: LogIndex(head.index),
        term: Term(head.term),
        kind: kind_of(head.code),
        kind_code: Some(head.code.into()),
        payload_len_bytes: head.data_bytes,
        extensions_len_bytes: 0,
        place,
    }
}

impl Iterator for HeadWalk<'_> {
    type Item = Result<LocatedHead, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = match self.advance()? {
            Ok(head) => head,
            Err(error) => return Some(Err(error)),
        };
        let head = head_of(&head, Some(self.place(&head)));
        Some(Ok(LocatedHead { head, faults: Vec::new() }))
    }
}

/// As [`HeadWalk`], with contents.
pub struct EntryWalk<'s>(pub HeadWalk<'s>);

impl EntryWalk<'_> {
    fn contents(&mut self, head: &Head) -> Result<Located, StoreError> {
        let len = usize::try_from(head.data_bytes).unwrap_or(usize::MAX);
        let at = head.offset_bytes.saturating_add(ENTRY_HEAD_BYTES);
        let payload = self.0.records.window.shared(at, len)?;
        let entry = Entry {
            index: LogIndex(head.index),
            term: Term(head.term),
            kind: kind_of(head.code),
            kind_code: Some(head.code.into()),
            payload: Some(payload),
            extra: EntryExtra::default(),
        };
        Ok(Located { entry, place: Some(self.0.place(head)), faults: Vec::new() })
    }
}

impl Iterator for EntryWalk<'_> {
    type Item = Result<Located, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = match self.0.advance()? {
            Ok(head) => head,
            Err(error) => return Some(Err(error)),
        };
        Some(self.contents(&head).map_err(|error| self.0.end(error)))
    }
}

/// As [`HeadWalk`], neighbours of one term and kind together.
pub struct RunWalk<'s> {
    heads: HeadWalk<'s>,
    /// What ended the run that was given last.
    waiting: Option<Result<Head, StoreError>>,
}

impl<'s> RunWalk<'s> {
    /// Begins where `heads` does.
    pub fn new(heads: HeadWalk<'s>) -> RunWalk<'s> {
        RunWalk { heads, waiting: None }
    }
}

impl Iterator for RunWalk<'_> {
    type Item = Result<HeadPiece, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.waiting.take().or_else(|| self.heads.advance())? {
            Ok(head) => head,
            Err(error) => return Some(Err(error)),
        };
        let mut run = HeadRun {
            range: IndexRange::new(LogIndex(first.index), LogIndex(first.index))?,
            term: Term(first.term),
            kind: kind_of(first.code),
            kind_code: Some(first.code.into()),
            payload_bytes: first.data_bytes,
            payload_bytes_max: first.data_bytes,
            encoded_bytes: first.len_bytes(),
        };
        loop {
            let last = run.range.last();
            match self.heads.advance() {
                None => break,
                Some(Ok(head))
                    if last.0.checked_add(1) == Some(head.index)
                        && (head.term, head.code) == (first.term, first.code) =>
                {
                    run.range = IndexRange::new(run.range.first(), LogIndex(head.index))?;
                    run.payload_bytes = run.payload_bytes.saturating_add(head.data_bytes);
                    run.payload_bytes_max = run.payload_bytes_max.max(head.data_bytes);
                    run.encoded_bytes = run.encoded_bytes.saturating_add(head.len_bytes());
                }
                other => {
                    self.waiting = other;
                    break;
                }
            }
        }
        Some(Ok(HeadPiece::Run(run)))
    }
}
