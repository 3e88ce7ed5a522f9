// Opens logs of etcd with the packages that etcd itself opens them with, writes logs from a seed,
// and says what it read, a JSON object a line. Run by tests/interop_etcd.rs.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/raft/v3/raftpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/wal"
	"go.etcd.io/etcd/server/v3/wal/walpb"
	"go.uber.org/zap"
)

func main() {
	if len(os.Args) < 3 {
		fatal(errors.New("dump|records|append|hold DIR, grow DIR COUNT, or seed SHAPE SEED DIR"))
	}
	command, rest := os.Args[1], os.Args[2:]
	var err error
	switch {
	case command == "dump":
		err = dump(rest[0])
	case command == "records":
		err = records(rest[0])
	case command == "append":
		err = appendOne(rest[0])
	case command == "hold":
		err = hold(rest[0])
	case command == "grow" && len(rest) == 2:
		var count uint64
		if count, err = strconv.ParseUint(rest[1], 10, 64); err == nil {
			err = grow(rest[0], count)
		}
	case command == "seed" && len(rest) == 3:
		var number int64
		if number, err = strconv.ParseInt(rest[1], 10, 64); err == nil {
			err = seed(rest[0], number, rest[2])
		}
	default:
		err = fmt.Errorf("no command %q", command)
	}
	if err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func say(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		fatal(err)
	}
	fmt.Println(string(line))
}

// A data directory has member/wal and member/snap; anything else is a log alone.
func places(dir string) (waldir, snapdir string) {
	member := filepath.Join(dir, "member")
	if _, err := os.Stat(filepath.Join(member, "wal")); err == nil {
		return filepath.Join(member, "wal"), filepath.Join(member, "snap")
	}
	if _, err := os.Stat(filepath.Join(dir, "wal")); err == nil {
		return filepath.Join(dir, "wal"), ""
	}
	return dir, ""
}

// Where a server would begin to read: behind the newest snapshot that a marker names.
func start(waldir, snapdir string) (walpb.Snapshot, error) {
	begin := walpb.Snapshot{}
	if _, err := os.Stat(snapdir); snapdir == "" || err != nil {
		return begin, nil
	}
	markers, err := wal.ValidSnapshotEntries(zap.NewNop(), waldir)
	if err != nil {
		return begin, err
	}
	newest, err := snap.New(zap.NewNop(), snapdir).LoadNewestAvailable(markers)
	if errors.Is(err, snap.ErrNoSnapshot) {
		return begin, nil
	}
	if err != nil {
		return begin, err
	}
	begin.Index, begin.Term = newest.Metadata.Index, newest.Metadata.Term
	return begin, nil
}

func optional(bytes []byte) *string {
	if bytes == nil {
		return nil
	}
	text := hex.EncodeToString(bytes)
	return &text
}

func tell(begin walpb.Snapshot, metadata []byte, state raftpb.HardState, entries []raftpb.Entry) {
	say(map[string]any{
		"start":    []uint64{begin.Index, begin.Term},
		"metadata": hex.EncodeToString(metadata),
		"state":    []uint64{state.Term, state.Vote, state.Commit},
	})
	for _, entry := range entries {
		say(map[string]any{
			"index": entry.Index, "term": entry.Term, "type": entry.Type, "data": optional(entry.Data),
		})
	}
}

// What a server would have of the log, without changing it.
func dump(dir string) error {
	waldir, snapdir := places(dir)
	begin, err := start(waldir, snapdir)
	if err != nil {
		return err
	}
	log, err := wal.OpenForRead(zap.NewNop(), waldir, begin)
	if err != nil {
		return err
	}
	defer log.Close()
	metadata, state, entries, err := log.ReadAll()
	// A log whose front was removed has no marker of its beginning.
	if err != nil && !(errors.Is(err, wal.ErrSnapshotNotFound) && begin.Index == 0) {
		return err
	}
	if begin.Index > 0 {
		if _, err := wal.Verify(zap.NewNop(), waldir, begin); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	tell(begin, metadata, state, entries)
	return nil
}

// Opens the log as a server does that goes on with it: its own repair first where it must; saves an
// entry and a state.
func appendOne(dir string) error {
	waldir, snapdir := places(dir)
	begin, err := start(waldir, snapdir)
	if err != nil {
		return err
	}
	repaired := false
	for {
		log, err := wal.Open(zap.NewNop(), waldir, begin)
		if err != nil {
			return err
		}
		metadata, state, entries, err := log.ReadAll()
		if errors.Is(err, io.ErrUnexpectedEOF) && !repaired {
			log.Close()
			if repaired = wal.Repair(zap.NewNop(), waldir); repaired {
				continue
			}
		}
		if err != nil {
			log.Close()
			return err
		}
		tell(begin, metadata, state, entries)
		last := begin.Index
		if len(entries) > 0 {
			last = entries[len(entries)-1].Index
		}
		if state.Term == 0 {
			state.Term = 1
		}
		next := raftpb.Entry{Index: last + 1, Term: state.Term, Data: []byte("one more")}
		state.Commit = last + 1
		if err := log.Save(state, []raftpb.Entry{next}); err != nil {
			return err
		}
		say(map[string]any{"repaired": repaired})
		return log.Close()
	}
}

// Goes on with a log as a running server does, a few entries at a time, in segments of 16 KiB.
func grow(dir string, count uint64) error {
	wal.SegmentSizeBytes = 16 << 10
	waldir, snapdir := places(dir)
	begin, err := start(waldir, snapdir)
	if err != nil {
		return err
	}
	log, err := wal.Open(zap.NewNop(), waldir, begin)
	if err != nil {
		return err
	}
	_, state, entries, err := log.ReadAll()
	if err != nil {
		return err
	}
	last := begin.Index
	if len(entries) > 0 {
		last = entries[len(entries)-1].Index
	}
	for done := uint64(0); done < count; {
		var batch []raftpb.Entry
		for size := done%5 + 1; size > 0 && done < count; size-- {
			last++
			done++
			batch = append(batch, raftpb.Entry{
				Index: last, Term: state.Term, Data: make([]byte, done*37%900),
			})
		}
		state.Commit = last
		if err := log.Save(state, batch); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	return log.Close()
}

// Has the log open as a server has, locks and all, until its input ends.
func hold(dir string) error {
	waldir, _ := places(dir)
	log, err := wal.Open(zap.NewNop(), waldir, walpb.Snapshot{})
	if err != nil {
		return err
	}
	if _, _, _, err := log.ReadAll(); err != nil {
		return err
	}
	say("holding")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return log.Close()
}
