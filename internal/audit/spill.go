package audit

import (
	"encoding/binary"
	"fmt"
	"os"
)

// spill puts entries of one width aside, parted by their key, so that later each part fits
// into memory: a 256th of all. Within a part they stay in their order.
type spill struct {
	file   *os.File
	size   int64
	parts  [256]part
	blocks int // bytes of one
}

type part struct {
	block []byte // not written yet
	at    []int64
}

// entry is a key, the seq where it stands, and a number that goes with it.
type entry struct {
	key    [16]byte
	seq    int64
	number int64
}

const (
	entrySize    = 16 + 8 + 8
	blockEntries = 128
)

func newSpill(dir string) (*spill, error) {
	file, err := tempFile(dir)
	if err != nil {
		return nil, err
	}
	return &spill{file: file, blocks: blockEntries * entrySize}, nil
}

func (s *spill) close() { _ = s.file.Close() } // nothing in it is wanted any more

// add puts an entry aside. Keys MUST be spread evenly in their last byte.
func (s *spill) add(e entry) error {
	p := &s.parts[e.key[15]]
	if p.block == nil {
		p.block = make([]byte, 0, s.blocks)
	}
	p.block = append(p.block, e.key[:]...)
	p.block = binary.LittleEndian.AppendUint64(p.block, uint64(e.seq))
	p.block = binary.LittleEndian.AppendUint64(p.block, uint64(e.number))
	if len(p.block) < s.blocks {
		return nil
	}
	if _, err := s.file.WriteAt(p.block, s.size); err != nil {
		return fmt.Errorf("put aside what the facts say of themselves: %w", err)
	}
	p.at = append(p.at, s.size)
	s.size += int64(s.blocks)
	p.block = p.block[:0]
	return nil
}

// each hands out all entries, part by part; begin is called before each part.
func (s *spill) each(begin func(), take func(entry)) error {
	block := make([]byte, s.blocks)
	for i := range s.parts {
		begin()
		for _, at := range s.parts[i].at {
			if _, err := s.file.ReadAt(block, at); err != nil {
				return fmt.Errorf("read again what the facts say of themselves: %w", err)
			}
			entries(block, take)
		}
		entries(s.parts[i].block, take)
	}
	return nil
}

func entries(block []byte, take func(entry)) {
	for ; len(block) >= entrySize; block = block[entrySize:] {
		take(entry{
			key:    [16]byte(block),
			seq:    int64(binary.LittleEndian.Uint64(block[16:])),
			number: int64(binary.LittleEndian.Uint64(block[24:])),
		})
	}
}
