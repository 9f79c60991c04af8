package fake

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Limits is a retention policy about every kind, as data.
type Limits struct {
	Periods map[string]time.Duration
	Stops   map[string]bool // kinds whose deletion a hold stops
	Rev     int64
}

// ErrNoKind says that the policy knows no period of a kind.
var ErrNoKind = errors.New("fake: no period for this kind")

// Limit adds the period; an earlier due stays.
func (l Limits) Limit(_ context.Context, kind string, started, due time.Time) (time.Time, event.Decision, error) {
	period, ok := l.Periods[kind]
	if !ok {
		return time.Time{}, decided("retention.limit"), ErrNoKind
	}
	limit := started.Add(period)
	if !due.IsZero() && due.Before(limit) {
		limit = due
	}
	return limit, l.decided("retention.limit"), nil
}

// Deletion says delete when it is due and nothing keeps it.
func (l Limits) Deletion(_ context.Context, q usecase.Question) (bool, []string, event.Decision, error) {
	if _, ok := l.Periods[q.Kind]; !ok {
		return false, nil, decided("retention.deletion"), ErrNoKind
	}
	var keptBy []string
	if q.Held && l.Stops[q.Kind] {
		keptBy = []string{"hold"}
	}
	return !q.Now.Before(q.Due) && keptBy == nil, keptBy, l.decided("retention.deletion"), nil
}

// Hold says what is in Stops.
func (l Limits) Hold(_ context.Context, kind string) (bool, event.Decision, error) {
	return l.Stops[kind], l.decided("retention.hold"), nil
}

// Revision returns Rev.
func (l Limits) Revision() int64 { return l.Rev }

func (l Limits) decided(rule string) event.Decision {
	d := decided(rule)
	d.Revision = l.Rev
	return d
}

// Table is an executor whose rows are the times at which they began.
type Table struct {
	Name  string
	Rows  []time.Time
	Fails error  // of Purge, which then deletes nothing
	Notes *Notes // where it leaves what it deleted; nil: nowhere
}

// Kind implements [usecase.Executor].
func (t *Table) Kind() string { return t.Name }

// Oldest implements [usecase.Executor].
func (t *Table) Oldest(context.Context) (kept usecase.Kept, err error) {
	for _, began := range t.Rows {
		if kept.Count == 0 || began.Before(kept.Oldest) {
			kept.Oldest = began
		}
		kept.Count++
	}
	return kept, nil
}

// Purge implements [usecase.Executor].
func (t *Table) Purge(_ context.Context, upTo time.Time, note func(int64) usecase.Purged) error {
	if t.Fails != nil {
		return t.Fails
	}
	var left []time.Time
	for _, began := range t.Rows {
		if began.After(upTo) {
			left = append(left, began)
		}
	}
	gone := int64(len(t.Rows) - len(left))
	t.Rows = left
	if gone > 0 && t.Notes != nil {
		t.Notes.All = append(t.Notes.All, note(gone))
	}
	return nil
}

// Notes are what tables deleted and the record does not have yet.
type Notes struct {
	All   []usecase.Purged
	Fails error // of Recorded, which then drops nothing
}

// Unrecorded implements [usecase.Purges].
func (n *Notes) Unrecorded(context.Context) ([]usecase.Purged, error) {
	return slices.Clone(n.All), nil
}

// Recorded implements [usecase.Purges].
func (n *Notes) Recorded(_ context.Context, note id.Request) error {
	if n.Fails != nil {
		return n.Fails
	}
	n.All = slices.DeleteFunc(n.All, func(p usecase.Purged) bool { return p.Note == note })
	return nil
}
