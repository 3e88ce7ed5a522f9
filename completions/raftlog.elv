
use builtin;
use str;

set edit:completion:arg-completer[raftlog] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'raftlog'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'raftlog'= {
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand inspect 'Show what is in a store'
            cand verify 'Prove that stores or backups are sound'
            cand migrate 'Copy a log into another format, and prove that nothing was lost'
            cand backup 'Pack a store or a whole data directory into an archive, and read it back'
            cand restore 'Verify an archive, then write its files into a new directory'
            cand diff 'Compare two stores of any formats, entry by entry'
            cand simulate 'Show what a crash costs under each durability mode, tried on the shipped engine'
            cand compare 'Compare the logs of a cluster''s stopped nodes: where they part, who may lead'
            cand bench 'Measure the jobs against what this machine can do'
            cand formats 'List the formats that are recognised, read and written'
            cand explain 'Say what a code, an exit name or a loss means and what to do'
            cand schema 'Print the JSON Schema of what a command prints as JSON'
            cand completions 'Print the completion script of a shell'
            cand man 'Write the manual pages into a directory'
        }
        &'raftlog;inspect'= {
            cand --group 'Only the group of this name'
            cand --index 'Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)'
            cand --term 'Only these terms; ranges as for --index'
            cand --kind 'Only these kinds'
            cand --limit 'At most this many lines'
            cand --payload 'How to show payloads [default: none]'
            cand --reading 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there'
            cand --lock-timeout 'Wait this long for a store that a live process uses: 500ms, 5s, 2m'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --entries 'List the entries, one a line'
            cand --state 'Show HardState and every stable key, decoded and raw'
            cand --records 'List the records as they lie in the files, damaged and superseded ones included'
            cand --stats 'Count entries by kind, term and size'
            cand --unnamed 'Only the unnamed group, where named ones stand beside it'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;verify'= {
            cand --group 'Only the group of this name'
            cand --level 'quick: structure and bounds. full: every checksum, entry and rule'
            cand --reading 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there'
            cand --lock-timeout 'Wait this long for a store that a live process uses: 500ms, 5s, 2m'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --unnamed 'Only the unnamed group, where named ones stand beside it'
            cand --strict 'Warnings count as findings: exit 1 instead of 3'
            cand --alone 'Leave out what lies beside the store: snapshots, leftovers, a second backend'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;migrate'= {
            cand --from 'Format of SRC, instead of the one recognised'
            cand --to 'Format of DST'
            cand --group 'Only the group of this name'
            cand --allow-loss 'Losses that are accepted'
            cand --accept 'Broken rules that are accepted'
            cand --durability 'Level that a fastlog target opens with: -1 (low), 0 (mid), 1 (high)'
            cand --redb-format 'File format of a redb target: 2 for programs on redb 2, 3 for newer ones [default: 3]'
            cand --time-form 'Form of the append times in a boltdb target: old for raft-boltdb 1 (Dkron) and Consul, new for Vault and OpenBao [default: as in the source]'
            cand --reading 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there'
            cand --lock-timeout 'Wait this long for a store that a live process uses: 500ms, 5s, 2m'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --unnamed 'Only the unnamed group, where named ones stand beside it'
            cand --dry-run 'Check everything and print the plan, but write nothing'
            cand --yes 'Replace what an interrupted run left behind, without asking'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;backup'= {
            cand --compression 'How hard to compress'
            cand --lock-timeout 'Wait this long for a store that a live process uses: 500ms, 5s, 2m'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --dry-run 'Check everything and print what would be packed, but write nothing'
            cand --yes 'Replace what an interrupted run left behind, without asking'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;restore'= {
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --dry-run 'Verify the archive and print what would be written, but write nothing'
            cand --yes 'Replace what an interrupted run left behind, without asking'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;diff'= {
            cand --group 'Only the group of this name'
            cand --index 'Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)'
            cand --ignore 'Fields to leave out: term, kind, payload, extensions, appended-at, snapshot, state, state:KEY'
            cand --reading 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there'
            cand --lock-timeout 'Wait this long for a store that a live process uses: 500ms, 5s, 2m'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --unnamed 'Only the unnamed group, where named ones stand beside it'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;simulate'= {
            cand --durability 'Levels to try: -1 (low), 0 (mid), 1 (high) [default: all]'
            cand --strategy 'Strategies to try [default: both]'
            cand --flush 'Flush policies to try: immediate, batch:ENTRIES,MS [default: immediate,batch:8,20]'
            cand --seed 'What the workload is made from, hexadecimal'
            cand --profile 'What the file system may do with unsynced writes [default: strict-posix]'
            cand --torn 'How finely a crash may mix two versions of a page'
            cand --disk 'How long the modelled disk takes'
            cand --steps 'Steps of the workload'
            cand --points 'Moments tried of each mode, spread evenly: a number, or all'
            cand --images 'Images drawn of a moment that has more than eight times as many'
            cand --replay 'Try one case again, with the flags that were printed with it'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --strict 'Hazards count as findings: exit 1'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;compare'= {
            cand --group 'Only the group of this name'
            cand --lock-timeout 'Wait this long for a store that a live process uses: 500ms, 5s, 2m'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --unnamed 'Only the unnamed group, where named ones stand beside it'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;bench'= {
            cand --workload 'Workloads [default: all]'
            cand --engine 'Engines; limit and limit-direct are the machine itself [default: all that were built in]'
            cand --value-size 'Sizes of a value: 128, 4KiB, 1MiB [default: as each workload has them]'
            cand --durability 'Levels: -1 (low), 0 (mid), 1 (high) [default: as each workload has them]'
            cand --strategy 'Strategies of FastLog: disk-first, mem-first'
            cand --flush 'Flush policies of FastLog: immediate, batch, batch:ENTRIES,MS'
            cand --rounds 'Rounds; everything that is compared takes turns once a round'
            cand --seconds 'Seconds that each engine is measured in each round [default: 0.25]'
            cand --log 'Logs that workload G opens and --jobs work on, as ENTRIESxSIZE [default: 1048576x1KiB, with --jobs also 1000000x128]'
            cand --dir 'Directory to work in; what is made there is removed'
            cand --report 'Also write the result as a page with charts; FILE must not exist yet'
            cand --cell 'Measure this one cell, in --dir, which must be empty: for the processes that bench starts, and to look at one of them with a profiler'
            cand --format 'Shape of the result on stdout [default: text]'
            cand --progress 'How progress is shown on stderr'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --jobs 'Measure migrate, verify, inspect, backup and restore instead, each against its limit'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -q 'Only errors on stderr: no progress, notes or next steps'
            cand --quiet 'Only errors on stderr: no progress, notes or next steps'
            cand -v 'Also tell why a format was recognised, and how long it took'
            cand --verbose 'Also tell why a format was recognised, and how long it took'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;formats'= {
            cand --format 'Shape of the result on stdout [default: text]'
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand --json 'Short for --format json, or jsonl where the result is a stream'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;explain'= {
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;schema'= {
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;completions'= {
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'raftlog;man'= {
            cand --color 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
