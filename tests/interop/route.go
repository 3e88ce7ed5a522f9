package main

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// fill writes a log with raft-boltdb as a busy server does: batches of 64, one data size.
func fill(version, path string, count uint64, size int) error {
	logs, err := open(version, false, path)
	if err != nil {
		return err
	}
	defer logs.Close()
	batch := make([]*raft.Log, 0, 64)
	for index := uint64(1); index <= count; index++ {
		data := make([]byte, size)
		for at := range data {
			data[at] = byte(index*7 + uint64(at)*uint64(at))
		}
		batch = append(batch, &raft.Log{Index: index, Term: 1 + index*2/count, Data: data})
		if len(batch) == cap(batch) || index == count {
			if err := logs.StoreLogs(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return logs.SetUint64([]byte("CurrentTerm"), 3)
}

// route moves a log as its libraries let one: GetLog of each entry, StoreLogs in batches of 64, the
// three stable keys; nothing is compared.
func route(from, source, to, target string) error {
	in, err := open(from, false, source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := open(to, false, target)
	if err != nil {
		return err
	}
	first, last, err := bounds(in)
	if err != nil {
		return err
	}
	batch := make([]*raft.Log, 0, 64)
	for index := first; index != 0 && index <= last; index++ {
		log := new(raft.Log)
		if err := in.GetLog(index, log); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		batch = append(batch, log)
		if len(batch) == cap(batch) || index == last {
			if err := out.StoreLogs(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := copyStable(out, in); err != nil {
		return err
	}
	return out.Close()
}

// copyStable copies the stable keys of a node, those that are there.
func copyStable(out, in raft.StableStore) error {
	for _, key := range []string{"CurrentTerm", "LastVoteTerm"} {
		value, err := in.GetUint64([]byte(key))
		if err != nil {
			continue
		}
		if err := out.SetUint64([]byte(key), value); err != nil {
			return err
		}
	}
	value, err := in.Get([]byte("LastVoteCand"))
	if err != nil {
		return nil
	}
	return out.Set([]byte("LastVoteCand"), value)
}

// read reads every entry of a log through GetLog, as its libraries do at the start of a server.
func read(version, path string) error {
	logs, err := open(version, false, path)
	if err != nil {
		return err
	}
	defer logs.Close()
	first, last, err := bounds(logs)
	if err != nil {
		return err
	}
	for index := first; index != 0 && index <= last; index++ {
		if err := logs.GetLog(index, new(raft.Log)); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	return nil
}
