package projector_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/projector"
)

// decisions is a record of skips, as the ledger keeps it.
type decisions struct {
	mu    sync.Mutex
	made  map[int64]bool
	asked map[int64]int
	err   error
}

func (d *decisions) skip(seqs ...int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, seq := range seqs {
		d.made[seq] = true
	}
}

func (d *decisions) skipped(_ context.Context, view string, seq int64) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[seq]++
	return view == "sums" && d.made[seq], d.err
}

func (d *decisions) withdraw(seq int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.made, seq)
}

func (d *decisions) skips(_ context.Context, view string) (all []int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for seq := range d.made {
		if view == "sums" {
			all = append(all, seq)
		}
	}
	return all, d.err
}

func (d *decisions) askedAbout(seq int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[seq]
}

// poisoned is sums by a release that cannot apply some facts.
func poisoned(poison ...int64) projector.View {
	v := sums
	v.Apply = func(b *pgx.Batch, facts []event.Envelope) {
		for i, env := range facts {
			for _, seq := range poison {
				if env.Seq == seq {
					b.Queue(`select ('secret' || $1::text)::bigint`, "6")
				}
			}
			sums.Apply(b, facts[i:i+1])
		}
	}
	return v
}

func TestSkip(t *testing.T) {
	const poison, second, undecodable = 15, 22, 30
	record := remembering(numbers(40)...)
	d := &decisions{made: map[int64]bool{}, asked: map[int64]int{}}
	failing := func(ctx context.Context, seq int64, body []byte) (event.Envelope, error) {
		if seq == undecodable {
			return event.Envelope{}, errors.New("secret")
		}
		return decode(ctx, seq, body)
	}
	db := open(t)
	var log bytes.Buffer
	config := projector.Config{DB: db, Record: record.readFrom, Decode: failing, Skipped: d.skipped, Skips: d.skips, Log: logTo(&log)}
	p, err := projector.New(config, poisoned(poison, second))
	if err != nil {
		t.Fatal(err)
	}
	p.Hurry(10)
	stop := start(p)
	defer stop()
	rebuild := projector.Rebuild{Config: config, Published: record.published, Now: noon.UTC}
	rebuild.Pieces(10)
	for _, seq := range []int64{poison, second, undecodable} {
		until(t, "the view stops", func() bool { h := p.Health()[0]; return h.State == projector.Stopped && h.At == seq && h.Seq == seq-1 })
		asked := d.askedAbout(seq)
		until(t, "the view asks again", func() bool { return d.askedAbout(seq) > asked+1 })
		if h := p.Health()[0]; h.At != seq {
			t.Errorf("it goes on by itself: %+v", h)
		}
		if _, err := rebuild.Run(t.Context(), true, poisoned(poison, second)); err == nil || !strings.Contains(err.Error(), "fact ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("a rebuild says %v", err)
		}
		d.skip(seq)
	}
	if err := p.WaitFor(t.Context(), "sums", 40); err != nil && !errors.Is(err, projector.ErrStopped) {
		t.Fatal(err)
	}
	until(t, "the view follows", func() bool { h := p.Health()[0]; return h.State == projector.Following && h.Seq == 40 && h.At == 0 })
	if got := text(t, db, `select string_agg(m::text, ' ') from generate_series(1, 40) m where m not in (select seq from sums.entry)`); got != "15 22 30" {
		t.Errorf("the view lacks %s", got)
	}
	for name, view := range map[string]projector.View{"of the same release": poisoned(poison, second), "of a release that can apply one": poisoned(second)} {
		reports, err := rebuild.Run(t.Context(), true, view)
		if err != nil || !reports[0].Identical() {
			t.Errorf("a rebuild %s: %+v, %v", name, reports, err)
		}
	}
	d.withdraw(poison)
	reports, err := rebuild.Run(t.Context(), true, poisoned(second))
	if err != nil || reports[0].Identical() || !slices.Equal(reports[0].Tables[0].Keys, []string{"15 (only rebuilt)"}) {
		t.Errorf("after the skip was taken back: %+v, %v", reports, err)
	}
	d.skip(poison)
	stop()
	if strings.Count(log.String(), "ALARM") != 3 || strings.Contains(log.String(), "secret") {
		t.Errorf("logged %s", &log)
	}

	// A process that starts later is not stopped by what was skipped before.
	execute(t, db, `drop schema sums cascade`)
	log.Reset()
	if p, err = projector.New(config, poisoned(poison, second)); err != nil {
		t.Fatal(err)
	}
	p.Hurry(10)
	defer start(p)()
	until(t, "the view is made anew", func() bool { return p.Health()[0].Seq == 40 })
	if got := text(t, db, `select count(*) from sums.entry`); got != "37" {
		t.Errorf("%s rows", got)
	}
	if strings.Contains(log.String(), "ALARM") {
		t.Errorf("logged %s", &log)
	}
}

// While nobody can say whether a fact is skipped, the view stays where it is.
func TestSkipsCannotBeRead(t *testing.T) {
	record := remembering(numbers(10)...)
	d := &decisions{made: map[int64]bool{}, asked: map[int64]int{}, err: errors.New("away")}
	d.skip(5)
	db := open(t)
	config := projector.Config{DB: db, Record: record.readFrom, Decode: decode, Skipped: d.skipped, Log: quiet}
	p, err := projector.New(config, poisoned(5))
	if err != nil {
		t.Fatal(err)
	}
	p.Hurry(10)
	defer start(p)()
	until(t, "the view asks", func() bool { return state(p) == projector.Stopped && d.askedAbout(5) > 1 })
	rebuild := projector.Rebuild{Config: config, Published: record.published, Now: noon.UTC}
	if _, err := rebuild.Run(t.Context(), true, poisoned(5)); err == nil || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("a rebuild says %v", err)
	}
	rebuild.Skips = d.skips
	if _, err := rebuild.Run(t.Context(), true, sums); err == nil || !strings.Contains(err.Error(), "ask what is skipped") {
		t.Errorf("a rebuild says %v", err)
	}
	d.mu.Lock()
	d.err = nil
	d.mu.Unlock()
	until(t, "the view goes on", func() bool { return p.Health()[0].Seq == 10 })
}

// One view that cannot be built does not keep the others from being built.
func TestOneOfTwoCannotBeBuilt(t *testing.T) {
	record := remembering(numbers(40)...)
	db, _ := following(t, record, sums, total)
	reports, err := rebuildOf(db, record).Run(t.Context(), false, poisoned(20), total)
	if err == nil || !strings.Contains(err.Error(), "rebuild view sums: fact 20 (test.noted.v1)") {
		t.Errorf("the one: %v", err)
	}
	if len(reports) != 1 || reports[0].View != "total" || !reports[0].Identical() || !reports[0].Switched {
		t.Errorf("the other: %+v", reports)
	}
}
