//! Servers that keep their log in `raft.db` or, where they are told to, in a directory `wal`: the
//! two lie beside each other, and what a server does when both are there differs.

use super::Procedure;

const LOSSES: &str = "\
nothing. Entries of more than 64 MiB would stop it with 10 or 12, as raft-wal does not read
them; below a hole that a snapshot covers, entries are left out (`hole`), which has to be
allowed by hand";
const NOTHING_BACK: &str = "nothing is lost on the way back either";

pub(super) static CONSUL_WAL: Procedure = Procedure {
    title: "Consul from BoltDB to the write-ahead log",
    purpose: "\
Consul opens `raft.db` as long as it is there, whatever `raft_logstore` says, and would
otherwise have to join anew to get its log from the others. This converts the log: entries,
terms, votes, membership and snapshots stay, and the cluster sees an ordinary restart.",
    before: "\
Prepare the configuration of the servers, Consul 1.15 or newer: `raft_logstore { backend =
\"wal\" }`.",
    from: "boltdb",
    to: "raft-wal",
    probe: "fastlog",
    new: "raft-wal",
    old: "boltdb",
    log: "raft/raft.db",
    new_log: "raft/wal",
    times: "",
    times_back: "old",
    data: "/opt/consul",
    service: "consul",
    allow: "",
    allow_back: "",
    losses: LOSSES,
    back_losses: NOTHING_BACK,
    configure: "\
From now on the server needs `raft_logstore { backend = \"wal\" }`: without it, it begins an
empty `raft.db`.",
    unconfigure: "`START_OLD` starts them; `raft.db` wins over `raft_logstore`.",
};

pub(super) static CONSUL_BOLTDB: Procedure = Procedure {
    title: "Consul from the write-ahead log back to BoltDB",
    purpose: "\
The way back: what the servers wrote since they run on the write-ahead log is converted too.",
    before: "\
Prepare the configuration of the servers without `raft_logstore`, or with `backend =
\"boltdb\"`.",
    from: "raft-wal",
    to: "boltdb",
    probe: "fastlog",
    new: "boltdb",
    old: "raft-wal",
    log: "raft/wal",
    new_log: "raft/raft.db",
    times: "old",
    times_back: "",
    data: "/opt/consul",
    service: "consul",
    allow: "",
    allow_back: "",
    losses: "nothing",
    back_losses: NOTHING_BACK,
    configure: "\
From now on the server opens `raft.db`, whatever `raft_logstore` says.",
    unconfigure: "`START_OLD` starts them with `raft_logstore { backend = \"wal\" }`.",
};

pub(super) static NOMAD_WAL: Procedure = Procedure {
    title: "Nomad servers from BoltDB to the write-ahead log",
    purpose: "\
Nomad refuses to start with the backend `wal` while `raft.db` is there, and its own migration
stops at a node that never voted and at the hole of a restored snapshot. This converts the log:
entries, terms, votes, membership and snapshots stay, and the cluster sees an ordinary restart.",
    before: "\
Prepare the configuration of the servers: `raft_logstore { backend = \"wal\" }` in the block
`server`.",
    from: "boltdb",
    to: "raft-wal",
    probe: "fastlog",
    new: "raft-wal",
    old: "boltdb",
    log: "server/raft/raft.db",
    new_log: "server/raft/wal",
    times: "",
    times_back: "",
    data: "/opt/nomad/data",
    service: "nomad",
    allow: "",
    allow_back: "",
    losses: LOSSES,
    back_losses: NOTHING_BACK,
    configure: "\
From now on the server needs the backend `wal`: without it, it begins an empty `raft.db`.",
    unconfigure: "`START_OLD` starts them without the backend `wal`.",
};

pub(super) static NOMAD_BOLTDB: Procedure = Procedure {
    title: "Nomad servers from the write-ahead log back to BoltDB",
    purpose: "\
The way back: what the servers wrote since they run on the write-ahead log is converted too.",
    before: "Prepare the configuration of the servers without the backend `wal`.",
    from: "raft-wal",
    to: "boltdb",
    probe: "fastlog",
    new: "boltdb",
    old: "raft-wal",
    log: "server/raft/wal",
    new_log: "server/raft/raft.db",
    times: "",
    times_back: "",
    data: "/opt/nomad/data",
    service: "nomad",
    allow: "",
    allow_back: "",
    losses: "nothing",
    back_losses: NOTHING_BACK,
    configure: "From now on the server must not be told to use the backend `wal`.",
    unconfigure: "`START_OLD` starts them with the backend `wal`.",
};

pub(super) static VAULT_WAL: Procedure = Procedure {
    title: "Vault from BoltDB to the write-ahead log",
    purpose: "\
Vault opens `raft.db` as long as it is there, whatever `raft_wal` says. This converts the log:
entries, terms, votes and membership stay, `vault.db` is not touched, and the cluster sees an
ordinary restart.",
    before: "\
Prepare the configuration of the servers, Vault 1.16 or newer: `raft_wal = \"true\"` in the
storage `raft`. Have the unseal keys at hand.",
    from: "boltdb",
    to: "raft-wal",
    probe: "fastlog",
    new: "raft-wal",
    old: "boltdb",
    log: "raft/raft.db",
    new_log: "raft/wal",
    times: "",
    times_back: "new",
    data: "/opt/vault/data",
    service: "vault",
    allow: "",
    allow_back: "",
    losses: LOSSES,
    back_losses: NOTHING_BACK,
    configure: "\
From now on the server needs `raft_wal = \"true\"`: without it, it begins an empty `raft.db`.",
    unconfigure: "`START_OLD` starts them; `raft.db` wins over `raft_wal`.",
};

pub(super) static VAULT_BOLTDB: Procedure = Procedure {
    title: "Vault from the write-ahead log back to BoltDB",
    purpose: "\
The way back: what the servers wrote since they run on the write-ahead log is converted too.
Append times are written in the form that Vault reads.",
    before: "\
Prepare the configuration of the servers without `raft_wal`. Have the unseal keys at hand.",
    from: "raft-wal",
    to: "boltdb",
    probe: "fastlog",
    new: "boltdb",
    old: "raft-wal",
    log: "raft/wal",
    new_log: "raft/raft.db",
    times: "new",
    times_back: "",
    data: "/opt/vault/data",
    service: "vault",
    allow: "",
    allow_back: "",
    losses: "nothing",
    back_losses: NOTHING_BACK,
    configure: "From now on the server opens `raft.db`, whatever `raft_wal` says.",
    unconfigure: "`START_OLD` starts them with `raft_wal = \"true\"`.",
};
