package main

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sort"

	"go.etcd.io/etcd/raft/v3/raftpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/wal"
	"go.etcd.io/etcd/server/v3/wal/walpb"
	"go.uber.org/zap"
)

// What a seeded log has of.
type shape struct{ overwrites, snapshots, installs, purges, torn bool }

var shapes = map[string]shape{
	"segments":  {},
	"overwrite": {overwrites: true},
	"snapshots": {snapshots: true, overwrites: true},
	"installed": {installs: true, snapshots: true},
	"purged":    {snapshots: true, purges: true},
	"torn":      {torn: true},
	"mixed":     {overwrites: true, snapshots: true, installs: true, purges: true, torn: true},
}

// A member that is being made.
type member struct {
	shape
	random        *rand.Rand
	waldir        string
	log           *wal.WAL
	snaps         *snap.Snapshotter
	state         raftpb.HardState
	last          uint64
	lastTerm      uint64
	lastSnapshot  uint64
	termOfApplied map[uint64]uint64
}

// Writes a member's data directory: segments of 16 KiB, through the calls that a server makes, in
// the order in which it makes them.
func seed(name string, number int64, dir string) error {
	kind, known := shapes[name]
	if !known {
		return fmt.Errorf("no shape %q", name)
	}
	wal.SegmentSizeBytes = 16 << 10
	waldir, snapdir := filepath.Join(dir, "member", "wal"), filepath.Join(dir, "member", "snap")
	if err := os.MkdirAll(snapdir, 0o700); err != nil {
		return err
	}
	// Node 17 of cluster 34.
	log, err := wal.Create(zap.NewNop(), waldir, []byte{8, 17, 16, 34})
	if err != nil {
		return err
	}
	m := &member{
		shape: kind, random: rand.New(rand.NewSource(number)), waldir: waldir, log: log,
		snaps: snap.New(zap.NewNop(), snapdir), state: raftpb.HardState{Term: 1, Vote: 17},
		termOfApplied: map[uint64]uint64{},
	}
	for step := 0; step < 120; step++ {
		if err := m.step(); err != nil {
			return err
		}
	}
	if err := log.Close(); err != nil {
		return err
	}
	if m.torn {
		return m.tear()
	}
	return nil
}

func (m *member) step() error {
	switch pick := m.random.Intn(20); {
	case pick == 0 && m.overwrites && m.last > m.state.Commit:
		// A new leader replaces what was not committed.
		m.state.Term++
		m.last = m.state.Commit + uint64(m.random.Intn(int(m.last-m.state.Commit)))
		m.lastTerm = m.termOfApplied[m.last]
	case pick == 1:
		m.state.Term += uint64(1 + m.random.Intn(3))
		m.state.Vote = uint64(m.random.Intn(3))
	case pick == 2 && m.snapshots && m.state.Commit > m.lastSnapshot+10:
		return m.snapshot(m.state.Commit-uint64(m.random.Intn(5)), false)
	case pick == 3 && m.installs && m.random.Intn(3) == 0:
		return m.snapshot(m.last+uint64(20+m.random.Intn(200)), true)
	}
	var entries []raftpb.Entry
	for range m.random.Intn(6) {
		m.last++
		m.lastTerm = m.state.Term
		m.termOfApplied[m.last] = m.lastTerm
		kind, data := m.proposal()
		entries = append(entries, raftpb.Entry{
			Index: m.last, Term: m.lastTerm, Type: kind, Data: data,
		})
	}
	if gap := int(m.last - m.state.Commit); gap > 0 {
		m.state.Commit += uint64(m.random.Intn(gap + 1))
	}
	return m.log.Save(m.state, entries)
}

func (m *member) proposal() (raftpb.EntryType, []byte) {
	change := raftpb.ConfChange{
		Type: raftpb.ConfChangeAddLearnerNode, NodeID: m.random.Uint64(), Context: []byte("{}"),
	}
	switch m.random.Intn(20) {
	case 0:
		return raftpb.EntryConfChange, must(change.Marshal())
	case 1:
		second := change.AsV2()
		return raftpb.EntryConfChangeV2, must(second.Marshal())
	}
	return raftpb.EntryNormal, m.data()
}

func must(bytes []byte, err error) []byte {
	if err != nil {
		fatal(err)
	}
	return bytes
}

func (m *member) data() []byte {
	switch m.random.Intn(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return make([]byte, m.random.Intn(2000))
	}
	data := make([]byte, 1+m.random.Intn(400))
	m.random.Read(data)
	return data
}

// Takes a snapshot, or one from a leader: the file first, then the marker.
func (m *member) snapshot(index uint64, installed bool) error {
	term := m.termOfApplied[index]
	if installed {
		term = m.state.Term
	}
	conf := raftpb.ConfState{Voters: []uint64{17, 18}, Learners: []uint64{19}}
	snapshot := raftpb.Snapshot{
		Data:     []byte(`{"Root":{}}`),
		Metadata: raftpb.SnapshotMetadata{Index: index, Term: term, ConfState: conf},
	}
	if err := m.snaps.SaveSnap(snapshot); err != nil {
		return err
	}
	if err := m.log.SaveSnapshot(walpb.Snapshot{Index: index, Term: term, ConfState: &conf}); err != nil {
		return err
	}
	m.lastSnapshot = index
	m.termOfApplied[index] = term
	if installed {
		m.last, m.lastTerm, m.state.Commit = index, term, index
		if err := m.log.Save(m.state, nil); err != nil {
			return err
		}
	}
	if !m.purges {
		return nil
	}
	// Segments that lie whole below the snapshot are not needed any more.
	if err := m.log.ReleaseLockTo(index); err != nil {
		return err
	}
	names, err := m.names()
	if err != nil {
		return err
	}
	for at := 0; at+1 < len(names); at++ {
		var sequence, first uint64
		next := filepath.Base(names[at+1])
		if _, err := fmt.Sscanf(next, "%016x-%016x.wal", &sequence, &first); err != nil {
			return err
		}
		if first > index {
			break
		}
		if err := os.Remove(names[at]); err != nil {
			return err
		}
	}
	return nil
}

func (m *member) names() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(m.waldir, "*.wal"))
	sort.Strings(names)
	return names, err
}

// Leaves the newest segment as a crash would that came while an entry was written: a part of it is
// there, and zeros.
func (m *member) tear() error {
	names, err := m.names()
	if err != nil {
		return err
	}
	name := names[len(names)-1]
	log, err := wal.Open(zap.NewNop(), m.waldir, walpb.Snapshot{Index: m.lastSnapshot, Term: m.termOfApplied[m.lastSnapshot]})
	if err != nil {
		return err
	}
	if _, _, _, err := log.ReadAll(); err != nil {
		return err
	}
	before, err := used(name)
	if err != nil {
		return err
	}
	data := make([]byte, 6000)
	m.random.Read(data)
	entry := raftpb.Entry{Index: m.last + 1, Term: m.state.Term, Data: data}
	if err := log.Save(m.state, []raftpb.Entry{entry}); err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	// From the second whole sector behind its beginning on, nothing reached the disk.
	cut := (before/512 + 2) * 512
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := file.Truncate(cut); err != nil {
		return err
	}
	if m.random.Intn(2) == 0 {
		return file.Truncate(info.Size())
	}
	return nil
}

// Bytes of a file up to the last that is not zero.
func used(name string) (int64, error) {
	bytes, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for len(bytes) > 0 && bytes[len(bytes)-1] == 0 {
		bytes = bytes[:len(bytes)-1]
	}
	return int64(len(bytes)), nil
}
