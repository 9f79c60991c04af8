package analytics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/image"
)

// DB is what the query needs of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Hour is what happened in one hour, as far as it may be shown.
type Hour struct {
	Start     time.Time // UTC
	Uploads   Breakdown // by file size (image.SizeClass)
	Results   Breakdown // by dimensions (image.DimensionsClass)
	Durations Breakdown // of the results, by the bucket of their processing time (Bounds, Longer)
	Failures  Breakdown // by code of the refusal that the owner saw
	Downloads Breakdown // Whole or Broken
	Deletions Breakdown // by reason (image.Why)
}

// Breakdown is how often something happened, altogether and by class.
type Breakdown struct {
	Total  int64
	Groups []Group // in the natural order of the classes; none is empty
	// Hidden says that something is not shown, because too few would stand in a group: the
	// groups do not add up to Total, or, when Total is 0, all of it is hidden.
	Hidden bool
}

// Group is how often something of one class happened.
type Group struct {
	Class string
	N     int64
}

// Of returns the number of one class; 0 also when it is hidden.
func (b Breakdown) Of(class string) int64 {
	for _, g := range b.Groups {
		if g.Class == class {
			return g.N
		}
	}
	return 0
}

// Hours returns the hours from the one that holds from on, as far as they begin before to,
// oldest first, also those in which nothing happened. Groups of fewer than k are hidden; k is
// [Smallest] for whoever is not the operator, and 1 hides nothing.
func Hours(ctx context.Context, db DB, from, to time.Time, k int64) ([]Hour, error) {
	from, to = from.UTC().Truncate(time.Hour), to.UTC()
	rows, err := db.Query(ctx,
		`select hour, kind, class, n
		 from analytics.tally
		 where hour >= $1 and hour < $2`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read analytics: %w", err)
	}
	var all []Hour
	for start := from; start.Before(to); start = start.Add(time.Hour) {
		all = append(all, Hour{Start: start})
	}
	var (
		hour        time.Time
		kind, class string
		n           int64
	)
	_, err = pgx.ForEachRow(rows, []any{&hour, &kind, &class, &n}, func() error {
		if b := all[int(hour.Sub(from)/time.Hour)].of(kind); b != nil {
			b.Groups = append(b.Groups, Group{class, n})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read analytics: %w", err)
	}
	for i := range all {
		for kind, order := range natural {
			b := all[i].of(kind)
			b.sort(order)
			b.hide(k)
		}
	}
	return all, nil
}

// of returns the breakdown of a kind; nil for one that a newer release counts.
func (h *Hour) of(kind string) *Breakdown {
	switch kind {
	case uploads:
		return &h.Uploads
	case results:
		return &h.Results
	case durations:
		return &h.Durations
	case failures:
		return &h.Failures
	case downloads:
		return &h.Downloads
	case deletions:
		return &h.Deletions
	}
	return nil
}

// natural is the order of each kind's classes; what it does not name comes last, by name.
var natural = map[string][]string{
	uploads:   {string(image.UpTo1MiB), string(image.UpTo5MiB), string(image.UpTo25MiB)},
	results:   {string(image.UpTo1MP), string(image.UpTo4MP), string(image.UpTo12MP), string(image.UpTo50MP)},
	durations: buckets(),
	failures:  {},
	downloads: {Whole, Broken},
	deletions: {string(image.BecauseDownloaded), string(image.BecauseRequested), string(image.BecauseDue)},
}

// buckets lists the classes of processing times.
func buckets() []string {
	all := make([]string, 0, len(Bounds)+1)
	for _, bound := range Bounds {
		all = append(all, Bucket(bound))
	}
	return append(all, Longer)
}

func (b *Breakdown) sort(order []string) {
	place := func(g Group) int {
		if i := slices.Index(order, g.Class); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(b.Groups, func(x, y Group) int {
		if d := place(x) - place(y); d != 0 {
			return d
		}
		return strings.Compare(x.Class, y.Class)
	})
}
