// Command interop opens files that raftlog wrote with the libraries that own the format: raft-boltdb
// 1 and 2, raft-fastlog (fast) and raft-wal (wal; its FILE is a directory, with segments of 64 KiB).
//
//	interop check  FILE                      bbolt's own check of pages, keys and freelist
//	interop dump   v1|v2|fast|wal old|new FILE   stable keys and entries as JSON lines
//	interop append v1|v2|fast|wal FILE COUNT     COUNT entries behind the last one, then the first one deleted
//	interop elect  v1|v2|fast|wal FILE [DIR]     a node of hashicorp/raft on the file, with the snapshots in DIR;
//	                                         prints the leader's term
//	interop seed   v1|v2|fast|wal old|new SHAPE SEED FILE    a log of a shape: mixed, sizes, late, novote, empty, nothing
//	interop restored v1|v2|fast|wal DIR          a node whose operator restored a snapshot: raft.db and snapshots in DIR
//	interop fill   v1|v2 FILE COUNT SIZE     a long log, as a busy server writes one
//	interop read   v1|v2|fast|wal FILE           every entry through GetLog
//	interop route  v1|v2|fast|wal FILE v1|v2|fast|fast-low FILE
//	                                         a log moved as its libraries let one; fast-low syncs once, at the end
//	interop ghost  FILE                      raft-fastlog: the last five entries replaced by two of a new term
//	interop shrink FILE                      raft-fastlog: its own rewrite of the file
//	interop migrate FILE DIR                 raft-boltdb 2 to raft-wal, as raft-wal's own helpers do it
//	interop cut    FILE COUNT                raft-wal: the last COUNT entries deleted, and two of a new term appended
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
	boltdb1 "github.com/hashicorp/raft-boltdb"
	boltdb2 "github.com/hashicorp/raft-boltdb/v2"
	raftfastlog "github.com/tidwall/raft-fastlog"
	"go.etcd.io/bbolt"
)

// newTerm is above those of every log that is changed here.
const newTerm = 1 << 20

// store is what all of them are.
type store interface {
	raft.LogStore
	raft.StableStore
	Close() error
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "check":
		return check(args[1])
	case len(args) == 4 && args[0] == "dump":
		return dump(args[1], args[2] == "new", args[3])
	case len(args) == 4 && args[0] == "append":
		count, err := strconv.ParseUint(args[3], 10, 64)
		if err != nil {
			return err
		}
		return extend(args[1], args[2], count)
	case len(args) == 3 && args[0] == "elect":
		return elect(args[1], args[2], "")
	case len(args) == 4 && args[0] == "elect":
		return elect(args[1], args[2], args[3])
	case len(args) == 6 && args[0] == "seed":
		number, err := strconv.ParseUint(args[4], 10, 64)
		if err != nil {
			return err
		}
		return seed(args[1], args[2], args[3], number, args[5])
	case len(args) == 3 && args[0] == "restored":
		return restored(args[1], args[2])
	case len(args) == 5 && args[0] == "fill":
		count, err := strconv.ParseUint(args[3], 10, 64)
		if err != nil || count == 0 {
			return fmt.Errorf("no count: %s", args[3])
		}
		size, err := strconv.Atoi(args[4])
		if err != nil {
			return err
		}
		return fill(args[1], args[2], count, size)
	case len(args) == 3 && args[0] == "read":
		return read(args[1], args[2])
	case len(args) == 5 && args[0] == "route":
		return route(args[1], args[2], args[3], args[4])
	case len(args) == 2 && args[0] == "ghost":
		return replace("fast", args[1], 5)
	case len(args) == 2 && args[0] == "shrink":
		return shrink(args[1])
	case len(args) == 3 && args[0] == "cut":
		count, err := strconv.ParseUint(args[2], 10, 64)
		if err != nil {
			return err
		}
		return replace("wal", args[1], count)
	case len(args) == 3 && args[0] == "migrate":
		return migrated(args[1], args[2])
	}
	return fmt.Errorf("usage: interop check|dump|append|elect|seed|restored|fill|read|route|ghost|shrink|cut|migrate ...")
}

func open(version string, newTime bool, path string) (store, error) {
	switch version {
	case "v1":
		return boltdb1.NewBoltStore(path)
	case "fast":
		return raftfastlog.NewFastLogStore(path, raftfastlog.High, io.Discard)
	case "wal":
		return openWAL(path, 64<<10)
	case "wal-64m":
		return openWAL(path, 0)
	case "fast-low":
		return raftfastlog.NewFastLogStore(path, raftfastlog.Low, io.Discard)
	}
	return boltdb2.New(boltdb2.Options{Path: path, MsgpackUseNewTimeFormat: newTime})
}

// bounds is the first and the last index, 0 in an empty log.
func bounds(logs raft.LogStore) (first, last uint64, err error) {
	if first, err = logs.FirstIndex(); err != nil {
		return 0, 0, err
	}
	last, err = logs.LastIndex()
	return first, last, err
}

// appended stores an entry of the term of whoever replaces or extends a log here.
func appended(logs raft.LogStore, index uint64, kind raft.LogType, data []byte) error {
	log := &raft.Log{Index: index, Term: newTerm, Type: kind, Data: data}
	if kind == raft.LogCommand {
		log.AppendedAt = time.Unix(1700000000, 0)
	}
	return logs.StoreLog(log)
}

func check(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
}

type entry struct {
	Index      uint64  `json:"index"`
	Term       uint64  `json:"term"`
	Kind       uint8   `json:"kind"`
	Data       string  `json:"data_hex"`
	Extensions *string `json:"extensions_hex"`
	AppendedAt string  `json:"appended_at"`
}

func dump(version string, newTime bool, path string) error {
	logs, err := open(version, newTime, path)
	if err != nil {
		return err
	}
	defer logs.Close()
	out := json.NewEncoder(os.Stdout)
	for _, key := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		value, err := logs.Get([]byte(key))
		if err != nil && err.Error() != "not found" {
			return err
		}
		if err := out.Encode(map[string]string{"stable": key, "hex": hex.EncodeToString(value)}); err != nil {
			return err
		}
	}
	first, last, err := bounds(logs)
	if err != nil {
		return err
	}
	for index := first; index != 0 && index <= last; index++ {
		var log raft.Log
		if err := logs.GetLog(index, &log); err == raft.ErrLogNotFound {
			continue
		} else if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		line := entry{
			Index: log.Index, Term: log.Term, Kind: uint8(log.Type), Data: hex.EncodeToString(log.Data),
			AppendedAt: log.AppendedAt.UTC().Format(time.RFC3339Nano),
		}
		if log.Extensions != nil {
			text := hex.EncodeToString(log.Extensions)
			line.Extensions = &text
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// extend appends entries, small and large, and deletes the first one: leaves split, pages are freed.
func extend(version, path string, count uint64) error {
	logs, err := open(version, false, path)
	if err != nil {
		return err
	}
	defer logs.Close()
	last, err := logs.LastIndex()
	if err != nil {
		return err
	}
	for n := uint64(1); n <= count; n++ {
		if err := appended(logs, last+n, raft.LogCommand, make([]byte, n*n%5000)); err != nil {
			return err
		}
	}
	first, err := logs.FirstIndex()
	if err != nil {
		return err
	}
	if first > 0 {
		if err := logs.DeleteRange(first, first); err != nil {
			return err
		}
	}
	return logs.SetUint64([]byte("CurrentTerm"), newTerm)
}

// replace takes the last count entries away and appends two of a new term, as a follower does whose
// leader disagrees.
func replace(version, path string, count uint64) error {
	logs, err := open(version, false, path)
	if err != nil {
		return err
	}
	defer logs.Close()
	last, err := logs.LastIndex()
	if err != nil {
		return err
	}
	if err := logs.DeleteRange(last+1-count, last); err != nil {
		return err
	}
	for index := last + 1 - count; index <= last+2-count; index++ {
		if err := appended(logs, index, raft.LogNoop, nil); err != nil {
			return err
		}
	}
	return logs.SetUint64([]byte("CurrentTerm"), newTerm)
}

func shrink(path string) error {
	logs, err := raftfastlog.NewFastLogStore(path, raftfastlog.High, io.Discard)
	if err != nil {
		return err
	}
	defer logs.Close()
	return logs.Shrink()
}
