use crate::model::Code;
use crate::report::explain::Explanation;

pub(super) fn explain(code: Code) -> Explanation {
    match code {
        Code::R101
        | Code::R102
        | Code::R103
        | Code::R105
        | Code::R106
        | Code::R107
        | Code::R108
        | Code::R109 => log_and_state(code),
        Code::R110
        | Code::R111
        | Code::R112
        | Code::R113
        | Code::R115
        | Code::R116
        | Code::R117
        | Code::R118 => node_and_tail(code),
        Code::R119
        | Code::R120
        | Code::R121
        | Code::R122
        | Code::R123
        | Code::R124
        | Code::R125
        | Code::R126
        | Code::R127 => container_and_values(code),
        Code::R104 | Code::R114 | Code::R128 => tail_and_proof(code),
    }
}

fn log_and_state(code: Code) -> Explanation {
    let (cause, risk, remedy) = match code {
        Code::R101 => (
            "One or more indexes between the first and the last entry are missing. A snapshot \
             that was installed or restored by hand leaves such a hole on purpose; otherwise \
             entries were removed or lost.",
            "A node that replays the log stops at the hole. Where a snapshot covers it (then \
             this is informational), the node never reads below it.",
            "If no snapshot covers the hole, take the log from a healthy peer or a backup. \
             `raftlog migrate` to a dense format keeps what lies above the highest hole, as the \
             loss `hole`.",
        ),
        Code::R102 => (
            "An entry has a lower term than the entry before it. Raft never writes that; a \
             wrong merge of two logs, or a defect of the program, does.",
            "Log matching no longer holds: nodes may agree on an index and differ in what lies \
             there.",
            "Compare with the other nodes and keep the log of a healthy majority. To move such \
             a log as it is: `raftlog migrate ... --accept R102`.",
        ),
        Code::R103 => (
            "Two live entries carry the same index and differ. An overwrite after a conflict \
             was only half done.",
            "Which one a server applies depends on how it reads the file, so nodes may diverge.",
            "Do not guess: let the node fetch the log from its leader, or restore a backup.",
        ),
        Code::R105 => (
            "HardState says that more entries are committed than the log holds: the tail was \
             lost after the commit index had been recorded, or the state belongs to another \
             log.",
            "Committed entries are missing on this node. A library that checks this refuses to \
             start; another may apply nothing where there was something.",
            "Restore a backup, or remove the node from the cluster and let it join anew. Accept \
             it (`--accept R105`) only for a look.",
        ),
        Code::R106 => (
            "The current term is lower than the last entry's, or the vote was given in a higher \
             term than the current one; or states in an etcd WAL contradict one another: two votes \
             in one term, or a commit index below an earlier one. Part of the state was lost or is \
             older than the log.",
            "The node may vote twice in one term, which can elect two leaders.",
            "Restore state and log from the same backup, or let the node join anew. Never raise \
             the term by hand without knowing the cluster's.",
        ),
        Code::R107 => (
            "The newest snapshot that verifies ends before the entry just below the first one in \
             the log, or there is none: what lies between is nowhere.",
            "The node cannot rebuild its state by itself; hashicorp's servers do not start.",
            "Find the newer snapshot that the compaction relied on, or let the node take one \
             from the leader.",
        ),
        Code::R108 => (
            "The snapshot and the log disagree on the term of the same index: they come from \
             different histories.",
            "The state in the snapshot may contain entries that the cluster never committed.",
            "Use the snapshot and the log of one and the same backup, or let the node join anew.",
        ),
        _ => (
            "A snapshot's checksum, size or name does not fit its state, or one is missing.",
            "A server starts from the next older one, if the log reaches back to that.",
            "Use an older snapshot with the log that follows it, or take one from a peer.",
        ),
    };
    Explanation { cause, risk, remedy }
}

fn node_and_tail(code: Code) -> Explanation {
    let (cause, risk, remedy) = match code {
        Code::R110 => (
            "No entry in the log, and no snapshot in view, says who the members of the cluster \
             are; or a membership does not decode. Also where a peers.json waits for the next \
             start: it replaces the membership.",
            "Without its snapshot such a node does not know its peers and does not start an \
             election. A server stops at a peers.json that it cannot take.",
            "Give the whole data directory instead of the file, so that snapshots are seen. In \
             a compacted log this is normal and only informational.",
        ),
        Code::R111 => (
            "An entry is larger than the server that owns this log accepts.",
            "The server may refuse to replicate or to load it.",
            "Raise the server's limit, or find out who wrote it; `raftlog inspect --entries \
             --payload auto` shows it.",
        ),
        Code::R112 => (
            "An entry has a type number that its library does not define, or a large value was \
             written in chunks and the last chunk is missing.",
            "An older server may stop at the type. An unfinished chunk sequence is dropped when \
             the leader changes and is then harmless.",
            "Check which version of the program wrote the log, and use at least that one.",
        ),
        Code::R113 => (
            "There are entries, but no current term. The state was lost, or lies in another \
             file.",
            "The server would start in term 0 and could be elected in a lower term than its log \
             holds. For a node that never voted (informational) it is fine.",
            "Restore the state from the backup of the log. Take it as it is with `--accept \
             R113` only for a node that will join anew.",
        ),
        Code::R115 => (
            "A record does not verify although what follows it had been synced: bytes changed \
             after they were safely on disk.",
            "Acknowledged entries are damaged. The disk, the memory or a program that wrote \
             into the file is to blame, and may do it again.",
            "Check the disk (`dmesg`, SMART), then restore a backup or let the node fetch the \
             log from its leader.",
        ),
        Code::R116 => (
            "A segment of the sequence is missing, is there twice, or belongs to another \
             generation: files were removed or mixed.",
            "Entries are missing, or come from a different log.",
            "Bring back the missing file from a backup. Never mix the files of two copies of \
             one directory.",
        ),
        Code::R117 => (
            "Files lie in the directory that no server opens: temporary or partial files, \
             set-aside copies, or the store of a second backend.",
            "None while they are only leftovers. A second backend's store may be started by \
             mistake with a changed flag.",
            "When you know what they are, move them away.",
        ),
        _ => (
            "The state machine claims to have applied more entries than are known to be \
             committed.",
            "Entries may have been applied that the cluster never agreed on.",
            "Compare with the other nodes; rebuild this one from a snapshot of the leader.",
        ),
    };
    Explanation { cause, risk, remedy }
}

fn container_and_values(code: Code) -> Explanation {
    let (cause, risk, remedy) = match code {
        Code::R119 => (
            "The database file itself is damaged: a page's checksum, type, bounds or position, \
             a row count, a commit slot or the file's length do not fit.",
            "The program's own library may return wrong rows, crash, or not notice at all.",
            "Restore a backup or let the node join anew. `raftlog inspect --records` shows \
             which pages and indexes are concerned.",
        ),
        Code::R120 => (
            "The key under which an entry is stored and the index inside the entry differ.",
            "A server that asks for one index gets another entry.",
            "The row was damaged or written by a faulty tool: restore a backup or fetch the log \
             from the leader.",
        ),
        Code::R121 => (
            "The file is sound, but the library that owns it is known to refuse or misread it \
             (an etcd segment renamed to another index is one), or its server cannot read the \
             form of its append times (Dkron reads the old one only, Vault and OpenBao the new). \
             Of an archive: every digest fits, but its store was not judged by the rules when it \
             was backed up.",
            "The server may not start although nothing is lost. Of an archive: it holds what was \
             there, sound or not.",
            "Upgrade the server to a version that reads it, or rewrite the log with `raftlog \
             migrate`, where append times are the matter with `--time-form`. Of an archive: \
             `raftlog restore` it beside, and verify that with a raftlog that reads the format.",
        ),
        Code::R122 => (
            "The container is sound, but the bytes of an entry are not what the encoding \
             demands.",
            "A server stops at this entry, or takes it for something else.",
            "Restore a backup or fetch the log from the leader. `raftlog inspect --entries` \
             shows where it lies.",
        ),
        Code::R123 => (
            "The newest commit did not verify, so the one before it was used, as the owner's \
             library does without a word. Either the last commit was torn by a crash before it \
             was acknowledged, or an acknowledged one was damaged.",
            "If the commit had been acknowledged, its entries are lost on this node.",
            "Compare the last index with the other nodes. If they have more, this node fetches \
             it from the leader; on a single node, compare with a backup.",
        ),
        Code::R124 => (
            "There are bytes behind the end of an encoded entry. Old buffers or a changed \
             encoding leave them.",
            "Libraries ignore them; a byte-exact copy keeps them.",
            "Nothing to do. A target that cannot keep them reports the loss `unknown-fields`.",
        ),
        Code::R125 => (
            "A stable value cannot be what its key says, for instance a term of four bytes, or \
             of an impossible size.",
            "The server stops, or starts with a wrong term or vote, and may then vote twice.",
            "Restore the state from a backup of the same moment as the log.",
        ),
        Code::R126 => (
            "The log begins above index 1, and no snapshot is in view that covers what came \
             before.",
            "None if the snapshot lies elsewhere, which is usual. Without any snapshot this log \
             alone cannot rebuild the state.",
            "Give the whole data directory, or check that the snapshots are in the backup.",
        ),
        _ => (
            "An index is outside what the format or the library can hold; hashicorp's logs \
             begin at 1.",
            "The server ignores the entry or refuses the log.",
            "Find out who wrote it. A target that begins at 1 cannot take index 0.",
        ),
    };
    Explanation { cause, risk, remedy }
}

/// What depends on how much a format proves, and on what its own loader makes of it.
fn tail_and_proof(code: Code) -> Explanation {
    let (cause, risk, remedy) = match code {
        Code::R104 => (
            "The live server of raft-fastlog deletes a range with its last index, its loader \
             deletes it without: so the last deleted entry is back after a restart.",
            "Behind the end of the log the server sees a last index that does not exist in the \
             cluster: with entries missing before it, it stops (`panic: log not found`); right \
             behind the end, it takes a stale entry for its own. In front of the log it is \
             harmless, and a warning: every compaction leaves one there.",
            "`raftlog migrate SRC DST --to raft-fastlog` writes the log that was meant, without \
             ghosts and without anything that could bring them back. `--reading loader` shows and \
             moves what the server would see instead.",
        ),
        Code::R114 => (
            "The file ends in a record that was not written completely, or in zeros: the normal \
             trace of a crash or a power cut. So does one of etcd in whole entries of a term that \
             no state names: it writes them before the state that belongs to them.",
            "None: nothing behind the last complete record was ever acknowledged as durable. \
             The owner removes it at its next start; but the library of raft-fastlog does not, it \
             refuses such a file.",
            "Nothing to do. `raftlog migrate` leaves the torn tail out; for raft-fastlog that is \
             also the repair: `raftlog migrate SRC DST --to raft-fastlog`.",
        ),
        _ => (
            "The format has no checksum over these bytes, or no lock by which a live server could \
             be seen. What was read is what is there; whether it is what was written cannot be \
             proven from the file alone.",
            "A changed byte in a payload, a term or a value goes unnoticed. A server that is not \
             seen may write while the file is read.",
            "Make sure that the server is stopped. `raftlog diff` with another node's log proves \
             the entries; `raftlog migrate --to fastlog` gives them checksums from then on.",
        ),
    };
    Explanation { cause, risk, remedy }
}
