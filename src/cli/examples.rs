//! What `--help` begins with. The first line of each is the one needed most often.

/// Examples of `inspect`.
pub const INSPECT: &str = "\
Examples:
  raftlog inspect /var/lib/dkron                          the store of a data directory at a glance
  raftlog inspect raft.redb --entries --index ~20         the last 20 entries
  raftlog inspect raft.redb --entries --payload auto --kind configuration
  raftlog inspect raft/wal --entries --follow --index ~10 the last 10, then as a live server writes
  raftlog inspect raft.redb --state                       HardState and stable keys
  raftlog inspect raft.redb --records                     every page or record as it lies
  raftlog inspect raft.redb --json | jq '.result.groups[0].last_index'
";

/// Examples of `verify`.
pub const VERIFY: &str = "\
Examples:
  raftlog verify /var/lib/dkron                           container, entries and Raft rules
  raftlog verify --strict raft.redb && echo sound         exit 1 even for a torn tail
  raftlog verify backup.tar.gz                            an archive, without unpacking it
  raftlog verify --level quick n1/raft.redb n2/raft.redb n3/raft.redb
";

/// Examples of `migrate`.
pub const MIGRATE: &str = "\
Examples:
  raftlog migrate raft.redb raft.fastlog --to fastlog --dry-run     the plan, and what would be lost
  raftlog migrate raft.redb raft.fastlog --to fastlog
  raftlog migrate raft.fastlog back.redb --to redb                  the way back
  raftlog migrate raft.redb raft.fastlog --to fastlog --durability -1
  raftlog migrate raft.db raft.new --to raft-fastlog                without ghosts and torn tail
  raftlog migrate raft raft.new --to redb                           a file a group, as the source
  raftlog migrate a.redb b.redb --to redb --redb-logs-table entries --to-redb-schema raft-boltdb
  raftlog migrate --to fastlog --group-of a=/var/etcd-a b=/var/etcd-b groups.fl    one log for both
";

/// Examples of `backup`.
pub const BACKUP: &str = "\
Examples:
  raftlog backup /var/lib/dkron dkron.tar.gz              everything in the data directory
  raftlog backup /var/lib/dkron dkron.tar.gz --dry-run    what would be packed
  raftlog backup raft.redb - | upload backups/raft        to any uploader; 14 if it goes away
  raftlog backup raft.redb raft.tar.gz --lock-timeout 30s
";

/// Examples of `restore`.
pub const RESTORE: &str = "\
Examples:
  raftlog restore dkron.tar.gz /var/lib/dkron.restored
  raftlog restore dkron.tar.gz restored --dry-run         what would be written
  download backups/raft | raftlog restore - restored
";

/// Examples of `diff`.
pub const DIFF: &str = "\
Examples:
  raftlog diff raft.redb raft.fastlog                     exit 0 when they hold the same log
  raftlog diff n1/raft.redb n2/raft.redb --ignore appended-at,state
  raftlog diff a.redb b.redb --index 100..200 --json | jq .result.first_difference
";

/// Examples of `compare`.
pub const COMPARE: &str = "\
Examples:
  raftlog compare /mnt/n1/dkron /mnt/n2/dkron /mnt/n3/dkron
  raftlog compare n1 n2 n3 --json | jq -r '.result.groups[0].may_lead[]'
  raftlog compare n1 n2 n3 --json | jq .result.conflict

Exit 1 where two nodes hold different entries at one index. Entries of different terms are
resolved by Raft itself: a node drops what was never on a majority when it meets a leader.
Different entries of one term cannot come from Raft. Append times are not compared.
";

/// Examples of `simulate`.
pub const SIMULATE: &str = "\
Examples:
  raftlog simulate                                        all modes: what a power cut may take
  raftlog simulate --durability -1,0 --disk hdd           before choosing a level for a slow disk
  raftlog simulate --profile ext4-ordered,xfs --seed 51   what usual file systems add
  raftlog simulate --images 512 --steps 200               more of the same
  raftlog simulate --replay 7f3a:118:37 --durability 1 --strategy disk-first --flush immediate
  raftlog simulate /var/lib/dkron                         a workload like that of a real store
  raftlog simulate --cluster --profile ext4-ordered       three nodes, one power cut
  raftlog simulate --engine raft-fastlog                  the same cuts for tidwall's single file
  raftlog simulate --process 20 --dir scratch             real processes, killed
  raftlog simulate --report crash.html                    a page to hand around
  raftlog simulate --json | jq '.result.modes[] | {durability, strategy, lost}'
";

/// Examples of `repair`.
pub const REPAIR: &str = "\
Examples:
  raftlog repair raft.db --out raft.db.repaired --dry-run   what is left, and what is missing
  raftlog repair raft.db --out raft.db.repaired             exit 4 when something is missing
  raftlog repair raft.db --out new.db --json | jq '.result.holes'
  raftlog repair /var/lib/etcd --out wal.new    what to put in the place of member/wal
";

/// Examples of `runbook`.
pub const RUNBOOK: &str = "\
Examples:
  raftlog runbook dkron-fastlog > dkron-fastlog.sh        one node, DATA is /var/lib/dkron
  raftlog runbook dkron-fastlog --nodes n1=/mnt/n1,n2=/mnt/n2,n3=/mnt/n3 > dkron-fastlog.sh
  raftlog runbook dkron-fastlog --nodes n1,n2,n3 --render md | less    what it does, and why
  raftlog runbook dkron-boltdb --nodes n1,n2,n3 > dkron-boltdb.sh      the way back
  raftlog runbook redb-to-fastlog > redb-to-fastlog.sh
  raftlog runbook consul-wal --nodes n1,n2,n3 > consul-wal.sh         and nomad-wal, vault-wal

The script says in its first lines what to fill in. It may be given again after a failure, and
`sh SCRIPT rollback` goes back from any step without losing an entry.
";

/// Examples of `bench`.
pub const BENCH: &str = "\
Examples:
  raftlog bench                                           every workload here, about two minutes
  raftlog bench --dir /var/lib/raft --rounds 5            on the disk that matters
  raftlog bench --workload A,B,C,D,E,F,G,H,I,S            all of it, about five minutes
  raftlog bench --workload A --value-size 1KiB,64KiB --seconds 2
  raftlog bench --workload D --durability -1,0 --strategy mem-first --flush batch:100,20
  raftlog bench --report bench.html                       and a page with charts
  raftlog bench --engine limit,fastlog --json | jq '.result.rows[] | {cell, ratio_to_limit}'
  raftlog bench --jobs                                    migrate, verify and the others, on 1 GiB
  raftlog bench --jobs --log 100000x1KiB --json | jq '.result.jobs[] | {job, times_limit}'
";

/// Examples of `formats`.
pub const FORMATS: &str = "\
Examples:
  raftlog formats
  raftlog formats --json | jq -r '.result.formats[] | select(.write) | .id'
";

/// Examples of `explain`.
pub const EXPLAIN: &str = "\
Examples:
  raftlog explain R114
  raftlog explain locked
  raftlog explain appended-at
";

/// Examples of `schema`.
pub const SCHEMA: &str = "\
Examples:
  raftlog schema verify > verify.schema.json
";

/// Examples of `completions`.
pub const COMPLETIONS: &str = "\
Examples:
  raftlog completions bash > ~/.local/share/bash-completion/completions/raftlog
  raftlog completions zsh > ~/.zfunc/_raftlog
  raftlog completions fish > ~/.config/fish/completions/raftlog.fish
";

/// Examples of `man`.
pub const MAN: &str = "\
Examples:
  raftlog man ~/.local/share/man/man1
";

/// Examples of `raftlog` itself.
pub const RAFTLOG: &str = "\
Examples:
  raftlog inspect /var/lib/dkron                          what is there
  raftlog backup /var/lib/dkron dkron.tar.gz              keep it
  raftlog verify dkron.tar.gz                             prove the backup
  raftlog migrate raft.redb raft.fastlog --to fastlog     move the log
  raftlog diff raft.redb raft.fastlog                     prove that nothing was lost
";

/// What `raftlog --help` ends with.
pub const EXIT_CODES: &str = "\
Exit codes:
  0 ok   1 findings   2 usage   3 warnings   4 partial
  10 not-found   11 locked   12 refused   13 mismatch   14 io   15 unsupported
  70 internal   130, 143 cancelled
  raftlog explain NAME says more.
";
