package main

import (
	"context"
	"os"
	"strconv"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/migrate"
)

// openWAL opens a directory of raft-wal, and makes it where there is none; 0 bytes are its usual
// segments.
func openWAL(path string, segmentBytes int) (store, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	if segmentBytes == 0 {
		return raftwal.Open(path)
	}
	return raftwal.Open(path, raftwal.WithSegmentSize(segmentBytes))
}

// cut replaces the end of a log of raft-wal as a follower does whose leader disagrees.
func cut(path, number string) error {
	count, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return err
	}
	logs, err := openWAL(path, 64<<10)
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
		if err := logs.StoreLog(&raft.Log{Index: index, Term: 1 << 20, Type: raft.LogNoop}); err != nil {
			return err
		}
	}
	return logs.SetUint64([]byte("CurrentTerm"), 1<<20)
}

// migrated moves a log of raft-boltdb 2 as raft-wal's own helpers do, with the batches that Nomad
// asks for; nothing is compared.
func migrated(source, target string) error {
	in, err := open("v2", false, source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openWAL(target, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := migrate.CopyLogs(context.Background(), out, in, 64<<20, nil); err != nil {
		return err
	}
	for _, key := range []string{"CurrentTerm", "LastVoteTerm"} {
		value, err := in.GetUint64([]byte(key))
		if err != nil {
			// Its CopyStable fails on a node that never voted.
			continue
		}
		if err := out.SetUint64([]byte(key), value); err != nil {
			return err
		}
	}
	return nil
}
