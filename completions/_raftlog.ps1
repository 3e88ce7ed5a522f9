
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'raftlog' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'raftlog'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'raftlog' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what is in a store')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Prove that stores or backups are sound')
            [CompletionResult]::new('migrate', 'migrate', [CompletionResultType]::ParameterValue, 'Copy a log into another format, and prove that nothing was lost')
            [CompletionResult]::new('backup', 'backup', [CompletionResultType]::ParameterValue, 'Pack a store or a whole data directory into an archive, and read it back')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Verify an archive, then write its files into a new directory')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Compare two stores of any formats, entry by entry')
            [CompletionResult]::new('simulate', 'simulate', [CompletionResultType]::ParameterValue, 'Show what a crash costs under each durability mode, tried on the shipped engine')
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Compare the logs of a cluster''s stopped nodes: where they part, who may lead')
            [CompletionResult]::new('repair', 'repair', [CompletionResultType]::ParameterValue, 'Take everything that can still be proven out of a damaged store into a new one')
            [CompletionResult]::new('runbook', 'runbook', [CompletionResultType]::ParameterValue, 'Print the script of a maintenance window: freeze, prove, convert, start, roll back')
            [CompletionResult]::new('bench', 'bench', [CompletionResultType]::ParameterValue, 'Measure the jobs against what this machine can do')
            [CompletionResult]::new('formats', 'formats', [CompletionResultType]::ParameterValue, 'List the formats that are recognised, read and written')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Say what a code, an exit name or a loss means and what to do')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of what a command prints as JSON')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the manual pages into a directory')
            break
        }
        'raftlog;inspect' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only the group of this name')
            [CompletionResult]::new('--index', '--index', [CompletionResultType]::ParameterName, 'Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)')
            [CompletionResult]::new('--term', '--term', [CompletionResultType]::ParameterName, 'Only these terms; ranges as for --index')
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'Only these kinds')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most this many lines')
            [CompletionResult]::new('--payload', '--payload', [CompletionResultType]::ParameterName, 'How to show payloads [default: none]')
            [CompletionResult]::new('--reading', '--reading', [CompletionResultType]::ParameterName, 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--entries', '--entries', [CompletionResultType]::ParameterName, 'List the entries, one a line')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'Show HardState and every stable key, decoded and raw')
            [CompletionResult]::new('--records', '--records', [CompletionResultType]::ParameterName, 'List the records as they lie in the files, damaged and superseded ones included')
            [CompletionResult]::new('--stats', '--stats', [CompletionResultType]::ParameterName, 'Count entries by kind, term and size')
            [CompletionResult]::new('--unnamed', '--unnamed', [CompletionResultType]::ParameterName, 'Only the unnamed group, where named ones stand beside it')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on as a live process writes: entries once they are readable (fastlog, raft-wal, etcd-wal)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;verify' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only the group of this name')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'quick: structure and bounds. full: every checksum, entry and rule')
            [CompletionResult]::new('--reading', '--reading', [CompletionResultType]::ParameterName, 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--unnamed', '--unnamed', [CompletionResultType]::ParameterName, 'Only the unnamed group, where named ones stand beside it')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Warnings count as findings: exit 1 instead of 3')
            [CompletionResult]::new('--alone', '--alone', [CompletionResultType]::ParameterName, 'Leave out what lies beside the store: snapshots, leftovers, a second backend')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;migrate' {
            [CompletionResult]::new('--group-of', '--group-of', [CompletionResultType]::ParameterName, 'Make each of these stores a group of DST, under the name in front of the first =')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Format of SRC, instead of the one recognised')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Format of DST')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only the group of this name')
            [CompletionResult]::new('--allow-loss', '--allow-loss', [CompletionResultType]::ParameterName, 'Losses that are accepted')
            [CompletionResult]::new('--accept', '--accept', [CompletionResultType]::ParameterName, 'Broken rules that are accepted')
            [CompletionResult]::new('--durability', '--durability', [CompletionResultType]::ParameterName, 'Level that a fastlog target opens with: -1 (low), 0 (mid), 1 (high)')
            [CompletionResult]::new('--to-redb-schema', '--to-redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb target [default: the one that the log was read in, else raft-boltdb]. The other --redb-* flags say where the log lies in a redb source; where SRC is no redb file, --redb-schema means the target too')
            [CompletionResult]::new('--redb-format', '--redb-format', [CompletionResultType]::ParameterName, 'File format of a redb target: 2 for programs on redb 2, 3 for newer ones [default: as the log was read, else 3]')
            [CompletionResult]::new('--time-form', '--time-form', [CompletionResultType]::ParameterName, 'Form of the append times in a boltdb target: old for raft-boltdb 1 (Dkron) and Consul, new for Vault and OpenBao [default: as in the source]')
            [CompletionResult]::new('--reading', '--reading', [CompletionResultType]::ParameterName, 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--unnamed', '--unnamed', [CompletionResultType]::ParameterName, 'Only the unnamed group, where named ones stand beside it')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Check everything and print the plan, but write nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Replace what an interrupted run left behind, without asking')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;backup' {
            [CompletionResult]::new('--compression', '--compression', [CompletionResultType]::ParameterName, 'How hard to compress')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Check everything and print what would be packed, but write nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Replace what an interrupted run left behind, without asking')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;restore' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Verify the archive and print what would be written, but write nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Replace what an interrupted run left behind, without asking')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;diff' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only the group of this name')
            [CompletionResult]::new('--index', '--index', [CompletionResultType]::ParameterName, 'Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)')
            [CompletionResult]::new('--ignore', '--ignore', [CompletionResultType]::ParameterName, 'Fields to leave out: term, kind, payload, extensions, appended-at, snapshot, state, state:KEY')
            [CompletionResult]::new('--reading', '--reading', [CompletionResultType]::ParameterName, 'How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own loader brings back after a restart is there')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--unnamed', '--unnamed', [CompletionResultType]::ParameterName, 'Only the unnamed group, where named ones stand beside it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;simulate' {
            [CompletionResult]::new('--engine', '--engine', [CompletionResultType]::ParameterName, 'The log under test: ours, or tidwall/raft-fastlog''s file under its own library''s rules')
            [CompletionResult]::new('--durability', '--durability', [CompletionResultType]::ParameterName, 'Levels to try: -1 (low), 0 (mid), 1 (high) [default: all]')
            [CompletionResult]::new('--strategy', '--strategy', [CompletionResultType]::ParameterName, 'Strategies to try [default: both]')
            [CompletionResult]::new('--flush', '--flush', [CompletionResultType]::ParameterName, 'Flush policies to try: immediate, batch:ENTRIES,MS [default: immediate,batch:8,20]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'What the workload is made from, hexadecimal')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'What the file system may do with unsynced writes [default: strict-posix]')
            [CompletionResult]::new('--torn', '--torn', [CompletionResultType]::ParameterName, 'How finely a crash may mix two versions of a page')
            [CompletionResult]::new('--disk', '--disk', [CompletionResultType]::ParameterName, 'How long the modelled disk takes: nvme, ssd, hdd, WRITE_US,SYNC_US, or measured, as that under --dir does [default there: the current directory]')
            [CompletionResult]::new('--steps', '--steps', [CompletionResultType]::ParameterName, 'Steps of the workload')
            [CompletionResult]::new('--points', '--points', [CompletionResultType]::ParameterName, 'Moments tried of each mode, spread evenly: a number, or all')
            [CompletionResult]::new('--images', '--images', [CompletionResultType]::ParameterName, 'Images drawn of a moment that has more than eight times as many')
            [CompletionResult]::new('--cluster', '--cluster', [CompletionResultType]::ParameterName, 'Cut the power of N nodes with the same log at the same moment, too [default: 3]')
            [CompletionResult]::new('--without', '--without', [CompletionResultType]::ParameterName, 'Leave steps of the workload out, by their numbers from 0: 3,7-9')
            [CompletionResult]::new('--payload-max', '--payload-max', [CompletionResultType]::ParameterName, 'Cut longer payloads to so many bytes')
            [CompletionResult]::new('--process', '--process', [CompletionResultType]::ParameterName, 'Instead, kill N real processes that write to a directory')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The directory for them, which must be empty or not there; or that is measured')
            [CompletionResult]::new('--child', '--child', [CompletionResultType]::ParameterName, 'The work of such a process, from an operation on')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write the result as a page into a new file as well')
            [CompletionResult]::new('--replay', '--replay', [CompletionResultType]::ParameterName, 'Try one case again, with the flags that were printed with it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Write what the crash of the case left into a new directory, as real files')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--no-psow', '--no-psow', [CompletionResultType]::ParameterName, 'Do not take for granted that a write that is cut off leaves bytes outside its range alone; what breaks then is told and fails nothing')
            [CompletionResult]::new('--no-faults', '--no-faults', [CompletionResultType]::ParameterName, 'Leave out calls that fail and damage at rest')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Hazards count as findings: exit 1')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;compare' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only the group of this name')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--unnamed', '--unnamed', [CompletionResultType]::ParameterName, 'Only the unnamed group, where named ones stand beside it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;repair' {
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Store to write, of the same format; it must not exist yet')
            [CompletionResult]::new('--redb-schema', '--redb-schema', [CompletionResultType]::ParameterName, 'Schema of a redb file instead of the one found by proof; `raftlog formats` lists them')
            [CompletionResult]::new('--redb-logs-table', '--redb-logs-table', [CompletionResultType]::ParameterName, 'Table with the entries')
            [CompletionResult]::new('--redb-conf-table', '--redb-conf-table', [CompletionResultType]::ParameterName, 'Table with vote, term and other state; {} stands for the group')
            [CompletionResult]::new('--redb-codec', '--redb-codec', [CompletionResultType]::ParameterName, 'Encoding of the entries')
            [CompletionResult]::new('--redb-group-pattern', '--redb-group-pattern', [CompletionResultType]::ParameterName, 'Names of the tables with the entries of each group, {} standing for the group: log-{}')
            [CompletionResult]::new('--redb-file-pattern', '--redb-file-pattern', [CompletionResultType]::ParameterName, 'Names of the files of a directory that are a group each, {} standing for the group: group-{}.redb')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'Wait this long for a store that a live process uses: 500ms, 5s, 2m')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be in the result, but write nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Replace what an interrupted run left behind, without asking')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;runbook' {
            [CompletionResult]::new('--nodes', '--nodes', [CompletionResultType]::ParameterName, 'The nodes of the cluster, as NAME or NAME=DIR with the data directory [default: one node]')
            [CompletionResult]::new('--render', '--render', [CompletionResultType]::ParameterName, 'sh: the script. md: the script with its explanation [default: sh]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;bench' {
            [CompletionResult]::new('--workload', '--workload', [CompletionResultType]::ParameterName, 'Workloads [default: a tour of two minutes through all of them; who chooses gets all of it]')
            [CompletionResult]::new('--engine', '--engine', [CompletionResultType]::ParameterName, 'Engines; limit and limit-direct are the machine itself [default: all that were built in]')
            [CompletionResult]::new('--value-size', '--value-size', [CompletionResultType]::ParameterName, 'Sizes of a value: 128, 4KiB, 1MiB [default: as each workload has them]')
            [CompletionResult]::new('--durability', '--durability', [CompletionResultType]::ParameterName, 'Levels: -1 (low), 0 (mid), 1 (high) [default: as each workload has them]')
            [CompletionResult]::new('--strategy', '--strategy', [CompletionResultType]::ParameterName, 'Strategies of FastLog: disk-first, mem-first')
            [CompletionResult]::new('--flush', '--flush', [CompletionResultType]::ParameterName, 'Flush policies of FastLog: immediate, batch, batch:ENTRIES,MS')
            [CompletionResult]::new('--rounds', '--rounds', [CompletionResultType]::ParameterName, 'Rounds; everything that is compared takes turns once a round')
            [CompletionResult]::new('--seconds', '--seconds', [CompletionResultType]::ParameterName, 'Seconds that each engine is measured in each round [default: 0.15]')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Logs that workload G opens and --jobs work on, as ENTRIESxSIZE [default: 1048576x1KiB, on the tour 262144x1KiB, with --jobs also 1000000x128]')
            [CompletionResult]::new('--go', '--go', [CompletionResultType]::ParameterName, 'With --jobs: the built program of tests/interop, to measure what the Go libraries need for the same')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Directory to work in; what is made there is removed')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Also write the result as a page with charts; FILE must not exist yet')
            [CompletionResult]::new('--cell', '--cell', [CompletionResultType]::ParameterName, 'Measure this one cell, in --dir, which must be empty: for the processes that bench starts, and to look at one of them with a profiler')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Measure migrate, verify, inspect, backup and restore instead, each against its limit')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors on stderr: no progress, notes or next steps')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also tell why a format was recognised, and how long it took')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;formats' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Shape of the result on stdout [default: text]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Short for --format json, or jsonl where the result is a stream')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;explain' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;schema' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;completions' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'raftlog;man' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
