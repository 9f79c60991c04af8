package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/schedule"
)

const (
	askEvery   = 5 * time.Second  // how soon newer rules are asked about what waits
	tickEvery  = time.Minute      // how often the engine looks at what is due
	judgeEvery = 30 * time.Second // and every process at whether photos are taken
	// tablesEvery is how often tables are purged: often enough that nothing is late by an alarm's time, and
	// seldom enough that the record is not full of it.
	tablesEvery = 10 * time.Minute
)

// retention is the engine that deletes what time alone ends, and what it knows from one look to the next.
type retention struct {
	s       *service
	purge   usecase.PurgeDue
	shorten usecase.ShortenDue
	watch   usecase.WatchRetention
	confirm usecase.ConfirmClock
	holdup  usecase.Holdup

	latest  atomic.Int64  // the latest time in the record, in nanoseconds since 1970
	deleted chan struct{} // closed once due pictures were deleted for the first time

	looking sync.Mutex // holds what follows
	clock   usecase.ClockWatch
	jumped  *usecase.Jump // that is not recorded yet
	unsure  bool

	// Of the process that holds the janitor's lock.
	asked    int64 // revision whose rules were asked about all that waits
	tables   time.Duration
	finished bool
}

func (s *service) newRetention() *retention {
	r := &retention{s: s, deleted: make(chan struct{})}
	r.purge = usecase.PurgeDue{Record: s.ledger, Rules: s.policy, Executors: s.executors(), Purges: postgres.NewPurges(s.ground.pool), Holds: r, Earlier: r, Now: r.now, NewNote: newRequest}
	r.shorten = usecase.ShortenDue{Record: s.ledger, Rules: s.policy, Decided: r, Now: r.now}
	r.watch = usecase.WatchRetention{Record: s.ledger, Late: r.late, Now: r.now}
	r.confirm = usecase.ConfirmClock{Record: s.ledger, Times: r, Now: r.now}
	return r
}

// now is the service's time, and never less than the latest in the record.
func (r *retention) now() time.Time {
	now := r.s.milliseconds()
	if latest := time.Unix(0, r.latest.Load()).UTC(); latest.After(now) {
		return latest
	}
	return now
}

// Held implements usecase.LiveHolds.
func (r *retention) Held(ctx context.Context) (map[string][]string, error) {
	holds, err := schedule.Holds(ctx, r.s.ground.pool)
	held := map[string][]string{}
	for _, h := range holds {
		if h.InForce() {
			held[h.Kind] = append(held[h.Kind], h.Fields...)
		}
	}
	return held, err
}

// Earlier implements usecase.EarlierPeriods.
func (r *retention) Earlier(ctx context.Context, kind string) (all []usecase.EarlierPeriod, err error) {
	reigns, err := schedule.Earlier(ctx, r.s.ground.pool, kind)
	for _, e := range reigns {
		all = append(all, usecase.EarlierPeriod(e))
	}
	return all, err
}

// holdsKind says whether a live hold keeps things of a kind, where the rules let it.
func (r *retention) holdsKind(ctx context.Context, kind string) (bool, error) {
	held, err := r.Held(ctx)
	if err != nil || len(held[kind]) == 0 {
		return false, err
	}
	may, _, err := r.s.policy.Hold(ctx, kind)
	return may, err
}

// heldKeys returns the kinds of keys whose end a hold stops, where the rules let it. A view that is made anew, or is
// behind, does not know yet what is held.
func (r *retention) heldKeys(ctx context.Context) (keys []string, err error) {
	if err := r.caughtUp(ctx); err != nil {
		return nil, err
	}
	held, err := r.Held(ctx)
	if err != nil {
		return nil, err
	}
	for kind := range held {
		key, ok := schedule.KeyOf(kind)
		if !ok {
			continue
		}
		may, _, err := r.s.policy.Hold(ctx, kind)
		if err != nil {
			return nil, err
		}
		if may {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// dueKeys lists the keys that are due as the vault has them, or by the rules in force.
func (r *retention) dueKeys() usecase.DueKeys {
	kinds := map[string]string{}
	for _, kind := range schedule.ByKey() {
		kinds[kind], _ = schedule.KeyOf(kind)
	}
	return usecase.KeysByRules{
		Vault: r.s.vault, Rules: r.s.policy, Kinds: kinds,
		Began: func(ctx context.Context, kind string, upTo time.Time, limit int) (found []usecase.WaitingKey, err error) {
			if err := r.caughtUp(ctx); err != nil { // else it lists what has just ended
				return nil, err
			}
			began, err := schedule.Began(ctx, r.s.ground.pool, kind, upTo, limit)
			for _, w := range began {
				found = append(found, usecase.WaitingKey{Key: personal.KeyID(w.Subject), Started: w.Started})
			}
			return found, err
		},
	}
}

// Decided implements usecase.Decided.
func (r *retention) Decided(ctx context.Context, before int64, after id.Image, limit int) (found []usecase.WaitingPicture, err error) {
	from := ""
	if after != "" {
		from = string(image.Stream(after))
	}
	waiting, err := schedule.Decided(ctx, r.s.ground.pool, schedule.Picture, before, from, limit)
	for _, w := range waiting {
		if img, ok := image.OfStream(event.Stream(w.Subject)); ok {
			found = append(found, usecase.WaitingPicture{Image: img, Started: w.Started, Due: w.Due})
		}
	}
	return found, err
}

func (r *retention) late(ctx context.Context) (map[string]bool, error) {
	stalls, err := schedule.Stalls(ctx, r.s.ground.pool)
	late := map[string]bool{}
	for _, stall := range stalls {
		late[stall.Kind] = true
	}
	return late, err
}

// Times implements usecase.Times.
func (r *retention) Times(ctx context.Context) (latest time.Time, unconfirmed usecase.Jump, pending bool, err error) {
	if err := r.caughtUp(ctx); err != nil {
		return time.Time{}, usecase.Jump{}, false, err
	}
	t, err := schedule.Times(ctx, r.s.ground.pool)
	if !t.Latest.IsZero() {
		r.latest.Store(t.Latest.UnixNano())
	}
	return t.Latest, usecase.Jump{From: t.JumpFrom, To: t.JumpTo}, !t.JumpTo.IsZero(), err
}

// caughtUp waits for the schedule, though not for ever.
func (r *retention) caughtUp(ctx context.Context) error {
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.s.caughtUp(schedule.Name)(ctx)
}

// deletePictures deletes the pictures that are due, and measures how fast that goes.
func (r *retention) deletePictures(ctx context.Context) error {
	began := time.Now()
	n, err := r.s.uses.deleteDue.Do(ctx)
	r.holdup.Deleted(r.now(), n, time.Since(began))
	if !r.finished {
		r.finished = true
		close(r.deleted)
	}
	return err
}

// askAgain asks rules that came into force about what waits, once. The schedule is waited for: a picture that it
// does not list yet was decided by them, or is listed by the time that they are asked.
func (r *retention) askAgain(ctx context.Context) error {
	revision := r.s.policy.Revision()
	if revision == r.asked {
		return nil
	}
	if err := r.caughtUp(ctx); err != nil {
		return err
	}
	earlier, err := r.shorten.Do(ctx)
	if earlier > 0 {
		r.s.log.InfoContext(ctx, "pictures that wait are due earlier, by newer rules", "n", earlier, "revision", revision)
	}
	if err == nil {
		r.asked = revision
	}
	return err
}

// tick looks at the clock, purges the tables when it is time, and records what is late. It comes after the first deletion of pictures: a service that was off for days
// is not late because it has just come back.
func (r *retention) tick(ctx context.Context) error {
	select {
	case <-r.deleted:
	case <-ctx.Done():
		return nil
	}
	sure, err := r.lookAtClock(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if elapsed := sinceBoot(); sure && (r.tables == 0 || elapsed-r.tables >= tablesEvery) {
		r.tables = elapsed
		errs = append(errs, r.purge.Do(ctx), r.caughtUp(ctx))
	} else {
		errs = append(errs, r.purge.Settle(ctx))
	}
	standings, _, err := r.standings(ctx)
	errs = append(errs, err)
	turns, err := r.watch.Do(ctx, standings)
	for _, t := range turns {
		if t.Late {
			r.s.log.ErrorContext(ctx, "ALARM: deletions are late", "kind", t.Kind, "by", t.By.Round(time.Second), "there", t.Count)
			continue
		}
		r.s.log.InfoContext(ctx, "deletions are no longer late", "kind", t.Kind)
	}
	return errors.Join(append(errs, err)...)
}

// lookAtClock finds out whether the clock of this process can be believed. Whoever is about to end something because
// of its time looks first: the chores come in any order, and each process has a clock of its own.
func (r *retention) lookAtClock(ctx context.Context) (sure bool, err error) {
	r.looking.Lock()
	defer r.looking.Unlock()
	latest, noticed, pending, err := r.Times(ctx)
	if err != nil {
		return false, err
	}
	if jump, jumped := r.clock.Look(r.s.milliseconds(), sinceBoot(), latest); jumped {
		r.jumped = &jump
	}
	if jump := r.jumped; jump != nil { // also one that could not be recorded before
		if !pending || !jump.Like(noticed) { // or another process beside this one has noticed it
			if err := usecase.NoteJump(ctx, r.s.ledger, r.now(), *jump); err != nil {
				return false, err
			}
		}
		r.jumped, pending = nil, true
		r.s.log.ErrorContext(ctx, "ALARM: the clock has jumped; until somebody looks at it and runs bgremover retention confirm-clock, nothing but pictures is deleted because of its time",
			"expected", jump.From, "says", jump.To)
	} else if pending && !r.unsure {
		r.s.log.ErrorContext(ctx, "ALARM: the clock had jumped and nobody has confirmed it: bgremover retention confirm-clock")
	}
	if !pending && r.unsure {
		r.s.log.InfoContext(ctx, "the clock is confirmed")
	}
	r.unsure = pending
	return !pending, nil
}

// standings says how it stands with everything that is deleted by its time here, and how many
// pictures are overdue.
func (r *retention) standings(ctx context.Context) (all []usecase.Standing, overdue int64, err error) {
	_, _, pending, err := r.Times(ctx)
	if err != nil {
		return nil, 0, err
	}
	all, err = r.purge.Standings(ctx, !pending)
	pictures, err2 := schedule.DueOf(ctx, r.s.ground.pool, schedule.Picture, r.now())
	all = append(all, usecase.Standing{Kind: schedule.Picture, Count: pictures.Overdue, Due: pictures.Next})
	errs := []error{err, err2}
	held, err := r.Held(ctx)
	errs = append(errs, err)
	for _, kind := range schedule.ByKey() {
		key, err := r.keyStands(ctx, kind, held)
		errs = append(errs, err)
		if pending && key.LateBy(r.now()) > 0 {
			key.KeptBy = append(key.KeptBy, usecase.UnsureClock)
		}
		all = append(all, key)
	}
	return all, pictures.Overdue, errors.Join(errs...)
}

// keyStands says how it stands with a kind whose things end with their keys.
func (r *retention) keyStands(ctx context.Context, kind string, held map[string][]string) (usecase.Standing, error) {
	began, n, err := schedule.Oldest(ctx, r.s.ground.pool, kind)
	if err != nil || n == 0 {
		return usecase.Standing{Kind: kind}, err
	}
	due, _, err := r.s.policy.Limit(ctx, kind, began, time.Time{})
	if err != nil {
		return usecase.Standing{Kind: kind}, err
	}
	stands := usecase.Standing{Kind: kind, Count: n, Oldest: began, Due: due}
	if now := r.now(); !due.After(now) {
		_, stands.KeptBy, _, err = r.s.policy.Deletion(ctx, usecase.Question{
			Kind: kind, Field: usecase.Whole, Started: began, Due: due, Now: now, Held: len(held[kind]) > 0,
		})
	}
	return stands, err
}

// judge decides whether photos are taken in this process.
func (r *retention) judge(ctx context.Context) error {
	standings, overdue, err := r.standings(ctx)
	if err != nil {
		return err // what is not known is no reason to refuse anybody; views that do not follow are said elsewhere
	}
	now := r.now()
	for _, s := range standings {
		r.s.metrics.Retention(s.Kind, s.LateBy(now))
	}
	stalled, changed := r.holdup.Judge(now, standings, overdue)
	r.s.metrics.HeldUp(stalled)
	switch {
	case changed && stalled:
		r.s.log.ErrorContext(ctx, "ALARM: deletions are so late that no photo is taken until they have caught up", "overdue", overdue)
	case changed:
		r.s.log.InfoContext(ctx, "deletions have caught up, and photos are taken again")
	}
	return nil
}

// refuses says whether photos are taken.
func (r *retention) refuses() error { return r.holdup.Refuses() }

// judging is the chore of judging. The first time comes a while after the start, when what became due
// while the service was off has been deleted.
func (r *retention) judging() chore {
	first := true
	return chore{"judge whether deletions keep up", judgeEvery, func(ctx context.Context) error {
		if first {
			first = false
			return nil
		}
		return r.judge(ctx)
	}}
}

// janitor deletes what is due for as long as it has the lock.
func (s *service) janitor(ctx context.Context) error {
	var all errgroup.Group
	for _, c := range []chore{
		{"delete what is due", dueEvery, s.retention.deletePictures},
		{"delete what was delivered", deliveredEvery, s.uses.deleteDue.Delivered},
		{"ask newer rules about what waits", askEvery, s.retention.askAgain},
		{"execute retention", tickEvery, s.retention.tick},
	} {
		all.Go(func() error { keepHouse(ctx, c, s.log); return nil })
	}
	return all.Wait()
}
