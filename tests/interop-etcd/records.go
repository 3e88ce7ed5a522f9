package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sort"

	"go.etcd.io/etcd/pkg/v3/crc"
	"go.etcd.io/etcd/raft/v3/raftpb"
	"go.etcd.io/etcd/server/v3/wal/walpb"

	"hash/crc32"
)

const (
	entryType    = 2
	crcType      = 4
	snapshotType = 5
)

// Every record as it lies in the files, with etcd's own messages and its rolling checksum. Ends
// where the first record is not whole.
func records(dir string) error {
	waldir, _ := places(dir)
	names, err := filepath.Glob(filepath.Join(waldir, "*.wal"))
	if err != nil {
		return err
	}
	sort.Strings(names)
	table := crc32.MakeTable(crc32.Castagnoli)
	running := crc.New(0, table)
	for _, name := range names {
		bytes, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for at := uint64(0); at+8 <= uint64(len(bytes)); {
			word := binary.LittleEndian.Uint64(bytes[at:])
			size, padding := word&(1<<56-1), uint64(0)
			if word>>63 == 1 {
				padding = word >> 56 & 7
			}
			if size == 0 || at+8+size > uint64(len(bytes)) {
				break
			}
			var record walpb.Record
			if record.Unmarshal(bytes[at+8:at+8+size]) != nil {
				break
			}
			if record.Type == crcType {
				running = crc.New(record.Crc, table)
			} else {
				running.Write(record.Data)
				if running.Sum32() != record.Crc {
					break
				}
			}
			index, err := indexOf(&record)
			if err != nil {
				return err
			}
			say(map[string]any{
				"file": filepath.Base(name), "at": at, "len": 8 + size + padding,
				"type": record.Type, "index": index,
			})
			at += 8 + size + padding
		}
	}
	return nil
}

func indexOf(record *walpb.Record) (*uint64, error) {
	switch record.Type {
	case entryType:
		var entry raftpb.Entry
		err := entry.Unmarshal(record.Data)
		return &entry.Index, err
	case snapshotType:
		var marker walpb.Snapshot
		err := marker.Unmarshal(record.Data)
		return &marker.Index, err
	}
	return nil, nil
}
