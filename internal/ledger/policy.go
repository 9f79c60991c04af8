package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
)

// The rules in force are those of the last policy.activated before a fact's place in the
// record. An append whose decisions rest on others is refused; schema.sql says how its
// queue keeps that order.

// policyLock is the advisory lock that schema.sql knows by its number.
const policyLock = 0x6267_6c65_6467_0003

// noRevision stands for decisions by several revisions: at most one of them can be in force.
const noRevision int64 = 0

// noteRules notes which rules a fact rests on, and which it puts in force.
func (e *encoded) noteRules(p event.Pending) {
	if d := p.Decision; d != nil {
		revision := d.Revision
		if e.restsOn != nil && *e.restsOn != revision {
			revision = noRevision
		}
		e.restsOn = &revision
	}
	if a, ok := p.Fact.(policy.Activated); ok {
		e.activates = &a.Revision
	}
}

// stale refuses an append once the fact that put other rules in force is published, and they are in force here.
func (l *Ledger) stale(ctx context.Context, since int64) error {
	l.counters.Conflicts.Add(1)
	if _, err := l.board.awaitAppend(ctx, since, nil); err != nil {
		return l.unavailable(fmt.Errorf("ledger: the new rules are not published yet: %w", err))
	}
	if l.rules != nil {
		if err := l.rules(ctx); err != nil {
			return l.unavailable(fmt.Errorf("ledger: follow the record to the rules in force: %w", err))
		}
	}
	return fmt.Errorf("%w (%w)", event.ErrPolicyChanged, event.ErrConflict)
}

// InForce returns the revision of the rules that the record has in force; 0 if none was ever
// activated. The fact may be on its way to Kafka still.
func (l *Ledger) InForce(ctx context.Context) (revision int64, err error) {
	err = l.pool.QueryRow(ctx, "select coalesce(max(revision), 0) from ledger.activations").Scan(&revision)
	if err != nil {
		return 0, l.failed("ask which rules are in force", err)
	}
	return revision, nil
}

// ErrNoBundle says that a revision of the rules was never stored.
var ErrNoBundle = errors.New("ledger: no bundle was stored as this revision")

// Bundle returns what was stored as a revision of the rules. It does not wait for Kafka:
// before a revision can be activated, the fact that stores it is published.
func (l *Ledger) Bundle(ctx context.Context, stream event.Stream) (policy.BundleStored, error) {
	var body []byte
	err := l.pool.QueryRow(ctx, "select body from ledger.facts where stream = $1 and version = 1", stream).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return policy.BundleStored{}, ErrNoBundle
	}
	if err != nil {
		return policy.BundleStored{}, l.failed("load a bundle", err)
	}
	env, err := l.codec.decode(ctx, body, nil)
	if err != nil {
		return policy.BundleStored{}, fmt.Errorf("ledger: load a bundle: %w", err)
	}
	stored, ok := env.Fact.(policy.BundleStored)
	if !ok {
		return policy.BundleStored{}, ErrNoBundle
	}
	return stored, nil
}

// activations are the facts of an adoption that put rules in force: revisions by index.
type activations map[int]int64

// note looks whether a fact is one.
func (a *activations) note(i int, h header, e Entry) error {
	if h.name != (policy.Activated{}).EventName() {
		return nil
	}
	env, err := NewCodec("", Facts(), nil).Decode(context.Background(), e.Seq, e.Body)
	if err != nil {
		return fmt.Errorf("ledger: what stands at offset %d is not ours (%w): %w", e.Offset, err, ErrFork)
	}
	if *a == nil {
		*a = activations{}
	}
	(*a)[i] = env.Fact.(policy.Activated).Revision // its name says so
	return nil
}

// hold waits for the appends that rest on the rules so far, and keeps others from it.
func (a activations) hold(ctx context.Context, tx pgx.Tx) error {
	if len(a) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(policyLock))
	return err
}

// newest returns the highest revision among unknown facts; nil if there is none.
func (a activations) newest(unknown []int) *int64 {
	var highest *int64
	for i, revision := range a {
		if slices.Contains(unknown, i) && (highest == nil || revision > *highest) {
			highest = &revision
		}
	}
	return highest
}

// insert writes down those that Postgres did not know.
func (a activations) insert(batch *pgx.Batch, unknown []int, facts []numbered) {
	for i, revision := range a {
		if slices.Contains(unknown, i) {
			batch.Queue(`
				insert into ledger.activations (revision, pos) values ($1, $2)
				on conflict (revision) do update set pos = excluded.pos`, revision, facts[i].pos)
		}
	}
}

// places are the positions of the facts that Postgres has.
func (a *adoption) places() []int64 {
	known := []int64{}
	for _, n := range a.facts {
		if n.pos != 0 {
			known = append(known, n.pos)
		}
	}
	return known
}
