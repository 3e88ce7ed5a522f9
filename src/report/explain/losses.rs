use crate::report::explain::{Explanation, LossName};

pub(super) fn explain(loss: LossName) -> Explanation {
    match loss {
        LossName::AppendedAt
        | LossName::Extensions
        | LossName::UnknownFields
        | LossName::EntryKind
        | LossName::Term
        | LossName::Hole => of_entries(loss),
        LossName::CommitIndex
        | LossName::VoteCandidate
        | LossName::StableKeys
        | LossName::SnapshotMarker
        | LossName::Groups
        | LossName::SupersededRecords
        | LossName::OtherTables => of_the_store(loss),
    }
}

fn of_entries(loss: LossName) -> Explanation {
    let (cause, risk, remedy) = match loss {
        LossName::AppendedAt => (
            "The target has no place for the time at which the leader took an entry.",
            "None for the log: servers use it for metrics only.",
            "Accept it with --allow-loss appended-at.",
        ),
        LossName::Extensions => (
            "The target has no place for the extensions that middleware adds to entries.",
            "Values that were written in chunks (Consul, Vault) can no longer be put together.",
            "Choose a target that holds extensions; accept it only if no program uses them.",
        ),
        LossName::UnknownFields => (
            "The source's encoding holds more than Raft needs: unknown fields, bytes after the \
             entry, a field count.",
            "The log keeps its meaning, but a way back would not give the same bytes.",
            "Accept it with --allow-loss unknown-fields, or keep the source.",
        ),
        LossName::EntryKind => (
            "The log holds entries of a kind that the target does not know.",
            "A server would misread or refuse them.",
            "Choose a target that knows the kind.",
        ),
        LossName::Term => (
            "The target cannot record the terms of entries.",
            "No Raft library can use such a log.",
            "Choose another target, unless only the payloads are wanted.",
        ),
        _ => (
            "The target is dense: it cannot hold entries below a hole in the index sequence.",
            "Entries below the highest hole are not copied. Only a snapshot through the hole can \
             take their place; without one the migration is refused.",
            "Check that the snapshot is there, then accept it with --allow-loss hole.",
        ),
    };
    Explanation { cause, risk, remedy }
}

fn of_the_store(loss: LossName) -> Explanation {
    let (cause, risk, remedy) = match loss {
        LossName::CommitIndex => (
            "The target does not record how far the log was known to be committed.",
            "None in a cluster: the node learns it from its leader.",
            "Accept it with --allow-loss commit-index.",
        ),
        LossName::VoteCandidate => (
            "The target records votes in another form and cannot hold whom this node voted for.",
            "The node might vote a second time in that term.",
            "Let the node start only after the others have moved to a higher term, or choose a \
             target that holds the vote.",
        ),
        LossName::StableKeys => (
            "The target has no place for some keys of the stable store.",
            "The program that wrote them may miss them.",
            "Look at them with `raftlog inspect --state`, then accept it if none matters.",
        ),
        LossName::SnapshotMarker => (
            "The target cannot record through which index the log was compacted, nor the newest \
             snapshot.",
            "A server that relies on it has to find its snapshot by itself, as hashicorp's \
             servers do.",
            "Keep the snapshots beside the target; accept it with --allow-loss snapshot-marker.",
        ),
        LossName::Groups => (
            "The target holds one log without a name.",
            "The group's name is lost, not its entries.",
            "Copy one group with --group NAME and remember the name in the file's name.",
        ),
        LossName::SupersededRecords => (
            "The source still holds history behind the live log: replaced and removed records.",
            "None: no server reads them. They are of use to forensics only.",
            "Nothing to accept. Keep the source, or a backup, if you want the history.",
        ),
        _ => (
            "The source holds tables that are no part of a Raft log.",
            "Whatever program uses these tables misses them in the target.",
            "Look at their names with `raftlog inspect`; accept it with --allow-loss \
             other-tables and keep the source.",
        ),
    };
    Explanation { cause, risk, remedy }
}
