package public

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/bgremover/bgremover/domain/policy"
)

// Known is what was last read about the promises.
type Known struct {
	Read    time.Time
	Trouble string // why what was read cannot be relied on, in a sentence; empty if it can
	Through int64  // it rests on the public record up to this fact at least; 0 if nothing is public yet
	Of      map[policy.ID]policy.Evidence
}

// Evidence reads what is known about every promise.
type Evidence func(ctx context.Context) (Known, error)

// Seconds that what was read is shown again, and that one reading may take.
const (
	readEvery = 5 * time.Second
	readTime  = 15 * time.Second
)

// Cached reads at most once in some seconds, however many ask, and for all of them at once. When reading
// fails it gives what was read before, which grows old: then nothing is established any more.
func Cached(read Evidence, now func() time.Time, log *slog.Logger) Evidence {
	c := &cache{read: read, now: now, log: log}
	return c.get
}

type cache struct {
	read   Evidence
	now    func() time.Time
	log    *slog.Logger
	flight singleflight.Group

	mu    sync.Mutex
	last  Known
	tried time.Time // when last was asked for, also in vain
}

func (c *cache) get(ctx context.Context) (Known, error) {
	if known, fresh := c.fresh(); fresh {
		return known, nil
	}
	// Whoever goes away takes the reading from nobody else.
	read := c.flight.DoChan("", func() (any, error) {
		if _, fresh := c.fresh(); !fresh {
			c.renew(context.WithoutCancel(ctx))
		}
		return nil, nil
	})
	select {
	case <-read:
	case <-ctx.Done():
	}
	known, _ := c.fresh()
	return known, nil
}

func (c *cache) fresh() (Known, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := c.now().Sub(c.tried)
	return c.last, !c.tried.IsZero() && age >= 0 && age < readEvery
}

func (c *cache) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	known, err := c.read(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "how the promises stand cannot be read", "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = c.now()
	if err == nil {
		c.last = known
	}
}

// standings is how all promises stand at one moment.
type standings struct {
	Known
	of map[policy.ID]policy.Judgement
}

// stand judges every promise by what is known. Without anything that reads the record, nothing is.
func (p Policy) stand(ctx context.Context) standings {
	s := standings{of: map[policy.ID]policy.Judgement{}}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	if p.Evidence != nil {
		var err error
		if s.Known, err = p.Evidence(ctx); err != nil {
			s.Known = Known{}
		}
	}
	for _, promise := range p.Promises {
		e := s.Of[promise.ID]
		e.Now, e.Operator, e.Read, e.Trouble = now(), p.Operator, s.Read, s.Trouble
		s.of[promise.ID] = promise.Judge(e)
	}
	return s
}

// standing is how a promise stands, as it is shown: never by its colour alone.
type standing struct {
	Class string // for the stylesheet
	Label string
	Sign  string
}

var (
	kept           = standing{"kept", "kept", "✓"}
	atRisk         = standing{"at-risk", "at risk", "!"}
	broken         = standing{"broken", "broken", "✗"}
	notEstablished = standing{"not-established", "not established", "?"}
	notBuilt       = standing{"not-built", "not built", "–"}

	// In the policy's text it also counts why something is not established.
	inPart    = standing{"in-part", "in part", ""}
	notStated = standing{"not-stated", "not stated", ""}
)

// of returns how a promise stands. One that is not built is nothing that anybody could keep, but what
// is broken is shown as broken.
func (s standings) standing(p policy.Promise) standing {
	judged := s.of[p.ID].Standing
	switch {
	case judged == policy.Broken:
		return broken
	case p.State == policy.NotBuilt:
		return notBuilt
	case judged == policy.Kept:
		return kept
	case judged == policy.AtRisk:
		return atRisk
	}
	return notEstablished
}

// mark is the same for the policy's text, which has room for a word alone.
func (s standings) mark(p policy.Promise, o policy.Operator) standing {
	found := s.standing(p)
	switch {
	case found != notEstablished:
		return found
	case !p.Stated(o):
		return notStated
	case p.State == policy.InPart:
		return inPart
	}
	return found
}

// counts says how many promises stand how.
type counts struct {
	Total, Kept, AtRisk, Broken, NotEstablished, NotBuilt int
}

func (s standings) counts(all policy.Catalogue) counts {
	n := counts{Total: len(all)}
	for _, p := range all {
		switch s.standing(p) {
		case kept:
			n.Kept++
		case atRisk:
			n.AtRisk++
		case broken:
			n.Broken++
		case notBuilt:
			n.NotBuilt++
		default:
			n.NotEstablished++
		}
	}
	return n
}
