package usecase

import "hash/maphash"

// seen remembers which objects a listing named, in a fixed amount of memory: a Bloom filter (Bloom,
// "Space/Time Trade-offs in Hash Coding with Allowable Errors", 1970). What it says it has not seen
// was not named. With two million names, it takes one in thirty million for another; each audit
// hashes differently, so that the next one looks at that.
type seen struct {
	seed maphash.Seed
	bits []uint64
}

const (
	seenBits   = 1 << 27 // 16 MiB
	seenHashes = 8
)

func newSeen() *seen { return &seen{seed: maphash.MakeSeed(), bits: make([]uint64, seenBits/64)} }

// add remembers a name and says whether it was seen before.
func (s *seen) add(name string) (before bool) {
	before = true
	s.each(name, func(word *uint64, bit uint64) {
		before = before && *word&bit != 0
		*word |= bit
	})
	return before
}

// has says whether a name was seen.
func (s *seen) has(name string) bool {
	all := true
	s.each(name, func(word *uint64, bit uint64) { all = all && *word&bit != 0 })
	return all
}

// each derives all positions from two halves of one hash (Kirsch and Mitzenmacher, 2006).
func (s *seen) each(name string, do func(word *uint64, bit uint64)) {
	h := maphash.String(s.seed, name)
	at, step := h>>32, h&0xffffffff|1
	for range seenHashes {
		place := at % seenBits
		do(&s.bits[place/64], 1<<(place%64))
		at += step
	}
}
