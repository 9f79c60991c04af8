// Package clock is the service's own clock: the machine's, moved forward by an offset.
//
// The offset exists so that deadlines can be tried for real. It is kept in a file of the data
// folder and never becomes smaller, because facts already recorded must not lie in the future.
//
// It is for the times that facts and policies speak about, and for nothing else: leases,
// TLS and Kafka use the machine's clock.
package clock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Clock tells the service's time. It is safe for concurrent use.
type Clock struct {
	offset  time.Duration
	machine func() time.Time
	last    atomic.Int64 // nanoseconds since 1970: what Now returned last
}

// ErrBackwards says that an offset was asked for that is smaller than the recorded one.
var ErrBackwards = errors.New("the clock offset can only grow, because the record must not run backwards in time")

// Open returns the clock with the given offset and records it at path. Without an offset
// (nil) the clock keeps the recorded one, which is zero where there is none.
func Open(path string, offset *time.Duration) (*Clock, error) {
	recorded, err := read(path)
	if err != nil {
		return nil, err
	}
	use := recorded
	if offset != nil {
		use = *offset
	}
	switch {
	case use < 0:
		return nil, fmt.Errorf("clock offset %s: %w", use, ErrBackwards)
	case use < recorded:
		return nil, fmt.Errorf("clock offset %s is less than the %s of an earlier start: %w; give at least that, none, or another data folder",
			use, recorded, ErrBackwards)
	case use > recorded:
		if err := write(path, use); err != nil {
			return nil, fmt.Errorf("record the clock offset: %w", err)
		}
	}
	return &Clock{offset: use, machine: time.Now}, nil
}

// Offset is how far the clock is ahead of the machine's.
func (c *Clock) Offset() time.Duration { return c.offset }

// Now returns the time, in UTC. It never returns less than before: when the machine's clock
// is set back, it stands until that has caught up.
func (c *Clock) Now() time.Time {
	// The wall clock, not a monotonic reading: that would stand still while a machine sleeps,
	// and deadlines must not.
	now := c.machine().Add(c.offset).UnixNano()
	for {
		last := c.last.Load()
		if now <= last {
			return time.Unix(0, last).UTC()
		}
		if c.last.CompareAndSwap(last, now) {
			return time.Unix(0, now).UTC()
		}
	}
}

func read(path string) (time.Duration, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the recorded clock offset: %w", err)
	}
	recorded, err := time.ParseDuration(strings.TrimSpace(string(content)))
	if err != nil || recorded < 0 {
		return 0, fmt.Errorf("read the recorded clock offset: %s holds no duration such as 26h0m0s", path)
	}
	return recorded, nil
}

// write replaces the file whole: half an offset would be a smaller one.
func write(path string, offset time.Duration) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(offset.String() + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
