package usecase_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

const day = 24 * time.Hour

// engine is the retention engine over tables in memory, at noon.
type engine struct {
	record *fake.Record
	rules  fake.Limits
	held   heldFields
	before earlierPeriods
	at     time.Time
	tables []usecase.Executor
	notes  *fake.Notes
	noted  int
}

type heldFields map[string][]string

func (h heldFields) Held(context.Context) (map[string][]string, error) { return h, nil }

type earlierPeriods []usecase.EarlierPeriod

func (e earlierPeriods) Earlier(context.Context, string) ([]usecase.EarlierPeriod, error) {
	return e, nil
}

func newEngine(tables ...*fake.Table) *engine {
	e := &engine{
		record: fake.NewRecord(nil), at: noon, held: heldFields{}, notes: &fake.Notes{},
		rules: fake.Limits{
			Periods: map[string]time.Duration{"api_log": 90 * day, "analytics": 365 * day, "image": day},
			Stops:   map[string]bool{"api_log": true}, Rev: 5,
		},
	}
	for _, table := range tables {
		e.over(table)
	}
	return e
}

// over has the engine look after a table, too.
func (e *engine) over(table *fake.Table) {
	table.Notes = e.notes
	e.tables = append(e.tables, table)
}

func (e *engine) now() time.Time { return e.at }

func (e *engine) purge() usecase.PurgeDue {
	return usecase.PurgeDue{
		Record: e.record, Rules: e.rules, Executors: e.tables, Purges: e.notes, Holds: e.held, Earlier: e.before, Now: e.now,
		NewNote: func() id.Request { e.noted++; return id.Request("purge " + strconv.Itoa(e.noted)) },
	}
}

func (e *engine) facts() (all []event.Fact) {
	for _, env := range e.record.All() {
		all = append(all, env.Fact)
	}
	return all
}

func TestPurgeDue(t *testing.T) {
	rows := func(days ...int) (all []time.Time) {
		for _, d := range days {
			all = append(all, noon.AddDate(0, 0, -d))
		}
		return all
	}
	purged := func(due time.Time, n int64) event.Fact {
		return system.RetentionPurged{Kind: "api_log", Due: due, Actual: noon, Count: n}
	}
	tests := map[string]struct {
		given []time.Time
		held  heldFields
		then  []time.Time
		facts []event.Fact
	}{
		"nothing there":           {},
		"nothing due":             {given: rows(1, 89), then: rows(1, 89)},
		"due to the day":          {given: rows(90, 89), then: rows(89), facts: []event.Fact{purged(noon, 1)}},
		"the oldest is late":      {given: rows(92, 1, 91), then: rows(1), facts: []event.Fact{purged(noon.AddDate(0, 0, -2), 2)}},
		"a hold of one field":     {given: rows(92, 1), held: heldFields{"api_log": {"path"}}, then: rows(92, 1)},
		"a hold of another kind":  {given: rows(90), held: heldFields{"payment": {"amount"}}, facts: []event.Fact{purged(noon, 1)}},
		"a second before its due": {given: []time.Time{noon.AddDate(0, 0, -90).Add(time.Second)}, then: []time.Time{noon.AddDate(0, 0, -90).Add(time.Second)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			table := &fake.Table{Name: "api_log", Rows: tt.given}
			e := newEngine(table)
			e.held = tt.held
			for range 2 { // the second time there is nothing to do, and no fact
				if err := e.purge().Do(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(table.Rows, tt.then) || !slices.Equal(e.facts(), tt.facts) {
				t.Errorf("left %v, recorded %+v; want %v, %+v", table.Rows, e.facts(), tt.then, tt.facts)
			}
		})
	}
}

// A hold only stops what its kind lets it stop.
func TestHoldDoesNotStopEveryKind(t *testing.T) {
	table := &fake.Table{Name: "analytics", Rows: []time.Time{noon.AddDate(-2, 0, 0)}}
	e := newEngine(table)
	e.held = heldFields{"analytics": {"n"}}
	if err := e.purge().Do(t.Context()); err != nil || len(table.Rows) > 0 {
		t.Errorf("left %v, %v", table.Rows, err)
	}
}

// Every purge carries the decision that allowed it, and lies in the month's stream of its kind.
func TestPurgeIsRecordedWithItsDecision(t *testing.T) {
	e := newEngine(&fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -100)}})
	if err := e.purge().Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	env := e.record.All()[0]
	if env.Decision == nil || env.Decision.Rule != "retention.deletion" || env.Decision.Revision != 5 || env.Decision.Outcome != "allow" ||
		env.Stream != system.RetentionStream("api_log", noon) || env.Actor.Role != event.Clock {
		t.Errorf("%+v, decision %+v", env, env.Decision)
	}
}

// A process that dies after it purged a table, or after it recorded that, loses no fact and doubles none.
func TestPurgeIsRecordedOnce(t *testing.T) {
	dead := errors.New("the process is gone")
	tests := map[string]func(e *engine, is bool){
		"before it is recorded": func(e *engine, is bool) {
			e.record.Refuse = nil
			if is {
				e.record.Refuse = func(event.Append) error { return dead }
			}
		},
		"before that is noted": func(e *engine, is bool) {
			e.notes.Fails = nil
			if is {
				e.notes.Fails = dead
			}
		},
	}
	for name, dies := range tests {
		t.Run(name, func(t *testing.T) {
			table := &fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -92), noon.AddDate(0, 0, -91)}}
			e := newEngine(table)
			dies(e, true)
			if err := e.purge().Do(t.Context()); !errors.Is(err, dead) || len(table.Rows) != 0 || len(e.notes.All) != 1 {
				t.Fatalf("left %v, noted %+v: %v", table.Rows, e.notes.All, err)
			}
			dies(e, false)
			e.at = noon.Add(time.Hour)
			for range 2 {
				if err := e.purge().Settle(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want := []event.Fact{system.RetentionPurged{Kind: "api_log", Due: noon.AddDate(0, 0, -2), Actual: noon, Count: 2}}
			if !slices.Equal(e.facts(), want) || len(e.notes.All) != 0 {
				t.Errorf("recorded %+v, want %+v; noted %+v", e.facts(), want, e.notes.All)
			}
		})
	}
}

// What an earlier time left is recorded before anything else is purged, and also when nobody knows what is held.
func TestPurgeSettlesFirst(t *testing.T) {
	e := newEngine(&fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -91)}})
	e.notes.All = []usecase.Purged{{Note: "left", Kind: "analytics", UpTo: noon.AddDate(-1, 0, 0), Due: noon, Actual: noon, Count: 3}}
	unknown := errors.New("away")
	purge := e.purge()
	purge.Holds = unheard{unknown}
	if err := purge.Do(t.Context()); !errors.Is(err, unknown) {
		t.Errorf("got %v", err)
	}
	if err := e.purge().Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if facts := e.facts(); len(facts) != 2 || facts[0] != (system.RetentionPurged{Kind: "analytics", Due: noon, Actual: noon, Count: 3}) {
		t.Errorf("recorded %+v", facts)
	}
}

type unheard struct{ err error }

func (u unheard) Held(context.Context) (map[string][]string, error) { return nil, u.err }

// The record has the question as it was asked before anything went.
func TestPurgeRecordsTheQuestionThatWasAsked(t *testing.T) {
	e := newEngine(&fake.Table{Name: "analytics", Rows: []time.Time{noon.AddDate(-2, 0, 0)}})
	e.held = heldFields{"analytics": {"n"}} // which does not stop it
	asked := &asking{Limits: e.rules}
	purge := e.purge()
	purge.Rules = asked
	if err := purge.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := asked.all[len(asked.all)-1]
	if first := asked.all[len(asked.all)-2]; first != last || !last.Held || last.Started != noon.Add(-365*day) {
		t.Errorf("asked %+v, recorded %+v", first, last)
	}
}

// asking are rules that note what they are asked.
type asking struct {
	fake.Limits
	all []usecase.Question
}

func (a *asking) Deletion(ctx context.Context, q usecase.Question) (bool, []string, event.Decision, error) {
	a.all = append(a.all, q)
	return a.Limits.Deletion(ctx, q)
}

// A kind that fails keeps no other.
func TestPurgeThatFails(t *testing.T) {
	broken := errors.New("the disk is full")
	stays := &fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -99), noon.AddDate(0, 0, -98)}, Fails: broken}
	nothing := &fake.Table{Name: "unheard_of", Rows: []time.Time{noon}}
	whole := &fake.Table{Name: "analytics", Rows: []time.Time{noon.AddDate(-2, 0, 0)}}
	e := newEngine(stays, nothing, whole)
	err := e.purge().Do(t.Context())
	if !errors.Is(err, broken) || !errors.Is(err, fake.ErrNoKind) {
		t.Errorf("got %v", err)
	}
	want := []event.Fact{
		system.RetentionPurged{Kind: "analytics", Due: noon.AddDate(-2, 0, 365), Actual: noon, Count: 1},
	}
	if !slices.Equal(e.facts(), want) || len(stays.Rows) != 2 || len(nothing.Rows) != 1 || len(whole.Rows) != 0 {
		t.Errorf("recorded %+v, want %+v; left %v, %v, %v", e.facts(), want, stays.Rows, nothing.Rows, whole.Rows)
	}
}

// A period that becomes shorter holds at once for what lies in tables.
func TestShorterPeriodOfATable(t *testing.T) {
	table := &fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -40)}}
	e := newEngine(table)
	if err := e.purge().Do(t.Context()); err != nil || len(table.Rows) != 1 {
		t.Fatalf("left %v, %v", table.Rows, err)
	}
	e.rules.Periods["api_log"] = 30 * day
	if err := e.purge().Do(t.Context()); err != nil || len(table.Rows) != 0 {
		t.Errorf("left %v, %v", table.Rows, err)
	}
}

func TestStandings(t *testing.T) {
	e := newEngine(
		&fake.Table{Name: "analytics"},
		&fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -91), noon}},
	)
	late := usecase.Standing{Kind: "api_log", Count: 2, Oldest: noon.AddDate(0, 0, -91), Due: noon.AddDate(0, 0, -1)}
	kept := func(s usecase.Standing, by ...string) usecase.Standing { s.KeptBy = by; return s }
	tests := map[string]struct {
		held heldFields
		sure bool
		then usecase.Standing
		late time.Duration
	}{
		"late":                 {sure: true, then: late, late: day},
		"held":                 {sure: true, held: heldFields{"api_log": {"path"}}, then: kept(late, "hold")},
		"a clock not to trust": {then: kept(late, usecase.UnsureClock)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e.held = tt.held
			all, err := e.purge().Standings(t.Context(), tt.sure)
			if err != nil || len(all) != 2 {
				t.Fatalf("%+v, %v", all, err)
			}
			if got := all[0]; got.Kind != "analytics" || !got.Due.IsZero() || got.LateBy(noon) != 0 {
				t.Errorf("nothing there: %+v", got)
			}
			got := all[1]
			if !slices.Equal(got.KeptBy, tt.then.KeptBy) || got.Due != tt.then.Due || got.Count != 2 || got.LateBy(noon) != tt.late {
				t.Errorf("got %+v, late by %v; want %+v, %v", got, got.LateBy(noon), tt.then, tt.late)
			}
		})
	}
}

// pictures lists what waits in a record, as the schedule does.
type pictures struct{ record *fake.Record }

func (p pictures) Decided(_ context.Context, before int64, after id.Image, limit int) (found []usecase.WaitingPicture, err error) {
	for _, env := range p.record.All() {
		img, _ := image.OfStream(env.Stream)
		if _, uploaded := env.Fact.(image.Uploaded); !uploaded || img <= after || env.Decision.Revision >= before || len(found) == limit {
			continue
		}
		history, err := p.record.Load(context.Background(), env.Stream)
		if err != nil {
			return nil, err
		}
		if state := image.FromRecord(history); state.Status() != image.Gone {
			found = append(found, usecase.WaitingPicture{Image: img, Started: env.At, Due: state.Due()})
		}
	}
	return found, nil
}

// A period is changed to be shorter while pictures wait: each is due earlier, with a fact, and is
// deleted by then. A longer one changes nothing for them.
func TestShorterPeriodWhilePicturesWait(t *testing.T) {
	w := newWorld()
	done := make([]usecase.Uploaded, 3)
	for i := range done {
		var err error
		if done[i], err = w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("a photo")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.delete().Do(t.Context(), done[2].Image, done[2].Capability); err != nil {
		t.Fatal(err)
	}
	shorten := func(period time.Duration, revision int64) int {
		n, err := usecase.ShortenDue{
			Record: w.record, Rules: fake.Limits{Periods: map[string]time.Duration{"image": period}, Rev: revision}, Decided: pictures{w.record}, Now: w.now,
		}.Do(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := shorten(48*time.Hour, 2); n != 0 {
		t.Errorf("a longer period changed %d deadlines", n)
	}
	if n := shorten(time.Hour, 1); n != 0 {
		t.Errorf("the rules that decided were asked again, and changed %d deadlines", n)
	}
	if n := shorten(time.Hour, 3); n != 2 {
		t.Errorf("a shorter period changed %d deadlines, want 2", n)
	}
	if n := shorten(2*time.Hour, 4); n != 0 {
		t.Errorf("a longer period moved %d deadlines back", n)
	}
	all := w.record.All()
	last := all[len(all)-1]
	if fact, ok := last.Fact.(image.DeletionDueChanged); !ok || !fact.Due.Equal(noon.Add(time.Hour)) || last.Decision.Rule != "retention.limit" || last.Decision.Revision != 3 {
		t.Errorf("recorded %+v by %+v", last.Fact, last.Decision)
	}
	w.at = noon.Add(time.Hour)
	deleteDue := w.deleteDue()
	deleteDue.Images = dueByState{w.record}
	if n, err := deleteDue.Do(t.Context()); err != nil || n != 2 {
		t.Errorf("deleted %d, %v", n, err)
	}
	for _, up := range done[:2] {
		history, err := w.record.Load(t.Context(), image.Stream(up.Image))
		if err != nil {
			t.Fatal(err)
		}
		fact, ok := history[len(history)-1].Fact.(image.Deleted)
		if !ok || !fact.Due.Equal(noon.Add(time.Hour)) || fact.Actual.After(fact.Due) {
			t.Errorf("deleted as %+v", history[len(history)-1].Fact)
		}
	}
}

// dueByState lists what is due by the newest deadline.
type dueByState struct{ record *fake.Record }

func (d dueByState) Due(ctx context.Context, now time.Time, limit int) (due []id.Image, err error) {
	waiting, err := pictures(d).Decided(ctx, 1<<62, "", 1<<30)
	for _, w := range waiting {
		if !w.Due.After(now) && len(due) < limit {
			due = append(due, w.Image)
		}
	}
	return due, err
}

// Whatever the periods are that come into force one after another: no deadline ever moves back.
func TestDeadlinesOnlyBecomeEarlier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		up, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("a photo")})
		if err != nil {
			t.Fatal(err)
		}
		earliest := up.DeleteBy
		for i, hours := range rapid.SliceOf(rapid.IntRange(1, 100)).Draw(t, "hours") {
			period := time.Duration(hours) * time.Hour
			_, err := usecase.ShortenDue{
				Record: w.record, Rules: fake.Limits{Periods: map[string]time.Duration{"image": period}, Rev: int64(i + 2)}, Decided: pictures{w.record}, Now: w.now,
			}.Do(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if due := noon.Add(period); due.Before(earliest) {
				earliest = due
			}
		}
		history, err := w.record.Load(t.Context(), image.Stream(up.Image))
		if err != nil || !image.FromRecord(history).Due().Equal(earliest) {
			t.Fatalf("due %v, want %v; %v", image.FromRecord(history).Due(), earliest, err)
		}
	})
}

// Rules that come into force while something is being deleted are asked about it, too: the record takes no
// decision of others.
func TestRulesChangeDuringAPurge(t *testing.T) {
	e := newEngine(&fake.Table{Name: "api_log", Rows: []time.Time{noon.AddDate(0, 0, -100)}})
	refused := 0
	e.record.Refuse = func(a event.Append) error {
		if a.Parts[0].Facts[0].Decision.Revision == 5 && refused == 0 {
			refused++
			e.rules.Rev = 6
			return event.ErrPolicyChanged
		}
		return nil
	}
	purge := e.purge()
	purge.Rules = following{&e.rules}
	if err := purge.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := e.record.All()
	if len(all) != 1 || all[0].Decision.Revision != 6 || refused != 1 {
		t.Errorf("recorded %+v after %d refusals", all, refused)
	}
}

// following are rules that change.
type following struct{ *fake.Limits }

// A period that becomes longer holds for what begins from then on. What is there goes as it was promised.
func TestLongerPeriodOfATable(t *testing.T) {
	changed := noon.AddDate(0, 0, -20)
	old, young := noon.AddDate(0, 0, -31), noon.AddDate(0, 0, -19)
	table := &fake.Table{Name: "api_log", Rows: []time.Time{old, changed, young}}
	e := newEngine(table) // 90 days, and 30 until the change
	e.before = earlierPeriods{{Until: changed, Days: 30}}
	steps := []struct {
		day  int
		left []time.Time
		due  time.Time // of what is left
	}{
		{0, []time.Time{changed, young}, changed.AddDate(0, 0, 30)},
		{9, []time.Time{changed, young}, changed.AddDate(0, 0, 30)},
		{10, []time.Time{young}, young.AddDate(0, 0, 90)},
		{70, []time.Time{young}, young.AddDate(0, 0, 90)},
		{71, nil, time.Time{}},
	}
	for _, step := range steps {
		e.at = noon.AddDate(0, 0, step.day)
		if err := e.purge().Do(t.Context()); err != nil || !slices.Equal(table.Rows, step.left) {
			t.Errorf("day %d: left %v, want %v; %v", step.day, table.Rows, step.left, err)
		}
		if all, err := e.purge().Standings(t.Context(), true); err != nil || !all[0].Due.Equal(step.due) {
			t.Errorf("day %d: the first is due %v, want %v; %v", step.day, all[0].Due, step.due, err)
		}
	}
}

// Whatever the periods were, and whenever they changed: nothing is there past the earliest limit that it had since
// it began, and nothing goes before.
func TestEarliestLimitWinsForEveryRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(label string) time.Time {
			return noon.AddDate(0, 0, -rapid.IntRange(0, 60).Draw(t, label))
		}
		e := newEngine()
		newest := rapid.IntRange(1, 60).Draw(t, "newest")
		e.rules.Periods = map[string]time.Duration{"api_log": time.Duration(newest) * day}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			e.before = append(e.before, usecase.EarlierPeriod{Until: at("changed"), Days: rapid.IntRange(1, 60).Draw(t, "days")})
		}
		var want []time.Time
		table := &fake.Table{Name: "api_log"}
		for range rapid.IntRange(1, 20).Draw(t, "rows") {
			began := at("began")
			table.Rows = append(table.Rows, began)
			due := began.AddDate(0, 0, newest)
			for _, p := range e.before {
				if by := began.AddDate(0, 0, p.Days); !began.After(p.Until) && by.Before(due) {
					due = by
				}
			}
			if due.After(noon) {
				want = append(want, began)
			}
		}
		e.over(table)
		if err := e.purge().Do(context.Background()); err != nil || !slices.Equal(table.Rows, want) {
			t.Fatalf("left %v, want %v; %v", table.Rows, want, err)
		}
	})
}
