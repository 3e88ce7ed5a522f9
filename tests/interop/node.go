package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
)

// machine counts what it applied; its snapshot is that count as text.
type machine struct{ applied uint64 }

func (m *machine) Apply(*raft.Log) any { m.applied++; return nil }

func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return image(fmt.Sprint(m.applied)), nil }

func (m *machine) Restore(in io.ReadCloser) error {
	defer in.Close()
	_, err := io.Copy(io.Discard, in)
	return err
}

type image string

func (i image) Persist(sink raft.SnapshotSink) error {
	if _, err := io.WriteString(sink, string(i)); err != nil {
		sink.Cancel()
		return err
	}
	return sink.Close()
}

func (image) Release() {}

// lead starts the node n1 and waits until it leads.
func lead(logs store, snapshots raft.SnapshotStore, bootstrap bool) (*raft.Raft, *machine, error) {
	config := raft.DefaultConfig()
	config.LocalID = "n1"
	config.LogOutput = io.Discard
	config.HeartbeatTimeout, config.ElectionTimeout = 100*time.Millisecond, 100*time.Millisecond
	config.LeaderLeaseTimeout, config.CommitTimeout = 50*time.Millisecond, 5*time.Millisecond
	_, transport := raft.NewInmemTransport("n1")
	if bootstrap {
		servers := raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "n1"}}}
		if err := raft.BootstrapCluster(config, logs, logs, snapshots, transport, servers); err != nil {
			return nil, nil, err
		}
	}
	fsm := &machine{}
	node, err := raft.NewRaft(config, fsm, logs, logs, snapshots, transport)
	if err != nil {
		return nil, nil, err
	}
	select {
	case <-node.LeaderCh():
		return node, fsm, nil
	case <-time.After(10 * time.Second):
		return nil, nil, fmt.Errorf("no leader after ten seconds")
	}
}

// elect starts the single voter of the log and appends one command through it. With a directory
// the snapshots in it count.
func elect(version, path, dir string) error {
	logs, err := open(version, false, path)
	if err != nil {
		return err
	}
	defer logs.Close()
	var snapshots raft.SnapshotStore = raft.NewInmemSnapshotStore()
	if dir != "" {
		if snapshots, err = raft.NewFileSnapshotStore(dir, 2, io.Discard); err != nil {
			return err
		}
	}
	node, fsm, err := lead(logs, snapshots, false)
	if err != nil {
		return err
	}
	if err := node.Apply([]byte("one more"), 10*time.Second).Error(); err != nil {
		return err
	}
	if err := node.Barrier(10 * time.Second).Error(); err != nil {
		return err
	}
	fmt.Printf("{\"term\":%s,\"last\":%d,\"applied\":%d}\n", node.Stats()["term"], node.LastIndex(), fsm.applied)
	return node.Shutdown().Error()
}

// restored makes a node in a directory whose operator restored a snapshot of his own: the index at
// which it counts is skipped in the log.
func restored(version, dir string) error {
	logs, err := open(version, false, filepath.Join(dir, "raft.db"))
	if err != nil {
		return err
	}
	defer logs.Close()
	snapshots, err := raft.NewFileSnapshotStore(dir, 2, io.Discard)
	if err != nil {
		return err
	}
	node, _, err := lead(logs, snapshots, true)
	if err != nil {
		return err
	}
	apply := func(count int) error {
		for n := range count {
			if err := node.Apply(bytes.Repeat([]byte{byte(n)}, n), 10*time.Second).Error(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := apply(20); err != nil {
		return err
	}
	content := []byte("what was restored")
	meta := &raft.SnapshotMeta{Version: 1, Index: 5, Term: 1, Size: int64(len(content))}
	if err := node.Restore(meta, bytes.NewReader(content), 10*time.Second); err != nil {
		return err
	}
	if err := apply(9); err != nil {
		return err
	}
	return node.Shutdown().Error()
}
