package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fault"
)

// Append adds facts and returns once they are published: then, and only then, they stand in
// the record. It either adds all of them, next to each other and in order, or none.
//
// Refusals: [event.ErrConflict] when a stream is at another version or a key it seals under
// is destroyed; what was there first is published when this is returned.
// [event.ErrPolicyChanged] when a decision rests on other rules than those in force: it is a
// conflict as well, and those rules are in force here when it is returned, so that whoever asks
// them again gets on. [event.ErrTooLarge]. [event.ErrUnavailable] when Postgres or Kafka is away, or the context
// ends while waiting: the facts may be queued then, and the same request id finds them.
func (l *Ledger) Append(ctx context.Context, a event.Append) (event.Appended, error) {
	ctx, cancel := l.patient(ctx)
	defer cancel()
	e, err := l.encode(ctx, a)
	switch {
	case errors.Is(err, personal.ErrDestroyed):
		return event.Appended{}, l.conflict(ctx, a, err)
	case errors.Is(err, event.ErrTooLarge):
		l.counters.Refused.Add(1)
		return event.Appended{}, err
	case err != nil && Away(err):
		return event.Appended{}, l.unavailable(err)
	case err != nil:
		return event.Appended{}, err
	}
	for {
		out, err := l.store(ctx, e)
		if err != nil {
			return event.Appended{}, err
		}
		switch out.kind {
		case halted:
			return event.Appended{}, l.unavailable(errors.New("ledger: halted by the sequencer"))
		case conflict:
			return event.Appended{}, l.conflict(ctx, a, out.why)
		case policied:
			return event.Appended{}, l.stale(ctx, out.pos)
		case ok, stored, repeated:
			appended, removed, err := l.await(ctx, e, out)
			if !removed {
				fault.Point("append.answered")
				return appended, err
			}
			// Kafka had other facts in this append's place, or the same request with other
			// facts. Asking again tells which.
		}
	}
}

// await waits until a stored append is published and returns its facts.
func (l *Ledger) await(ctx context.Context, e *encoded, out outcome) (appended event.Appended, removed bool, err error) {
	select { // a sequencer in this process need not wait for its next poll
	case l.queued <- struct{}{}:
	default:
	}
	var id *pgtype.UUID
	if out.kind != repeated {
		id = &e.ids[0]
	}
	p, err := l.board.awaitAppend(ctx, out.pos, id)
	switch {
	case err != nil:
		return event.Appended{}, false, l.unavailable(fmt.Errorf("ledger: queued, and not published yet: %w", err))
	case p.removed:
		return event.Appended{}, true, nil
	case out.kind == repeated:
		appended, err = l.first(ctx, out.pos)
		if err == nil && !carriedOut(e.request, appended) {
			return event.Appended{}, true, nil
		}
		l.counters.Repeated.Add(1)
	default:
		appended, err = l.answer(ctx, e, p.first)
	}
	if err == nil {
		l.counters.Appends.Add(1)
	}
	return appended, false, err
}

// carriedOut says whether facts are those of a request, and not what a restored Postgres
// put into their place.
func carriedOut(request string, a event.Appended) bool {
	return len(a.Facts) > 0 && string(a.Facts[0].Cause.Request) == request
}

// answer gives the facts back as they were stored.
func (l *Ledger) answer(ctx context.Context, e *encoded, first int64) (event.Appended, error) {
	answer := event.Appended{Facts: make([]event.Envelope, len(e.bodies))}
	for i, body := range e.bodies {
		env, err := l.codec.decode(ctx, body, e.keys)
		if err != nil {
			return event.Appended{}, fmt.Errorf("ledger: read what was just written: %w", err)
		}
		env.Seq = first + int64(i)
		answer.Facts[i] = env
	}
	return answer, nil
}

// first loads the facts that a repeated request led to the first time.
func (l *Ledger) first(ctx context.Context, pos int64) (event.Appended, error) {
	rows, err := l.pool.Query(ctx, `
		select n.seq, f.body
		  from ledger.facts f join ledger.numbers n using (pos, idx)
		 where f.pos = $1
		 order by f.idx`, pos)
	if err != nil {
		return event.Appended{}, l.failed("load a repeated request", err)
	}
	facts, err := l.decodeRows(ctx, rows)
	if err != nil {
		return event.Appended{}, l.failed("load a repeated request", err)
	}
	return event.Appended{Facts: facts, Repeated: true}, nil
}

// conflict waits until what was there first is published, and refuses.
func (l *Ledger) conflict(ctx context.Context, a event.Append, why error) error {
	l.counters.Conflicts.Add(1)
	streams := make([]string, len(a.Parts))
	for i, p := range a.Parts {
		streams[i] = string(p.Stream)
	}
	rows, err := l.pool.Query(ctx, `
		select distinct f.pos
		  from ledger.streams s join ledger.facts f using (stream, version)
		 where s.stream = any($1)`, streams)
	if err != nil {
		return l.failed("look at a conflict", err)
	}
	positions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return l.failed("look at a conflict", err)
	}
	for _, pos := range positions {
		if _, err := l.board.awaitAppend(ctx, pos, nil); err != nil {
			return l.unavailable(fmt.Errorf("ledger: what was there first is not published yet: %w", err))
		}
	}
	if why == nil {
		return event.ErrConflict
	}
	return fmt.Errorf("%w (%w)", event.ErrConflict, why)
}

// failed turns an error of Postgres into what the caller gets.
func (l *Ledger) failed(doing string, err error) error {
	err = fmt.Errorf("ledger: %s: %w", doing, err)
	if Away(err) {
		return l.unavailable(err)
	}
	return err
}

// store runs the transaction until its outcome is known. An attempt whose outcome is not
// is simply made again, with the same ids: had it been stored, it is found by them.
func (l *Ledger) store(ctx context.Context, e *encoded) (outcome, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		fault.Point("append.begin")
		out, err := l.transact(ctx, e)
		if err == nil {
			fault.Point("append.committed")
			return out, nil
		}
		if !Away(err) {
			return outcome{}, fmt.Errorf("ledger: append: %w", err)
		}
		if ctx.Err() == nil {
			l.counters.Retries.Add(1)
			l.log.DebugContext(ctx, "an append is tried again", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return outcome{}, l.unavailable(fmt.Errorf("ledger: append: %w", err))
		case <-time.After(pause):
		}
	}
}
