package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Projector keeps the views of one process in step. Several processes may run the same
// views: one of them works, the others wait to take over.
type Projector struct {
	with    Config
	tuning  tuning
	order   []string
	runners map[string]*runner
}

// Config is what views are kept with.
type Config struct {
	DB      *pgxpool.Pool
	Record  Record
	Decode  Decode  // leaves personal fields sealed
	Open    Decode  // opens them; nil where no view asks for that
	Skipped Skipped // nil: nothing is ever skipped
	Skips   Skips   // nil too, then
	Log     *slog.Logger
}

// tuning holds what tests set differently.
type tuning struct {
	facts    int           // at most so many in one transaction
	takeOver time.Duration // how often one who waits for the lock asks for it
	poll     time.Duration // how often one who waits for a checkpoint reads it
	patience time.Duration // how long WaitFor waits
	firstTry time.Duration // pause before the second try; it doubles from there
	lastTry  time.Duration // longest pause between tries
	ask      time.Duration // how often a stopped view asks whether it may go on behind a fact
}

var usual = tuning{
	facts:    1000,
	takeOver: time.Second,
	poll:     25 * time.Millisecond,
	patience: 5 * time.Second,
	firstTry: 100 * time.Millisecond,
	lastTry:  10 * time.Second,
	ask:      3 * time.Second,
}

// New makes a projector. Each view that runs opens one connection of its own with the
// pool's settings, beside those of the pool. It must lead to one database session: an
// advisory lock does not survive a pooler in transaction mode.
func New(c Config, views ...View) (*Projector, error) {
	p := &Projector{with: c, tuning: usual, runners: map[string]*runner{}}
	for _, v := range views {
		if err := c.check(v); err != nil {
			return nil, err
		}
		if _, twice := p.runners[v.Name]; twice {
			return nil, fmt.Errorf("projector: there are two views %s", v.Name)
		}
		p.order = append(p.order, v.Name)
		p.runners[v.Name] = &runner{Projector: p, applier: c.applier(v), raised: make(chan struct{}), state: Starting}
	}
	return p, nil
}

// Prepare makes the tables of all views, so that they can be read before the first fact is
// applied. Run does the same for what is still missing.
func (p *Projector) Prepare(ctx context.Context) error {
	for _, name := range p.order {
		if err := p.runners[name].view.prepare(ctx, p.with.DB, name); err != nil {
			return fmt.Errorf("prepare view %s: %w", name, err)
		}
	}
	return nil
}

// Purge removes from every view what time alone removes as of a moment, and what an
// interrupted rebuild left. Run it at least daily: a view that is made anew holds all of it
// again until then.
func (p *Projector) Purge(ctx context.Context, now time.Time) error {
	var errs []error
	for _, name := range p.order {
		if err := p.runners[name].view.purge(ctx, p.with.DB, name, now); err != nil {
			errs = append(errs, fmt.Errorf("purge view %s: %w", name, err))
		}
		if err := p.sweep(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("sweep beside view %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// Run keeps all views in step until ctx ends. A view that meets a fact it cannot apply
// stops there, with an alarm; the others go on.
func (p *Projector) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, name := range p.order {
		all.Go(func() { p.runners[name].run(ctx) })
	}
	all.Wait()
}

// State is what a view is doing in this process.
type State string

// The states.
const (
	Starting  State = "starting"
	Standby   State = "standby"   // another process keeps this view; this one would take over
	Following State = "following" // at work, or waiting for the next fact
	Retrying  State = "retrying"  // the database or the record is away
	Stopped   State = "stopped"   // it met what it cannot apply; somebody must look
)

// Health is how a view is doing in this process.
type Health struct {
	View  string
	State State
	Seq   int64  // the last fact that this process knows to be applied
	At    int64  // the fact that it is stopped at and that a skip would pass over; 0 if there is none
	Cause string // why it is retrying or stopped; holds nothing of any fact
}

// Health returns how every view is doing, in the order in which they were given.
func (p *Projector) Health() []Health {
	all := make([]Health, 0, len(p.order))
	for _, name := range p.order {
		all = append(all, p.runners[name].health())
	}
	return all
}

// runner is one view in this process. What is below mu is for everybody; the rest belongs to run.
type runner struct {
	*Projector
	applier
	careful int64 // up to this seq one fact at a time, because one of several failed

	mu     sync.Mutex
	state  State
	seq    int64
	at     int64 // see Health
	cause  string
	raised chan struct{} // closed and replaced whenever state or seq change
}

func (r *runner) health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Health{View: r.view.Name, State: r.state, Seq: r.seq, At: r.at, Cause: r.cause}
}

func (r *runner) is(state State, cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.cause, r.at = state, cause, 0
	close(r.raised)
	r.raised = make(chan struct{})
}

// stopped is Stopped at a fact that a skip could pass over.
func (r *runner) stopped(seq int64, cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.cause, r.at = Stopped, cause, seq
	close(r.raised)
	r.raised = make(chan struct{})
}

func (r *runner) reached(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq = seq
	close(r.raised)
	r.raised = make(chan struct{})
}
