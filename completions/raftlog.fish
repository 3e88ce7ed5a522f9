# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_raftlog_global_optspecs
    string join \n color= h/help V/version
end

function __fish_raftlog_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_raftlog_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_raftlog_using_subcommand
    set -l cmd (__fish_raftlog_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c raftlog -n "__fish_raftlog_needs_command" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_needs_command" -s V -l version -d 'Print version'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "inspect" -d 'Show what is in a store'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "verify" -d 'Prove that stores or backups are sound'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "migrate" -d 'Copy a log into another format, and prove that nothing was lost'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "backup" -d 'Pack a store or a whole data directory into an archive, and read it back'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "restore" -d 'Verify an archive, then write its files into a new directory'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "diff" -d 'Compare two stores of any formats, entry by entry'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "simulate" -d 'Show what a crash costs under each durability mode, tried on the shipped engine'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "compare" -d 'Compare the logs of a cluster\'s stopped nodes: where they part, who may lead'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "repair" -d 'Take everything that can still be proven out of a damaged store into a new one'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "runbook" -d 'Print the script of a maintenance window: freeze, prove, convert, start, roll back'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "bench" -d 'Measure the jobs against what this machine can do'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "formats" -d 'List the formats that are recognised, read and written'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "explain" -d 'Say what a code, an exit name or a loss means and what to do'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "schema" -d 'Print the JSON Schema of what a command prints as JSON'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c raftlog -n "__fish_raftlog_needs_command" -f -a "man" -d 'Write the manual pages into a directory'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l group -d 'Only the group of this name' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l index -d 'Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l term -d 'Only these terms; ranges as for --index' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l kind -d 'Only these kinds' -r -f -a "command\t''
noop\t''
barrier\t''
configuration\t''
add-peer\t''
remove-peer\t''
conf-change\t''
conf-change-v2\t''
unknown\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l limit -d 'At most this many lines' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l payload -d 'How to show payloads [default: none]' -r -f -a "none\t''
digest\t''
hex\t''
base64\t''
utf8\t''
auto\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l reading -d 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there' -r -f -a "meant\t''
loader\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l entries -d 'List the entries, one a line'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l state -d 'Show HardState and every stable key, decoded and raw'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l records -d 'List the records as they lie in the files, damaged and superseded ones included'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l stats -d 'Count entries by kind, term and size'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l unnamed -d 'Only the unnamed group, where named ones stand beside it'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l follow -d 'Go on as a live process writes: entries once they are readable (fastlog, raft-wal, etcd-wal)'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l group -d 'Only the group of this name' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l level -d 'quick: structure and bounds. full: every checksum, entry and rule' -r -f -a "quick\t''
full\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l reading -d 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there' -r -f -a "meant\t''
loader\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l unnamed -d 'Only the unnamed group, where named ones stand beside it'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l strict -d 'Warnings count as findings: exit 1 instead of 3'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l alone -d 'Leave out what lies beside the store: snapshots, leftovers, a second backend'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l group-of -d 'Make each of these stores a group of DST, under the name in front of the first =' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l from -d 'Format of SRC, instead of the one recognised' -r -f -a "redb\t''
fastlog\t''
boltdb\t''
raft-fastlog\t''
raft-wal\t''
etcd-wal\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l to -d 'Format of DST' -r -f -a "redb\t''
fastlog\t''
boltdb\t''
raft-fastlog\t''
raft-wal\t''
etcd-wal\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l group -d 'Only the group of this name' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l allow-loss -d 'Losses that are accepted' -r -f -a "appended-at\t''
extensions\t''
unknown-fields\t''
commit-index\t''
vote-candidate\t''
stable-keys\t''
snapshot-marker\t''
entry-kind\t''
term\t''
hole\t''
groups\t''
superseded-records\t''
other-tables\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l accept -d 'Broken rules that are accepted' -r -f -a "R102\t''
R105\t''
R106\t''
R107\t''
R108\t''
R109\t''
R113\t''
R118\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l durability -d 'Level that a fastlog target opens with: -1 (low), 0 (mid), 1 (high)' -r -f -a "-1\t''
0\t''
1\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l to-redb-schema -d 'Schema of a redb target [default: the one that the log was read in, else raft-boltdb]. The other --redb-* flags say where the log lies in a redb source; where SRC is no redb file, --redb-schema means the target too' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-format -d 'File format of a redb target: 2 for programs on redb 2, 3 for newer ones [default: as the log was read, else 3]' -r -f -a "2\t''
3\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l time-form -d 'Form of the append times in a boltdb target: old for raft-boltdb 1 (Dkron) and Consul, new for Vault and OpenBao [default: as in the source]' -r -f -a "old\t''
new\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l reading -d 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there' -r -f -a "meant\t''
loader\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l unnamed -d 'Only the unnamed group, where named ones stand beside it'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l dry-run -d 'Check everything and print the plan, but write nothing'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l yes -d 'Replace what an interrupted run left behind, without asking'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand migrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l compression -d 'How hard to compress' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l dry-run -d 'Check everything and print what would be packed, but write nothing'
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l yes -d 'Replace what an interrupted run left behind, without asking'
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -l dry-run -d 'Verify the archive and print what would be written, but write nothing'
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -l yes -d 'Replace what an interrupted run left behind, without asking'
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l group -d 'Only the group of this name' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l index -d 'Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l ignore -d 'Fields to leave out: term, kind, payload, extensions, appended-at, snapshot, state, state:KEY' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l reading -d 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there' -r -f -a "meant\t''
loader\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l unnamed -d 'Only the unnamed group, where named ones stand beside it'
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l engine -d 'The log under test: ours, or tidwall/raft-fastlog\'s file under its own library\'s rules' -r -f -a "fastlog\t''
raft-fastlog\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l durability -d 'Levels to try: -1 (low), 0 (mid), 1 (high) [default: all]' -r -f -a "-1\t''
0\t''
1\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l strategy -d 'Strategies to try [default: both]' -r -f -a "disk-first\t''
mem-first\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l flush -d 'Flush policies to try: immediate, batch:ENTRIES,MS [default: immediate,batch:8,20]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l seed -d 'What the workload is made from, hexadecimal' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l profile -d 'What the file system may do with unsynced writes [default: strict-posix]' -r -f -a "strict-posix\t''
ext4-ordered\t''
xfs\t''
no-reorder\t''
kill\t''
drop\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l torn -d 'How finely a crash may mix two versions of a page' -r -f -a "no\t''
sectors\t''
bytes\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l disk -d 'How long the modelled disk takes: nvme, ssd, hdd, WRITE_US,SYNC_US, or measured, as that under --dir does [default there: the current directory]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l steps -d 'Steps of the workload' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l points -d 'Moments tried of each mode, spread evenly: a number, or all' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l images -d 'Images drawn of a moment that has more than eight times as many' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l cluster -d 'Cut the power of N nodes with the same log at the same moment, too [default: 3]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l without -d 'Leave steps of the workload out, by their numbers from 0: 3,7-9' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l payload-max -d 'Cut longer payloads to so many bytes' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l process -d 'Instead, kill N real processes that write to a directory' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l dir -d 'The directory for them, which must be empty or not there; or that is measured' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l child -d 'The work of such a process, from an operation on' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l report -d 'Write the result as a page into a new file as well' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l replay -d 'Try one case again, with the flags that were printed with it' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l keep -d 'Write what the crash of the case left into a new directory, as real files' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l no-psow -d 'Do not take for granted that a write that is cut off leaves bytes outside its range alone; what breaks then is told and fails nothing'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l no-faults -d 'Leave out calls that fail and damage at rest'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l strict -d 'Hazards count as findings: exit 1'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l group -d 'Only the group of this name' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l unnamed -d 'Only the unnamed group, where named ones stand beside it'
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l out -d 'Store to write, of the same format; it must not exist yet' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l redb-schema -d 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them' -r -f -a "raft-boltdb\t''
mocra\t''
zlayer\t''
rivven\t''
tatara\t''
nodedb\t''
sorock\t''
sorock-0.13\t''
hirnd\t''
aspen\t''
blixard\t''
arrow\t''
raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb-any\t''
raftpb\t''
eraftpb\t''
sorock-any\t''
blixard-any\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l redb-logs-table -d 'Table with the entries' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l redb-conf-table -d 'Table with vote, term and other state; {} stands for the group' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l redb-codec -d 'Encoding of the entries' -r -f -a "raft-log\t''
openraft-json\t''
openraft-json-term\t''
json-object\t''
openraft-msgpack\t''
openraft-msgpack-term\t''
nodedb\t''
raftpb\t''
eraftpb\t''
sorock\t''
blixard\t''
openraft-bincode\t''
openraft-bincode-name\t''
openraft-bincode-term\t''
openraft-postcard\t''
openraft-postcard-name\t''
openraft-postcard-term\t''
raw\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l redb-group-pattern -d 'Names of the tables with the entries of each group, {} standing for the group: log-{}' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l redb-file-pattern -d 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l lock-timeout -d 'Wait this long for a store that a live process uses: 500ms, 5s, 2m' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l dry-run -d 'Say what would be in the result, but write nothing'
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l yes -d 'Replace what an interrupted run left behind, without asking'
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand repair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand runbook" -l nodes -d 'The nodes of the cluster, as NAME or NAME=DIR with the data directory [default: one node]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand runbook" -l render -d 'sh: the script. md: the script with its explanation [default: sh]' -r -f -a "sh\t''
md\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand runbook" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand runbook" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l workload -d 'Workloads [default: a tour of two minutes through all of them; who chooses gets all of it]' -r -f -a "A\t''
B\t''
C\t''
D\t''
E\t''
F\t''
G\t''
H\t''
I\t''
S\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l engine -d 'Engines; limit and limit-direct are the machine itself [default: all that were built in]' -r -f -a "limit\t''
limit-direct\t''
fastlog\t''
redb\t''
raft-engine\t''
fjall\t''
okaywal\t''
raft-log\t''
redb-shared\t''
redb-dedicated\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l value-size -d 'Sizes of a value: 128, 4KiB, 1MiB [default: as each workload has them]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l durability -d 'Levels: -1 (low), 0 (mid), 1 (high) [default: as each workload has them]' -r -f -a "-1\t''
0\t''
1\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l strategy -d 'Strategies of FastLog: disk-first, mem-first' -r -f -a "disk-first\t''
mem-first\t''"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l flush -d 'Flush policies of FastLog: immediate, batch, batch:ENTRIES,MS' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l rounds -d 'Rounds; everything that is compared takes turns once a round' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l seconds -d 'Seconds that each engine is measured in each round [default: 0.15]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l log -d 'Logs that workload G opens and --jobs work on, as ENTRIESxSIZE [default: 1048576x1KiB, on the tour 262144x1KiB, with --jobs also 1000000x128]' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l go -d 'With --jobs: the built program of tests/interop, to measure what the Go libraries need for the same' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l dir -d 'Directory to work in; what is made there is removed' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l report -d 'Also write the result as a page with charts; FILE must not exist yet' -r -F
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l cell -d 'Measure this one cell, in --dir, which must be empty: for the processes that bench starts, and to look at one of them with a profiler' -r
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'Bars on a terminal, a line every 10 s elsewhere'
plain\t'A line every 10 s'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l jobs -d 'Measure migrate, verify, inspect, backup and restore instead, each against its limit'
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -s q -l quiet -d 'Only errors on stderr: no progress, notes or next steps'
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -s v -l verbose -d 'Also tell why a format was recognised, and how long it took'
complete -c raftlog -n "__fish_raftlog_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand formats" -l format -d 'Shape of the result on stdout [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object'
jsonl\t'A JSON object a line (inspect --entries, --records)'
csv\t'Comma-separated values (inspect --entries, --records)'"
complete -c raftlog -n "__fish_raftlog_using_subcommand formats" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand formats" -l json -d 'Short for --format json, or jsonl where the result is a stream'
complete -c raftlog -n "__fish_raftlog_using_subcommand formats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand explain" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand schema" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand completions" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raftlog -n "__fish_raftlog_using_subcommand man" -l color -d 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c raftlog -n "__fish_raftlog_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
