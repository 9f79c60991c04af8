package usecase

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
)

// Tables lists every table whose rows have a period.
type Tables interface {
	Tables(ctx context.Context) ([]AgedTable, error)
}

// AgedTable is a table whose rows have a period.
type AgedTable struct {
	Name    string
	Kind    string // of the retention data: "analytics"
	Promise string
	Oldest  time.Time // when the oldest row began; zero: there is none
	Wall    bool      // its rows are stamped by the database's clock, and not by the service's time
	Held    bool      // a legal hold keeps its rows, where their kind lets it
}

// RetentionLimits is the rule that says by when a thing of a kind is gone at the latest.
type RetentionLimits interface {
	// Limit answers it of a thing that began at a time. An earlier answer, if there is one, is due.
	Limit(ctx context.Context, kind string, started, due time.Time) (time.Time, event.Decision, error)
}

// Files looks where no personal data may be: folders that hold temporary files, columns of tables
// that name nobody.
type Files interface {
	// Look returns what it found, each with the promise that it breaks.
	Look(ctx context.Context) ([]system.Finding, error)
}

// purgedWithin is how far past its period a row may be: what is old is looked for hourly, and
// removed by whole partitions or hours.
const purgedWithin = 2 * time.Hour

// lookAtTables compares the oldest row of each table with its period.
func (r *auditRun) lookAtTables(ctx context.Context) error {
	tables, err := r.Tables.Tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		r.tables++
		if t.Oldest.IsZero() {
			continue
		}
		due, _, err := r.Limits.Limit(ctx, t.Kind, t.Oldest, time.Time{})
		if err != nil {
			r.noteOf(codeNoPeriod, t.Promise, 1)
			return fmt.Errorf("ask for the period of %s: %w", t.Name, err)
		}
		now := r.now
		if t.Wall {
			now = r.wall
		}
		switch {
		case !now.After(due.Add(purgedWithin)):
		case t.Held:
			r.noteOf(codeHeld, t.Promise, 1)
		default:
			r.noteOf(codeTable, t.Promise, 1)
		}
	}
	return nil
}

// lookAtFiles looks where no personal data may be.
func (r *auditRun) lookAtFiles(ctx context.Context) error {
	found, err := r.Files.Look(ctx)
	for _, f := range found {
		r.noteOf(f.Code, f.Promise, f.Count)
	}
	return err
}
