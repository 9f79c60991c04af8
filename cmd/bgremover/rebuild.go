package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/telemetry"
)

// rebuildCmd is `bgremover rebuild`. It works in a process of its own, beside a running
// service or without one.
type rebuildCmd struct {
	Views []string `arg:"" optional:"" name:"NAME" help:"Views to make anew, such as images; all of them if none is named."`
	Check bool     `help:"Only compare what is rebuilt with what is live, table by table, and drop it again; exit with 1 when they differ."`
	config.Tool
}

func (c *rebuildCmd) run(ctx context.Context, std streams) (err error) {
	wanted, err := viewsNamed(c.Views)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLog(std.err, "auto", "warn")
	if err != nil {
		return err
	}
	open, err := openTools(ctx, c.Ground, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.close()) }()
	now, err := clock.Open(filepath.Join(c.Data, "clock-offset"), nil)
	if err != nil {
		return err
	}
	record := ledger.New(open.pool, nil, ledger.Options{NewID: newID, Log: log})
	shown := map[string]*progress{}
	r := projector.Rebuild{
		Config: projector.Config{
			DB: open.pool, Record: readRecord(open.kafka, log), Decode: sealedCodec().Decode, Skipped: skipped(record), Skips: record.Skips, Log: log,
		},
		// Without a service nobody numbers what waits for that. No view opens anything, so that
		// none depends on whether a key was destroyed by what waits.
		Published: record.Published,
		Now:       now.Now,
		Progress:  func(p projector.Progress) { show(shown, std.err, p) },
	}
	if open.running {
		r.Published = record.Settled
	} else {
		stop, err := keepViews(ctx, r.Config, wanted)
		if err != nil {
			return err
		}
		defer stop()
	}
	reports, err := r.Run(ctx, c.Check, wanted...)
	for _, p := range shown {
		p.end()
	}
	return errors.Join(c.tell(ctx, std, open.running, reports), err)
}

// viewsNamed returns the views of these names, or all.
func viewsNamed(names []string) ([]projector.View, error) {
	all := views()
	if len(names) == 0 {
		return all, nil
	}
	var found []projector.View
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		i := slices.IndexFunc(all, func(v projector.View) bool { return v.Name == name })
		if i < 0 {
			var known []string
			for _, v := range all {
				known = append(known, v.Name)
			}
			return nil, fmt.Errorf("there is no view %s; there are %s", name, strings.Join(known, ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}

// keepViews brings live views as far as the record goes while no service does it.
func keepViews(ctx context.Context, c projector.Config, all []projector.View) (stop func(), err error) {
	live, err := projector.New(c, all...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		live.Run(ctx)
	}()
	return func() { cancel(); <-done }, nil
}

// skipped asks the record whether a fact is passed over by a view.
func skipped(record *ledger.Ledger) projector.Skipped {
	return func(ctx context.Context, view string, seq int64) (bool, error) {
		facts, err := record.Load(ctx, system.ProjectionStream(view, seq))
		return system.IsSkipped(facts, view, seq), err
	}
}

// show shows how far the rebuild is: a bar for each thing that it does.
func show(shown map[string]*progress, out io.Writer, p projector.Progress) {
	bar, ok := shown[p.Doing]
	if !ok {
		for _, before := range shown {
			before.end()
		}
		bar = newProgress(out, p.Doing)
		shown[p.Doing] = bar
	}
	bar.at(p.Done, p.Head)
}

// tell prints what was found, and fails when a check did not find what it should.
func (c *rebuildCmd) tell(ctx context.Context, std streams, running bool, reports []projector.Report) error {
	var bad []string
	for _, report := range reports {
		if _, err := io.WriteString(std.out, describeReport(report)); err != nil {
			return err
		}
		if !report.Identical() {
			bad = append(bad, report.View)
		} else if c.Check && running {
			c.certify(ctx, std, report)
		}
	}
	if c.Check && len(bad) > 0 {
		return fmt.Errorf("not the same as what the record says: %s; bgremover rebuild %s puts that right",
			strings.Join(bad, ", "), strings.Join(bad, " "))
	}
	return nil
}

func describeReport(r projector.Report) string {
	var s strings.Builder
	for _, t := range r.Tables {
		verdict := "identical"
		switch {
		case t.Columns:
			verdict = "DIFFERENT (other columns: made by another release)"
		case !t.Identical():
			verdict = "DIFFERENT"
		}
		fmt.Fprintf(&s, "%s.%s: %s\n  live     %s\n  rebuilt  %s\n", r.View, t.Name, verdict, describeSide(t.Live), describeSide(t.Rebuilt))
		for _, key := range t.Keys {
			fmt.Fprintf(&s, "  differs  %s\n", key)
		}
	}
	switch {
	case r.Incomparable != "":
		fmt.Fprintf(&s, "%s: not compared: %s", r.View, r.Incomparable)
	case r.Identical():
		fmt.Fprintf(&s, "%s: identical at fact %d, sha256 %s", r.View, r.Seq, r.Digest())
	default:
		fmt.Fprintf(&s, "%s: DIFFERENT at fact %d", r.View, r.Seq)
	}
	if r.Switched {
		s.WriteString("; the rebuilt one is live now")
	}
	s.WriteString("\n")
	return s.String()
}

func describeSide(s projector.Side) string {
	if !s.There {
		return "no such table"
	}
	return fmt.Sprintf("%d rows, sha256 %x", s.Rows, s.Digest)
}

// certify has the running service record that a view is what it should be. That it cannot
// takes nothing from what was found.
func (c *rebuildCmd) certify(ctx context.Context, std streams, r projector.Report) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := tellService(ctx, c.Data, "/projections/certified", operator.Certificate{View: r.View, Seq: r.Seq, Digest: r.Digest()})
	if err == nil {
		err = answer.Close()
	}
	if err != nil {
		_, _ = fmt.Fprintf(std.err, "that %s is identical could not be recorded: %s\n", r.View, sentence(err))
	}
}
