// Package public shows everybody how the service is doing: figures that name nobody, and
// the signed tree over its record; and what it promises, and how that stands: standing.go keeps
// what was last read of the record and judges by it, privacy.go, promises.go, promises_json.go and
// badge.go show it. Nothing is called kept without fresh evidence.
//
// log.go serves checkpoints, tiles and keys (https://c2sp.org/tlog-tiles).
// stats.go gathers the hourly view of analytics into a page, chart.go lays its charts out
// as SVG, stats.html draws them. Groups that are too small to be shown are left out by the
// view already; the page says so, and never guesses at them.
package public

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/projections/analytics"
)

//go:embed stats.html privacy.html promises.html
var templates embed.FS

var statsPage = page.Must(templates, "stats.html")

// shownHours is how far back the page looks, with the hour that has just begun.
const shownHours = 48

// Hours returns the figures of each hour from one time to another, oldest first, without
// groups that are too small to be shown to everybody.
type Hours func(ctx context.Context, from, to time.Time) ([]analytics.Hour, error)

// stats is what the page shows.
type stats struct {
	From, To time.Time
	Empty    bool  // nothing happened that may be shown
	Few      bool  // something is left out
	Smallest int64 // the smallest group that is shown
	Tiles    []tile
	Uploads  columns
	Took     bars
	Typical  string // by when half of the cutouts are ready; "" when nothing is known
	Sizes    bars
	Failures bars
}

// tile is one large figure.
type tile struct {
	Label string
	N     int64
	Few   bool // there are a few more
}

// Stats serves GET /stats.
func Stats(hours Hours, now func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		to := now().UTC()
		from := to.Truncate(time.Hour).Add(-(shownHours - 1) * time.Hour)
		all, err := hours(r.Context(), from, to)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		statsPage.Show(w, r, http.StatusOK, statsOf(all, from, to))
	}
}

func statsOf(all []analytics.Hour, from, to time.Time) stats {
	uploads := sum(all, func(h analytics.Hour) analytics.Breakdown { return h.Uploads })
	results := sum(all, func(h analytics.Hour) analytics.Breakdown { return h.Results })
	failures := sum(all, func(h analytics.Hour) analytics.Breakdown { return h.Failures })
	deletions := sum(all, func(h analytics.Hour) analytics.Breakdown { return h.Deletions })
	took := sum(all, func(h analytics.Hour) analytics.Breakdown { return h.Durations })
	s := stats{
		From: from, To: to,
		Smallest: analytics.Smallest,
		Tiles: []tile{
			{"photos uploaded", uploads.total, uploads.few},
			{"cutouts made", results.total, results.few},
			{"photos without a cutout", failures.total, failures.few},
			{"photos deleted", deletions.total, deletions.few},
		},
		Uploads:  columnsOf(all),
		Took:     barsOf(took, bucketOrder(), bucketLabel),
		Typical:  typical(took),
		Sizes:    barsOf(uploads, sizeOrder, func(class string) string { return class }),
		Failures: barsOf(failures, nil, func(code string) string { return image.Unusable(code).Text }),
	}
	s.Empty = true
	for _, t := range s.Tiles {
		s.Empty = s.Empty && t.N == 0
		s.Few = s.Few || t.Few
	}
	return s
}

// totals are the figures of several hours together.
type totals struct {
	total   int64
	few     bool
	byClass map[string]int64
}

func sum(all []analytics.Hour, of func(analytics.Hour) analytics.Breakdown) totals {
	t := totals{byClass: map[string]int64{}}
	for _, h := range all {
		b := of(h)
		t.total += b.Total
		t.few = t.few || b.Hidden
		for _, g := range b.Groups {
			t.byClass[g.Class] += g.N
		}
	}
	return t
}
