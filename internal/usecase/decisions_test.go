package usecase_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// forgetful is a record that can be away, before an append or when it answers.
type forgetful struct {
	*fake.Record
	away, mute atomic.Bool
	conflicts  atomic.Int64 // how many appends somebody else is faster than
}

func (f *forgetful) Append(ctx context.Context, a event.Append) (event.Appended, error) {
	if f.away.Load() {
		return event.Appended{}, event.ErrUnavailable
	}
	if f.conflicts.Add(-1) >= 0 {
		return event.Appended{}, event.ErrConflict
	}
	done, err := f.Record.Append(ctx, a)
	if f.mute.Load() {
		return event.Appended{}, event.ErrUnavailable
	}
	return done, err
}

// counting is a log of decisions over a record in memory.
type counting struct {
	*usecase.DecisionLog
	record *forgetful
	at     atomic.Int64 // seconds since 1970
}

func newCounting() *counting {
	c := &counting{record: &forgetful{Record: fake.NewRecord(nil)}}
	c.at.Store(noon.Unix())
	var next atomic.Int64
	c.DecisionLog = &usecase.DecisionLog{
		Record: c.record, Now: func() time.Time { return time.Unix(c.at.Load(), 0) },
		NewRequest: func() id.Request { return id.Request(fmt.Sprintf("request-%d", next.Add(1))) },
	}
	return c
}

func asked(rule, input string) event.Decision {
	return event.Decision{Rule: rule, Promises: []string{"abuse.prevent"}, Revision: 4, Outcome: "deny", Input: json.RawMessage(input)}
}

// told sums up what the record says, by rule.
func (c *counting) told(t interface{ Errorf(string, ...any) }) (refused, read map[string]int64) {
	refused, read = map[string]int64{}, map[string]int64{}
	for _, env := range c.record.All() {
		switch f := env.Fact.(type) {
		case policy.DecisionRefused:
			sum := f.More
			for _, in := range f.Inputs {
				sum += in.Count
			}
			if sum != f.Count || len(f.Inputs) > 32 {
				t.Errorf("fact %d counts %d, its %d inputs %d", env.Seq, f.Count, len(f.Inputs), sum)
			}
			refused[f.Rule] += f.Count
		case policy.DecisionsCounted:
			for _, in := range f.Inputs {
				read[f.Rule] += in.Count
			}
		default:
			t.Errorf("fact %d is %T", env.Seq, f)
		}
	}
	return refused, read
}

func TestDecisionsOfAMinuteAreOneFact(t *testing.T) {
	c := newCounting()
	for range 3 {
		c.Refused(asked("upload.rate", `{"scope":"visitor"}`))
	}
	c.Refused(asked("upload.rate", `{"scope":"network"}`))
	c.Allowed(asked("access.blob", `{"own":true}`))
	if err := c.Flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if n := len(c.record.All()); n != 0 {
		t.Errorf("%d facts about a minute that still runs", n)
	}
	c.at.Add(60)
	if err := c.Flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	all := c.record.All()
	if len(all) != 2 {
		t.Fatalf("%d facts", len(all))
	}
	read, refused := all[0].Fact.(policy.DecisionsCounted), all[1].Fact.(policy.DecisionRefused)
	if refused.Count != 4 || refused.More != 0 || len(refused.Inputs) != 2 || refused.Inputs[0].Count != 3 || !refused.Minute.Equal(noon) {
		t.Errorf("refused: %+v", refused)
	}
	if len(read.Inputs) != 1 || read.Inputs[0].Count != 1 || !read.From.Equal(noon) || !read.Until.Equal(noon.Add(time.Minute)) {
		t.Errorf("read: %+v", read)
	}
	if all[0].Stream != policy.DecisionStream("access.blob", noon) || all[0].Actor.Role != event.Clock {
		t.Errorf("stands in %s, by %s", all[0].Stream, all[0].Actor.Role)
	}
}

func TestManyQuestionsAreCountedAsMore(t *testing.T) {
	c := newCounting()
	for i := range 100 {
		c.Refused(asked("upload.rate", fmt.Sprintf(`{"pixels":%d}`, i)))
		c.Allowed(asked("access.blob", fmt.Sprintf(`{"pixels":%d}`, i)))
	}
	c.Refused(event.Decision{Rule: "upload.rate", Revision: 4}) // could not even be asked
	if err := c.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	refused, read := c.told(t)
	if refused["upload.rate"] != 101 || read["access.blob"] != 100 {
		t.Errorf("refused %v, read %v", refused, read)
	}
	if n := len(c.record.All()); n != 1+4 { // reads are told whole, in facts of 32
		t.Errorf("%d facts", n)
	}
}

// Whatever fails on the way, every decision is in the record once in the end.
// No fact of counted decisions has a person's key, so none holds what was asked about one.
func TestPersonalQuestionsAreOnlyCounted(t *testing.T) {
	c := newCounting()
	var d event.Decision
	if err := d.Ask(json.RawMessage(`{"category":"marketing","consent":"withdrawn"}`), []string{"consent"}); err != nil {
		t.Fatal(err)
	}
	d.Rule, d.Revision = "marketing.send", 5
	for range 40 {
		c.Refused(d)
		c.Allowed(d)
	}
	c.Allowed(asked("marketing.send", `{"category":"service"}`))
	if err := c.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	refused, read := c.told(t)
	if refused["marketing.send"] != 40 || read["marketing.send"] != 41 {
		t.Errorf("refused %v, read %v", refused, read)
	}
	for _, env := range c.record.All() {
		written, err := json.Marshal(env.Fact)
		if err != nil || strings.Contains(string(written), "withdrawn") || strings.Contains(string(written), `"category":"marketing"`) {
			t.Errorf("%s, %v", written, err)
		}
		switch f := env.Fact.(type) {
		case policy.DecisionRefused:
			if f.More != 40 || len(f.Inputs) != 0 {
				t.Errorf("refused: %+v", f)
			}
		case policy.DecisionsCounted:
			if f.Revision == 5 && (len(f.Inputs) != 1 || len(f.Inputs[0].Input) != 0 || f.Inputs[0].Count != 40) {
				t.Errorf("allowed: %+v", f)
			}
		}
	}
}

func TestDecisionsAreNeitherLostNorDoubled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCounting()
		refused, read := map[string]int64{}, map[string]int64{}
		rules := rapid.SampledFrom([]string{"upload.rate", "upload.accept", "access.blob"})
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0, 1, 2:
				rule := rules.Draw(t, "rule")
				c.Refused(asked(rule, fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 40).Draw(t, "n"))))
				refused[rule]++
			case 3:
				rule := rules.Draw(t, "rule")
				c.Allowed(asked(rule, fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 40).Draw(t, "n"))))
				read[rule]++
			case 4:
				c.at.Add(rapid.Int64Range(-30, 100_000).Draw(t, "seconds"))
			case 5:
				c.record.away.Store(rapid.Bool().Draw(t, "away"))
			case 6:
				c.record.mute.Store(rapid.Bool().Draw(t, "mute"))
				c.record.conflicts.Store(rapid.Int64Range(0, 7).Draw(t, "conflicts"))
			case 7:
				_ = c.Flush(context.Background(), rapid.Bool().Draw(t, "all")) // what fails is what is tried here
			}
		}
		c.record.away.Store(false)
		c.record.mute.Store(false)
		c.record.conflicts.Store(0)
		if err := c.Flush(context.Background(), true); err != nil {
			t.Fatal(err)
		}
		gotRefused, gotRead := c.told(t)
		if fmt.Sprint(gotRefused) != fmt.Sprint(refused) || fmt.Sprint(gotRead) != fmt.Sprint(read) {
			t.Fatalf("refused %v of %v, read %v of %v", gotRefused, refused, gotRead, read)
		}
	})
}

// While the record is away for days, what waits does not grow with them.
func TestWhatWaitsIsBounded(t *testing.T) {
	c := newCounting()
	c.record.away.Store(true)
	const minutes = 2000
	for i := range minutes {
		c.Refused(asked("upload.rate", `{}`))
		for n := range 10 { // of a hundred different questions, as many as there are
			c.Allowed(asked("upload.accept", fmt.Sprintf(`{"n":%d}`, (10*i+n)%100)))
		}
		c.at.Add(60)
		if err := c.Flush(t.Context(), false); !errors.Is(err, event.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	c.record.away.Store(false)
	if err := c.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	refused, allowed := c.told(t)
	if facts := len(c.record.All()); refused["upload.rate"] != minutes || allowed["upload.accept"] != 10*minutes || facts > 300 {
		t.Errorf("%v and %v counted in %d facts", refused, allowed, facts)
	}
}

func TestDecisionsOfManyAtOnce(t *testing.T) {
	c := newCounting()
	const people, each = 16, 500
	var asking, flushing sync.WaitGroup
	over := make(chan struct{})
	flushing.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				c.at.Add(20)
				if err := c.Flush(t.Context(), false); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for i := range people {
		asking.Go(func() {
			for range each {
				c.Refused(asked("upload.rate", fmt.Sprintf(`{"n":%d}`, i)))
				c.Allowed(asked("access.blob", `{"own":true}`))
			}
		})
	}
	asking.Wait()
	close(over)
	flushing.Wait()
	if err := c.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	refused, read := c.told(t)
	if refused["upload.rate"] != people*each || read["access.blob"] != people*each {
		t.Errorf("refused %v, read %v", refused, read)
	}
}
