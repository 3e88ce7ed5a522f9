_raftlog() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="raftlog"
                ;;
            raftlog,backup)
                cmd="raftlog__subcmd__backup"
                ;;
            raftlog,bench)
                cmd="raftlog__subcmd__bench"
                ;;
            raftlog,compare)
                cmd="raftlog__subcmd__compare"
                ;;
            raftlog,completions)
                cmd="raftlog__subcmd__completions"
                ;;
            raftlog,diff)
                cmd="raftlog__subcmd__diff"
                ;;
            raftlog,explain)
                cmd="raftlog__subcmd__explain"
                ;;
            raftlog,formats)
                cmd="raftlog__subcmd__formats"
                ;;
            raftlog,inspect)
                cmd="raftlog__subcmd__inspect"
                ;;
            raftlog,man)
                cmd="raftlog__subcmd__man"
                ;;
            raftlog,migrate)
                cmd="raftlog__subcmd__migrate"
                ;;
            raftlog,repair)
                cmd="raftlog__subcmd__repair"
                ;;
            raftlog,restore)
                cmd="raftlog__subcmd__restore"
                ;;
            raftlog,runbook)
                cmd="raftlog__subcmd__runbook"
                ;;
            raftlog,schema)
                cmd="raftlog__subcmd__schema"
                ;;
            raftlog,simulate)
                cmd="raftlog__subcmd__simulate"
                ;;
            raftlog,verify)
                cmd="raftlog__subcmd__verify"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        raftlog)
            opts="-h -V --color --help --version inspect verify migrate backup restore diff simulate compare repair runbook bench formats explain schema completions man"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__backup)
            opts="-q -v -h --compression --dry-run --yes --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --compression)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__bench)
            opts="-q -v -h --workload --engine --value-size --durability --strategy --flush --jobs --rounds --seconds --log --go --dir --report --cell --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --workload)
                    COMPREPLY=($(compgen -W "A B C D E F G H I S" -- "${cur}"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -W "limit limit-direct fastlog redb raft-engine fjall okaywal raft-log redb-shared redb-dedicated" -- "${cur}"))
                    return 0
                    ;;
                --value-size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --durability)
                    COMPREPLY=($(compgen -W "-1 0 1" -- "${cur}"))
                    return 0
                    ;;
                --strategy)
                    COMPREPLY=($(compgen -W "disk-first mem-first" -- "${cur}"))
                    return 0
                    ;;
                --flush)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --rounds)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --seconds)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --go)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dir)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --report)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cell)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__compare)
            opts="-q -v -h --group --unnamed --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --group)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__completions)
            opts="-h --color --help bash elvish fish powershell zsh"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__diff)
            opts="-q -v -h --group --unnamed --index --ignore --reading --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --group)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --index)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ignore)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reading)
                    COMPREPLY=($(compgen -W "meant loader" -- "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__explain)
            opts="-h --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__formats)
            opts="-h --format --json --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__inspect)
            opts="-q -v -h --entries --state --records --stats --group --unnamed --index --term --kind --limit --follow --payload --reading --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --group)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --index)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --term)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kind)
                    COMPREPLY=($(compgen -W "command noop barrier configuration add-peer remove-peer conf-change conf-change-v2 unknown" -- "${cur}"))
                    return 0
                    ;;
                --limit)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --payload)
                    COMPREPLY=($(compgen -W "none digest hex base64 utf8 auto" -- "${cur}"))
                    return 0
                    ;;
                --reading)
                    COMPREPLY=($(compgen -W "meant loader" -- "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__man)
            opts="-h --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__migrate)
            opts="-q -v -h --group-of --from --to --group --unnamed --dry-run --allow-loss --accept --durability --to-redb-schema --redb-format --time-form --yes --reading --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --group-of)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --from)
                    COMPREPLY=($(compgen -W "redb fastlog boltdb raft-fastlog raft-wal etcd-wal" -- "${cur}"))
                    return 0
                    ;;
                --to)
                    COMPREPLY=($(compgen -W "redb fastlog boltdb raft-fastlog raft-wal etcd-wal" -- "${cur}"))
                    return 0
                    ;;
                --group)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-loss)
                    COMPREPLY=($(compgen -W "appended-at extensions unknown-fields commit-index vote-candidate stable-keys snapshot-marker entry-kind term hole groups superseded-records other-tables" -- "${cur}"))
                    return 0
                    ;;
                --accept)
                    COMPREPLY=($(compgen -W "R102 R105 R106 R107 R108 R109 R113 R118" -- "${cur}"))
                    return 0
                    ;;
                --durability)
                    COMPREPLY=($(compgen -W "-1 0 1" -- "${cur}"))
                    return 0
                    ;;
                --to-redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-format)
                    COMPREPLY=($(compgen -W "2 3" -- "${cur}"))
                    return 0
                    ;;
                --time-form)
                    COMPREPLY=($(compgen -W "old new" -- "${cur}"))
                    return 0
                    ;;
                --reading)
                    COMPREPLY=($(compgen -W "meant loader" -- "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__repair)
            opts="-q -v -h --out --dry-run --yes --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --out)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__restore)
            opts="-q -v -h --dry-run --yes --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__runbook)
            opts="-h --nodes --render --color --help dkron-fastlog dkron-boltdb redb-to-fastlog consul-wal consul-boltdb nomad-wal nomad-boltdb vault-wal vault-boltdb"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --nodes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --render)
                    COMPREPLY=($(compgen -W "sh md" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__schema)
            opts="-h --color --help inspect verify migrate backup restore diff compare simulate repair formats bench"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__simulate)
            opts="-q -v -h --engine --durability --strategy --flush --seed --profile --torn --disk --steps --points --images --no-psow --cluster --without --payload-max --process --dir --child --no-faults --report --replay --keep --strict --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --engine)
                    COMPREPLY=($(compgen -W "fastlog raft-fastlog" -- "${cur}"))
                    return 0
                    ;;
                --durability)
                    COMPREPLY=($(compgen -W "-1 0 1" -- "${cur}"))
                    return 0
                    ;;
                --strategy)
                    COMPREPLY=($(compgen -W "disk-first mem-first" -- "${cur}"))
                    return 0
                    ;;
                --flush)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --seed)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --profile)
                    COMPREPLY=($(compgen -W "strict-posix ext4-ordered xfs no-reorder kill drop" -- "${cur}"))
                    return 0
                    ;;
                --torn)
                    COMPREPLY=($(compgen -W "no sectors bytes" -- "${cur}"))
                    return 0
                    ;;
                --disk)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --steps)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --points)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --images)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cluster)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --without)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --payload-max)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --process)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dir)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --child)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --report)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --replay)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --keep)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        raftlog__subcmd__verify)
            opts="-q -v -h --group --unnamed --level --strict --alone --reading --redb-schema --redb-logs-table --redb-conf-table --redb-codec --redb-group-pattern --redb-file-pattern --lock-timeout --format --json --progress --quiet --verbose --color --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --group)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --level)
                    COMPREPLY=($(compgen -W "quick full" -- "${cur}"))
                    return 0
                    ;;
                --reading)
                    COMPREPLY=($(compgen -W "meant loader" -- "${cur}"))
                    return 0
                    ;;
                --redb-schema)
                    COMPREPLY=($(compgen -W "raft-boltdb mocra zlayer rivven tatara nodedb sorock sorock-0.13 hirnd aspen blixard arrow raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb-any raftpb eraftpb sorock-any blixard-any openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-logs-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-conf-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-codec)
                    COMPREPLY=($(compgen -W "raft-log openraft-json openraft-json-term json-object openraft-msgpack openraft-msgpack-term nodedb raftpb eraftpb sorock blixard openraft-bincode openraft-bincode-name openraft-bincode-term openraft-postcard openraft-postcard-name openraft-postcard-term raw" -- "${cur}"))
                    return 0
                    ;;
                --redb-group-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redb-file-pattern)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lock-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --format)
                    COMPREPLY=($(compgen -W "text json jsonl csv" -- "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto plain never" -- "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _raftlog -o nosort -o bashdefault -o default raftlog
else
    complete -F _raftlog -o bashdefault -o default raftlog
fi
