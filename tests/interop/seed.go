package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"
)

// seed writes a log of a named shape with the library that owns the format. What it holds depends
// on shape and seed alone: the same through every library.
func seed(version, form, shape string, number uint64, path string) error {
	logs, err := open(version, form == "new", path)
	if err != nil {
		return err
	}
	defer logs.Close()
	random := rand.New(rand.NewPCG(number, 7))
	term := uint64(1)
	if first, count := extent(shape, random); count > 0 {
		entries := make([]*raft.Log, 0, count)
		for index := first; index < first+count; index++ {
			if random.IntN(9) == 0 {
				term += 1 + random.Uint64N(3)
			}
			entries = append(entries, entryOf(shape, index, term, random))
		}
		for len(entries) > 0 {
			batch := min(len(entries), 1+random.IntN(40))
			if err := logs.StoreLogs(entries[:batch]); err != nil {
				return err
			}
			entries = entries[batch:]
		}
	}
	return state(shape, term, logs)
}

// extent is the first index and the number of entries.
func extent(shape string, random *rand.Rand) (uint64, uint64) {
	switch shape {
	case "nothing", "empty":
		return 1, 0
	case "late":
		return 1_000 + random.Uint64N(1<<40), 120
	case "sizes":
		return 1, 60
	}
	return 1, 200
}

func entryOf(shape string, index, term uint64, random *rand.Rand) *raft.Log {
	kinds := []raft.LogType{
		raft.LogCommand, raft.LogNoop, raft.LogAddPeerDeprecated, raft.LogRemovePeerDeprecated,
		raft.LogBarrier, raft.LogConfiguration, raft.LogCommand,
	}
	log := &raft.Log{Index: index, Term: term, Type: kinds[random.IntN(len(kinds))]}
	switch log.Type {
	case raft.LogConfiguration:
		server := raft.Server{ID: "n1", Address: "n1"}
		log.Data = raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{server}})
	case raft.LogAddPeerDeprecated, raft.LogRemovePeerDeprecated:
		log.Data = []byte{0x91, 0xa2, 'n', '1'}
	case raft.LogCommand:
		log.Data = data(shape, random)
	}
	if random.IntN(3) == 0 {
		log.Extensions = binary.BigEndian.AppendUint64(nil, random.Uint64())
	}
	if random.IntN(4) > 0 {
		log.AppendedAt = time.Unix(1_600_000_000+random.Int64N(1<<28), random.Int64N(1e9)).UTC()
	}
	return log
}

// data is of 0 bytes to 1 MiB, around the sizes at which an encoding changes.
func data(shape string, random *rand.Rand) []byte {
	sizes := []int{0, 1, 31, 32, 255, 256, 4_000}
	if shape == "sizes" {
		sizes = append(sizes, 65_535, 65_536, 300_000, 1<<20)
	}
	bytes := make([]byte, sizes[random.IntN(len(sizes))])
	for at := range bytes {
		bytes[at] = byte(random.Uint32())
	}
	return bytes
}

func state(shape string, term uint64, logs store) error {
	if shape == "nothing" {
		return nil
	}
	if err := logs.SetUint64([]byte("CurrentTerm"), term); err != nil {
		return err
	}
	if shape == "novote" {
		return nil
	}
	if err := logs.SetUint64([]byte("LastVoteTerm"), term); err != nil {
		return err
	}
	return logs.Set([]byte("LastVoteCand"), []byte(fmt.Sprintf("10.0.0.%d:8300", term%250)))
}
