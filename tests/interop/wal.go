package main

import (
	"context"
	"os"

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
	// Its CopyStable fails on a node that never voted.
	return copyStable(out, in)
}
