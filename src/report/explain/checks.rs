use crate::report::explain::Explanation;
use crate::simulate::Check;

pub(super) fn explain(check: Check) -> Explanation {
    let (cause, risk, remedy) = match check {
        Check::S01 | Check::S02 | Check::S03 | Check::S04 | Check::S05 | Check::S06 => {
            of_entries(check)
        }
        Check::S07 | Check::S08 | Check::S09 | Check::S10 | Check::S11 | Check::S12 => {
            of_state_and_damage(check)
        }
        _ => of_what_follows(check),
    };
    Explanation { cause, risk, remedy }
}

type Words = (&'static str, &'static str, &'static str);

fn of_entries(check: Check) -> Words {
    match check {
        Check::S01 => (
            "After a simulated crash the log does not open, or recovery panics or does not end.",
            "A node with this log does not start after a power cut.",
            "Replay the case and report it: no crash alone may keep a log from opening.",
        ),
        Check::S02 => (
            "An operation is gone that was acknowledged as safe, or that a sync covers.",
            "A leader may have counted it towards a majority: a committed entry can be lost.",
            "Replay the case and report it with the printed command; do not rely on this mode.",
        ),
        Check::S03 => (
            "A later operation survived a crash, an earlier one did not, or an index is missing.",
            "Raft libraries stop on a hole, or apply entries out of order.",
            "Replay the case and report it: what is written in order must be recovered in order.",
        ),
        Check::S04 => (
            "A mode that may lose recent operations lost more, or older ones, than it says.",
            "Whoever chose the mode for its bound relies on a figure that is not true.",
            "Replay the case and report it; until then choose durability 1, disk-first.",
        ),
        Check::S05 => (
            "An entry came back that differs from what was written, in a field or in the payload.",
            "State machines of this group diverge.",
            "Replay the case and report it.",
        ),
        _ => (
            "An entry is back that a truncation or a conflicting append had removed, and that \
             removal was recovered.",
            "An entry that was never committed can take the place of one that was.",
            "Replay the case and report it.",
        ),
    }
}

fn of_state_and_damage(check: Check) -> Words {
    match check {
        Check::S07 => (
            "Entries are back below the point through which the log was compacted.",
            "They would be applied a second time.",
            "Replay the case and report it.",
        ),
        Check::S08 => (
            "A term, a vote or a commit index is lower after the crash than what was acknowledged. \
             At durability -1 nothing promises it, and it is counted as a hazard.",
            "A node that forgot its vote can vote again in the same term: two leaders.",
            "Use durability 0 or 1, which make votes durable; at -1 let a node that lost power \
             join as a new one.",
        ),
        Check::S09 => (
            "Of a batch over several groups one part survived the crash, another did not.",
            "Whoever relies on the batch finds half of it.",
            "Replay the case and report it.",
        ),
        Check::S10 => (
            "Behind a snapshot marker something stayed that it covers, or the commit index is \
             below it.",
            "A restored node would apply entries that its snapshot holds already.",
            "Replay the case and report it.",
        ),
        Check::S11 => (
            "A torn tail was not cut at the border of a frame, or not reported.",
            "Rests of an unfinished write could join what is written next.",
            "Replay the case and report it.",
        ),
        _ => (
            "Damage to what had been synced was cut away as if it were torn, without a word.",
            "Acknowledged entries disappear silently.",
            "Run raftlog verify on copies of the store; replay the case and report it.",
        ),
    }
}

fn of_what_follows(check: Check) -> Words {
    match check {
        Check::S13 => (
            "Recovering a second time gave another result, or wrote something, or a crash in the \
             middle of the first recovery lost something.",
            "A node that crashes twice loses what survived the first crash.",
            "Replay the case and report it.",
        ),
        Check::S14 => (
            "After a recovery the log does not take the next entry, or does not keep it.",
            "The node starts, and loses what it acknowledges next.",
            "Replay the case and report it.",
        ),
        Check::S15 => (
            "The durable watermark named an operation that a power cut took.",
            "Messages sent on the strength of the watermark rest on nothing.",
            "Replay the case and report it.",
        ),
        Check::S16 => (
            "At durability 1, disk-first, a reader saw an entry that the crash then took.",
            "A state machine may have applied what the log does not hold.",
            "Replay the case and report it.",
        ),
        Check::S17 => (
            "Something that a power cut may leave was called corrupt.",
            "A node with an intact log refuses to start.",
            "Replay the case and report it; the log itself is whole.",
        ),
        _ => (
            "A target stood under its final name although it was not complete, or not equal to its \
             source.",
            "An operator would take a part for the whole.",
            "Report it; compare the target with its source by raftlog diff.",
        ),
    }
}
