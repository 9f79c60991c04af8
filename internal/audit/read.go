package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

const (
	pagesAhead = 4 // each is one answer of Kafka, a few megabytes
	fetchWait  = 250 * time.Millisecond
	retryPause = 200 * time.Millisecond
	tries      = 20
)

// partition reads a topic from its beginning up to where it ended when that was first asked.
type partition struct {
	src   ledger.Source
	at    int64
	end   int64 // -1 before the first answer
	start int64
}

func newPartition(src ledger.Source) *partition { return &partition{src: src, end: -1} }

// errCut says that a topic does not begin at its beginning; errLost, that it became shorter
// while it was read.
var (
	errCut  = errors.New("the beginning of the topic was removed")
	errLost = errors.New("the topic became shorter while it was read")
)

// next returns the next answer that brought anything; ok is false at the end. Passing
// troubles are tried again.
func (p *partition) next(ctx context.Context) (f ledger.Fetched, ok bool, err error) {
	idle := 0
	for failed := 0; p.end < 0 || p.at < p.end; {
		f, err = p.src.Fetch(ctx, p.at, fetchWait)
		if ctx.Err() != nil {
			return f, false, context.Cause(ctx)
		}
		if err != nil {
			if failed++; failed == tries {
				return f, false, err
			}
			if err := pause(ctx, retryPause); err != nil {
				return f, false, err
			}
			continue
		}
		p.start = f.Start
		switch {
		case f.Start > p.at:
			return f, false, errCut
		case f.End < p.at:
			return f, false, errLost
		}
		if p.end < 0 {
			p.end = f.End
		}
		moved := f.Next > p.at
		p.at = f.Next
		if len(f.Entries) > 0 {
			return f, true, nil
		}
		if idle++; !moved && idle == tries {
			return f, false, fmt.Errorf("the topic ends at offset %d and hands out nothing from offset %d on", f.End, p.at)
		}
	}
	return f, false, nil
}

// reopen lets the partition go on to where it ends now.
func (p *partition) reopen() { p.end = -1 }

// digest is what is kept of one entry: its bytes are not.
type digest struct {
	seq, offset int64
	leaf        merkle.Hash
	fact        fact
	bad         string // what is wrong with the envelope
}

// page is one answer of Kafka on its way.
type page struct {
	entries []ledger.Entry
	digests []digest
	end     int64 // of the topic
	done    chan struct{}
}

func (p *page) digest(h hasher) {
	p.digests = make([]digest, len(p.entries))
	for i, e := range p.entries {
		d := &p.digests[i]
		d.seq, d.offset, d.leaf = e.Seq, e.Offset, merkle.Leaf(e.Body)
		d.fact, d.bad = readEnvelope(e.Body, h)
	}
	p.entries = nil
	close(p.done)
}

// stream reads a partition to its end. Pages are fetched and digested ahead, by a few
// goroutines, and taken in order by this one.
func stream(ctx context.Context, from *partition, workers int, pace *pace, h hasher, take func(*page) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	ordered, work := make(chan *page, pagesAhead), make(chan *page, pagesAhead)
	var failed error
	running.Go(func() {
		defer close(ordered)
		defer close(work)
		for {
			f, ok, err := from.next(ctx)
			if err != nil || !ok {
				failed = err
				return
			}
			p := &page{entries: f.Entries, end: f.End, done: make(chan struct{})}
			for _, to := range []chan *page{work, ordered} {
				select {
				case to <- p:
				case <-ctx.Done():
					failed = context.Cause(ctx)
					return
				}
			}
			if failed = pace.wait(ctx, len(f.Entries)); failed != nil {
				return
			}
		}
	})
	for range workers {
		running.Go(func() {
			for p := range work {
				p.digest(h)
			}
		})
	}
	for p := range ordered {
		<-p.done
		if err := take(p); err != nil {
			return err
		}
	}
	return failed
}

// pace keeps a reading at so many facts a second; nil does not.
type pace struct {
	rate  int
	begun time.Time
	read  int
}

func newPace(rate int) *pace {
	if rate <= 0 {
		return nil
	}
	return &pace{rate: rate, begun: time.Now()}
}

func (p *pace) wait(ctx context.Context, facts int) error {
	if p == nil {
		return nil
	}
	p.read += facts
	due := p.begun.Add(time.Duration(float64(p.read) / float64(p.rate) * float64(time.Second)))
	return pause(ctx, time.Until(due))
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
