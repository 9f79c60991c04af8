package disclosures

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Step is what somebody at the desk has to do about a request.
type Step string

// The steps, in their order.
const (
	Decide Step = "decide" // approve it, and ask the rules
	Make   Step = "make"
	Wait   Step = "wait" // an order forbids to tell those whom it concerns
	Tell   Step = "tell"
)

// Next is the next step of a request.
type Next struct {
	Step Step
	// At is when the order or the consent ends, by which it has to be decided and made; of [Wait] and
	// [Tell], from when on those whom it concerns have to be told.
	At time.Time
	// Over says that At has come: what was asked for holds no more, or that somebody should be told by now.
	Over bool
}

// Next returns what has to be done about a request; ok is false when it is settled.
func (d Disclosure) Next(now time.Time) (n Next, ok bool) {
	switch {
	case d.Outcome == Pending:
		n = Next{Step: Decide, At: d.Expires}
	case d.Outcome == Permitted:
		n = Next{Step: Make, At: d.Expires}
	case d.Outcome == Made && d.Told == "":
		n = Next{Step: Tell, At: d.At} // of what an earlier release followed, no more is known
		if d.TellFrom != nil {
			n.At = *d.TellFrom
		}
		if now.Before(n.At) {
			n.Step = Wait
		}
	default:
		return n, false
	}
	n.Over = !now.Before(n.At)
	return n, true
}

// isOpen is the condition under which [Disclosure.Next] has a step; it is that of an index.
const isOpen = `(outcome in ('pending', 'permitted') or outcome = 'made' and told = '')`

// Open returns the requests about which something has to be done, the most urgent first, at most [Most].
func Open(ctx context.Context, db DB) ([]Disclosure, error) {
	return collect(ctx, db, `
		select `+columns+`
		from   disclosures.disclosure
		where  `+isOpen+`
		order  by coalesce(tell_from, expires), disclosure
		limit  $1`, Most)
}

// Untold returns how many disclosures there are of which those whom they concern should know by now and do
// not, and since when the longest of them.
func Untold(ctx context.Context, db DB, now time.Time) (n int64, since time.Time, err error) {
	rows, err := db.Query(ctx, `
		select count(*), coalesce(min(tell_from), $1)
		from   disclosures.disclosure
		where  `+isOpen+` and outcome = 'made' and tell_from <= $1`, now)
	if err != nil {
		return 0, since, fmt.Errorf("count whom a disclosure concerns: %w", err)
	}
	type untold struct {
		N     int64
		Since time.Time
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[untold])
	if err != nil {
		return 0, since, fmt.Errorf("count whom a disclosure concerns: %w", err)
	}
	return found.N, found.Since.UTC(), nil
}
