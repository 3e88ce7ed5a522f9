//! What distinguishes one procedure from another: the values that the shared text is filled with.

mod wal;

/// A procedure by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Dkron from BoltDB to FastLog.
    DkronFastlog,
    /// Dkron from FastLog back to BoltDB.
    DkronBoltdb,
    /// A log in redb to our own engine.
    RedbToFastlog,
    /// Consul from BoltDB to raft-wal.
    ConsulWal,
    /// Consul from raft-wal back to BoltDB.
    ConsulBoltdb,
    /// Nomad from BoltDB to raft-wal.
    NomadWal,
    /// Nomad from raft-wal back to BoltDB.
    NomadBoltdb,
    /// Vault from BoltDB to raft-wal.
    VaultWal,
    /// Vault from raft-wal back to BoltDB.
    VaultBoltdb,
}

impl Name {
    /// Every procedure.
    pub const ALL: [Name; 9] = [
        Name::DkronFastlog,
        Name::DkronBoltdb,
        Name::RedbToFastlog,
        Name::ConsulWal,
        Name::ConsulBoltdb,
        Name::NomadWal,
        Name::NomadBoltdb,
        Name::VaultWal,
        Name::VaultBoltdb,
    ];

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Name::DkronFastlog => "dkron-fastlog",
            Name::DkronBoltdb => "dkron-boltdb",
            Name::RedbToFastlog => "redb-to-fastlog",
            Name::ConsulWal => "consul-wal",
            Name::ConsulBoltdb => "consul-boltdb",
            Name::NomadWal => "nomad-wal",
            Name::NomadBoltdb => "nomad-boltdb",
            Name::VaultWal => "vault-wal",
            Name::VaultBoltdb => "vault-boltdb",
        }
    }

    pub(super) fn procedure(self) -> &'static Procedure {
        match self {
            Name::DkronFastlog => &DKRON_FASTLOG,
            Name::DkronBoltdb => &DKRON_BOLTDB,
            Name::RedbToFastlog => &REDB_TO_FASTLOG,
            Name::ConsulWal => &wal::CONSUL_WAL,
            Name::ConsulBoltdb => &wal::CONSUL_BOLTDB,
            Name::NomadWal => &wal::NOMAD_WAL,
            Name::NomadBoltdb => &wal::NOMAD_BOLTDB,
            Name::VaultWal => &wal::VAULT_WAL,
            Name::VaultBoltdb => &wal::VAULT_BOLTDB,
        }
    }
}

/// The values of one procedure.
pub(super) struct Procedure {
    title: &'static str,
    purpose: &'static str,
    /// What to prepare.
    before: &'static str,
    /// Format that is left.
    from: &'static str,
    /// Format that is taken on.
    to: &'static str,
    /// A third format, to ask a log for its own by a plan.
    probe: &'static str,
    /// Ending of a converted log that is not in its place yet.
    new: &'static str,
    /// Ending of the old log.
    old: &'static str,
    /// Where the log lies in a data directory.
    log: &'static str,
    /// Where the new log belongs; empty for the same place.
    new_log: &'static str,
    /// Form of append times on the way; empty for as they are.
    times: &'static str,
    /// Form of append times on the way back.
    times_back: &'static str,
    /// Usual data directory.
    pub(super) data: &'static str,
    service: &'static str,
    /// Loss that is accepted on the way.
    allow: &'static str,
    /// Loss that is accepted on the way back.
    allow_back: &'static str,
    losses: &'static str,
    back_losses: &'static str,
    configure: &'static str,
    unconfigure: &'static str,
}

impl Procedure {
    /// The words that the text is filled with.
    pub(super) fn words(&self) -> Vec<(&'static str, String)> {
        let allow_flag = match self.allow {
            "" => String::new(),
            loss => format!("--allow-loss {loss} "),
        };
        let times_flag = match self.times {
            "" => String::new(),
            form => format!("--time-form {form} "),
        };
        let new_place = if self.new_log.is_empty() { self.log } else { self.new_log };
        let new_log = match self.new_log {
            "" => "\"$LOG\"".to_owned(),
            path => format!("'{path}'"),
        };
        [
            ("title", self.title),
            ("purpose", self.purpose),
            ("before", self.before),
            ("from", self.from),
            ("to", self.to),
            ("probe", self.probe),
            ("new", self.new),
            ("old", self.old),
            ("log", self.log),
            ("service", self.service),
            ("allow", self.allow),
            ("allow_back", self.allow_back),
            ("losses", self.losses),
            ("back_losses", self.back_losses),
            ("configure", self.configure),
            ("unconfigure", self.unconfigure),
            ("allow_flag", allow_flag.as_str()),
            ("times", self.times),
            ("times_back", self.times_back),
            ("times_flag", times_flag.as_str()),
            ("new_log", new_log.as_str()),
            ("new_name", format!("{new_place}.{}", self.new).as_str()),
            ("old_name", format!("{}.{}", self.log, self.old).as_str()),
        ]
        .map(|(name, word)| (name, word.to_owned()))
        .to_vec()
    }
}

static DKRON_FASTLOG: Procedure = Procedure {
    title: "Dkron from BoltDB to FastLog",
    purpose: "\
Dkron's own way to FastLog removes the Raft log, and with it every job that is in no snapshot.
This one converts the log: entries, terms, votes, membership and snapshots stay, and the cluster
sees an ordinary restart.",
    before: "\
Prepare the options with which the servers open a FastLog, so that `START` can put them in place.",
    from: "boltdb",
    to: "raft-fastlog",
    probe: "fastlog",
    new: "fastlog",
    old: "boltdb",
    log: "raft/raft.db",
    new_log: "",
    times: "",
    times_back: "",
    data: "/var/lib/dkron",
    service: "dkron",
    allow: "appended-at",
    allow_back: "",
    losses: "\
append times (`appended-at`), which only people read. An entry with extensions, which Dkron does
not write, would stop it with 12",
    back_losses: "but append times, which a FastLog does not hold",
    configure: "\
From now on the server needs its option for FastLog: `START` has to give it.",
    unconfigure: "`START_OLD` starts them without the option for FastLog.",
};

static DKRON_BOLTDB: Procedure = Procedure {
    title: "Dkron from FastLog back to BoltDB",
    purpose: "\
The way back: what the servers wrote since they run on FastLog is converted too. While no server
has started on its FastLog, `sh dkron-fastlog.sh rollback` is shorter and gives the old file back.",
    before: "\
Prepare the options with which the servers open BoltDB, so that `START` can put them in place.",
    from: "raft-fastlog",
    to: "boltdb",
    probe: "fastlog",
    new: "boltdb",
    old: "fastlog",
    log: "raft/raft.db",
    new_log: "",
    times: "",
    times_back: "",
    data: "/var/lib/dkron",
    service: "dkron",
    allow: "",
    allow_back: "appended-at",
    losses: "nothing; append times were lost when the log became a FastLog",
    back_losses: "but the append times of entries that were written meanwhile",
    configure: "From now on the server must not be given its option for FastLog.",
    unconfigure: "`START_OLD` starts them with the option for FastLog.",
};

static REDB_TO_FASTLOG: Procedure = Procedure {
    title: "A log in redb to raftlog's FastLog",
    purpose: "\
For programs that keep their Raft log in redb and can open a FastLog instead. Entries, terms,
votes, membership and snapshots stay, and the cluster sees an ordinary restart.",
    before: "\
Prepare the options with which the servers open a FastLog, so that `START` can put them in place.
Where the log has another name, set `LOG`.",
    from: "redb",
    to: "fastlog",
    probe: "boltdb",
    new: "fastlog",
    old: "redb",
    log: "raft/raft.db",
    new_log: "",
    times: "",
    times_back: "",
    data: "/var/lib/scheduler",
    service: "scheduler",
    allow: "",
    allow_back: "",
    losses: "nothing",
    back_losses: "nothing is lost on the way back either",
    configure: "From now on the server must open a FastLog: `START` has to see to it.",
    unconfigure: "`START_OLD` starts them so that they open redb.",
};
