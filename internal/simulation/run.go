package simulation

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
)

// Config says what is simulated.
type Config struct {
	Candidate Rules
	Revision  int64  // the candidate's
	Digest    string // the candidate's

	// Own returns the bundle of a revision that decided, or [ErrNoBundle].
	Own func(ctx context.Context, revision int64) (Rules, error)
	// Record calls each with the facts from From to To, in order, and ends with its error.
	Record   func(ctx context.Context, from, to int64, each func(event.Envelope) error) error
	From, To int64

	Workers  int                    // 0: one for each core
	Progress func(seq, facts int64) // now and then; nil: nobody asks
}

// ErrNoBundle says that the record does not hold the bundle of a revision.
var ErrNoBundle = errors.New("simulation: the record does not hold this bundle")

// Mismatch ends a simulation: a decision does not come out as it is recorded.
type Mismatch struct {
	Seq  int64
	Rule string
	What string
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("fact %d: %s %s; nothing can be said about other rules on top of that", m.Seq, m.Rule, m.What)
}

const (
	// remembered is how many different questions are kept with their verdicts, so that the
	// same question is asked once.
	remembered = 8192
	// ahead is how many decisions are read before they are counted.
	ahead = 1024
	// tellEvery is after how many facts progress is told.
	tellEvery = 1000
)

// job is a question that is being asked. done is closed once verdict and err are set.
type job struct {
	own     Rules
	rule    string
	input   json.RawMessage
	done    chan struct{}
	verdict verdict
	err     error
}

// ask asks both bundles. Rules that nobody has put in force may make the engine panic: that ends the
// simulation, and not the service.
func (j *job) ask(ctx context.Context, candidate Rules) {
	defer close(j.done)
	defer func() {
		if cause := recover(); cause != nil {
			j.err = fmt.Errorf("asking %s made the policy engine panic (%T)", j.rule, cause) // no values: they may be of a question
		}
	}()
	j.verdict, j.err = judge(ctx, j.own, candidate, j.rule, j.input)
}

// item is what is counted, in the order of the record.
type item struct {
	asked    asked
	job      *job // nil: not asked
	excluded excluded
	facts    int64 // how many facts were read with this one's; 0: this is a decision
}

// Run simulates. Its memory does not grow with the record. The error is a [Mismatch] if a
// decision does not come out as it is recorded.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancel(ctx)
	jobs, items := make(chan *job, ahead), make(chan item, ahead)
	var hands sync.WaitGroup
	for range c.Workers {
		hands.Go(func() {
			for j := range jobs {
				j.ask(ctx, c.Candidate)
			}
		})
	}
	var readErr error
	hands.Go(func() {
		defer close(items)
		defer close(jobs)
		r := reader{Config: c, jobs: jobs, items: items, known: map[string]*list.Element{}, bundles: map[int64]Rules{}}
		readErr = r.read(ctx)
	})
	t := newTally(c)
	err := t.take(items, c.Progress)
	stop() // whoever still reads or asks need not
	for range items {
		continue // whoever reads must find room to end
	}
	hands.Wait()
	if err == nil {
		err = readErr
	}
	if err != nil {
		return Report{}, err
	}
	return t.finish(), nil
}

// take counts what was asked, in the order of the record.
func (t *tally) take(items <-chan item, progress func(seq, facts int64)) error {
	for i := range items {
		switch {
		case i.facts > 0:
			t.report.Facts = i.facts
			if progress != nil {
				progress(i.asked.seq, i.facts)
			}
		case i.excluded.rule != "":
			t.leaveOut(i.excluded)
		case i.asked.erased():
			t.erased(i.asked)
		case i.job == nil:
			t.withoutBundle(i.asked)
		default:
			<-i.job.done
			if i.job.err != nil {
				return fmt.Errorf("fact %d: %w", i.asked.seq, i.job.err)
			}
			if err := compare(i.asked, &i.job.verdict); err != nil {
				return err
			}
			t.judged(i.asked, &i.job.verdict)
		}
	}
	return nil
}

// compare holds what a decision's own revision says today against the record.
func compare(a asked, v *verdict) error {
	if !a.isMadeAgain(v.own) {
		return &Mismatch{Seq: a.seq, Rule: a.decision.Rule, What: fmt.Sprintf(
			"of revision %d answers %s, and the record says %s, or it names other promises or another input", a.decision.Revision, v.own.Outcome, a.decision.Outcome)}
	}
	if !a.due.IsZero() && !v.ownDue.IsZero() && !a.due.Equal(v.ownDue) {
		return &Mismatch{Seq: a.seq, Rule: a.decision.Rule, What: fmt.Sprintf(
			"of revision %d names %s, and the fact %s", a.decision.Revision, v.ownDue.Format(time.RFC3339Nano), a.due.Format(time.RFC3339Nano))}
	}
	return nil
}

// reader takes decisions out of the record and hands out each question once.
type reader struct {
	Config
	jobs    chan<- *job
	items   chan<- item
	known   map[string]*list.Element // of recent, by question
	recent  list.List                // of *remembrance, the last used first
	bundles map[int64]Rules          // nil: there is none
}

type remembrance struct {
	question string
	job      *job
}

func (r *reader) read(ctx context.Context) error {
	var facts, seq int64
	tell := func() error { return put(ctx, r.items, item{facts: facts, asked: asked{seq: seq}}) }
	err := r.Record(ctx, r.From, r.To, func(env event.Envelope) error {
		facts, seq = facts+1, env.Seq
		all, left := decisionsIn(env)
		for _, e := range left {
			if err := put(ctx, r.items, item{excluded: e}); err != nil {
				return err
			}
		}
		for _, a := range all {
			j, err := r.ask(ctx, a)
			if err == nil {
				err = put(ctx, r.items, item{asked: a, job: j})
			}
			if err != nil {
				return err
			}
		}
		if facts%tellEvery == 0 {
			return tell()
		}
		return nil
	})
	if err != nil || facts == 0 {
		return err
	}
	return tell()
}

// put hands on, as long as somebody takes.
func put[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask returns the job of a question, which may be an earlier one's; nil if it cannot be asked.
func (r *reader) ask(ctx context.Context, a asked) (*job, error) {
	if a.erased() {
		return nil, nil
	}
	if a.question == nil {
		return nil, fmt.Errorf("the question of fact %d was not opened", a.seq)
	}
	own, err := r.bundle(ctx, a.decision.Revision)
	if err != nil || own == nil {
		return nil, err
	}
	question := a.decision.Rule + "\x00" + strconv.FormatInt(a.decision.Revision, 10) + "\x00" + string(a.question)
	if known := r.known[question]; known != nil {
		r.recent.MoveToFront(known)
		return known.Value.(*remembrance).job, nil
	}
	j := &job{own: own, rule: a.decision.Rule, input: a.question, done: make(chan struct{})}
	r.known[question] = r.recent.PushFront(&remembrance{question, j})
	if r.recent.Len() > remembered {
		last := r.recent.Remove(r.recent.Back()).(*remembrance)
		delete(r.known, last.question)
	}
	return j, put(ctx, r.jobs, j)
}

func (r *reader) bundle(ctx context.Context, revision int64) (Rules, error) {
	if own, known := r.bundles[revision]; known {
		return own, nil
	}
	own, err := r.Own(ctx, revision)
	switch {
	case errors.Is(err, ErrNoBundle):
		own = nil
	case err != nil:
		return nil, fmt.Errorf("open the bundle of revision %d: %w", revision, err)
	}
	r.bundles[revision] = own
	return own, nil
}
