package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/incident"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

// What is signed is in the world for ever: it must never come out differently.
func TestAuditStatement(t *testing.T) {
	got, err := usecase.AuditStatement(system.AuditCompleted{
		Through: 12, Whole: true, Objects: 3, Keys: 2, Tables: 1, Removed: 1, Signature: "not of itself",
		Findings: []system.Finding{{Code: "object.unknown", Promise: "image.no-permanent-store", Count: 1}},
	})
	const want = "bgremover audit v1\n" +
		`{"findings":[{"code":"object.unknown","count":1,"promise":"image.no-permanent-store"}],"keys":2,"objects":3,"removed":1,"tables":1,"through":12,"whole":true}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	none, err := usecase.AuditStatement(system.AuditCompleted{Findings: []system.Finding{}})
	if err != nil || string(none) != "bgremover audit v1\n"+`{"findings":[],"keys":0,"objects":0,"removed":0,"tables":0,"through":0,"whole":false}`+"\n" {
		t.Errorf("got %s, %v", none, err)
	}
}

// suspicions returns the suspected incidents, in order, as "code promise".
func (p *post) suspicions() (all []string) {
	for _, env := range p.record.All() {
		if f, ok := env.Fact.(incident.Suspected); ok {
			all = append(all, f.Code+" "+f.Promise)
		}
	}
	return all
}

func TestAuditIsRecordedAndSigned(t *testing.T) {
	p := newPost()
	p.kept(t, noon.Add(-time.Hour))
	done := p.audit(t)
	history, err := p.record.Load(t.Context(), system.AuditStream(noon))
	if err != nil || len(history) != 1 {
		t.Fatalf("recorded %v, %v", history, err)
	}
	fact := history[0].Fact.(system.AuditCompleted)
	statement, err := usecase.AuditStatement(fact)
	if err != nil || fact.Signature != fmt.Sprintf("signed %d bytes", len(statement)) || history[0].Seq != done.Seq {
		t.Errorf("recorded %+v as %d, %v", fact, done.Seq, err)
	}
	if got := p.suspicions(); !slices.Equal(got, []string{"object.overdue image.delete-24h"}) || !slices.Equal(done.Suspected, []string{"object.overdue"}) {
		t.Errorf("suspected %v, says %v", got, done.Suspected)
	}
	suspicion, err := p.record.Load(t.Context(), incident.SuspicionStream(history[0].ID))
	if err != nil || len(suspicion) != 1 || suspicion[0].Cause.Fact != history[0].ID {
		t.Errorf("the suspicion: %+v, %v", suspicion, err)
	}
}

// While something goes on, one suspicion is enough, also past midnight and over audits that saw too little.
func TestOneSuspicionForWhatGoesOn(t *testing.T) {
	plain := files{{Code: "file.unsealed", Promise: "image.no-permanent-store", Count: 1}}
	steps := []struct {
		after time.Duration
		files files
		lags  bool
		all   int // suspicions from then on
	}{
		{0, plain, false, 1},
		{10 * time.Minute, plain, false, 1},
		{10 * time.Minute, nil, true, 1}, // nobody knows
		{10 * time.Minute, plain, false, 1},
		{11 * time.Hour, plain, false, 1}, // nearly midnight
		{time.Hour, plain, false, 1},
		{22 * time.Hour, plain, false, 1},
		{2 * time.Hour, plain, false, 1}, // two days of it, and its beginning is no longer looked at
		{10 * time.Minute, nil, false, 1},
		{10 * time.Minute, plain, false, 2},
		{10 * time.Minute, plain, false, 2},
	}
	p := newPost()
	for i, step := range steps {
		p.at = p.at.Add(step.after)
		p.files, p.custody.Behind = step.files, 0
		if step.lags {
			p.custody.Behind = time.Hour
		}
		p.audit(t)
		if got := p.suspicions(); len(got) != step.all {
			t.Fatalf("after step %d: %v, want %d", i, got, step.all)
		}
	}
}

// A suspicion that was cut off is made up for by the next audit.
func TestSuspicionIsMadeUpFor(t *testing.T) {
	p := newPost()
	p.files = files{{Code: "file.unsealed", Promise: "image.no-permanent-store", Count: 1}}
	p.record.Refuse = func(a event.Append) error {
		if _, ok := a.Parts[0].Facts[0].Fact.(incident.Suspected); ok {
			return errors.New("cut off")
		}
		return nil
	}
	if _, err := p.sentinel.Do(t.Context(), nil); err == nil {
		t.Error("nobody says that it was cut off")
	}
	p.record.Refuse = nil
	p.at = p.at.Add(10 * time.Minute)
	p.audit(t)
	p.audit(t)
	if got := p.suspicions(); len(got) != 1 {
		t.Errorf("suspected %v", got)
	}
}

// looks is a check that sees what the test says.
type looks struct {
	usecase.Looked
	err    error
	panics bool
}

func (l *looks) check() usecase.Check {
	return usecase.Check{Name: "some.check", Promises: []string{"policy.dated"}, Look: func(context.Context) (usecase.Looked, error) {
		if l.panics {
			panic("a check's")
		}
		return l.Looked, l.err
	}}
}

func (p *post) checkFacts() (codes []string) {
	for _, env := range p.record.All() {
		switch f := env.Fact.(type) {
		case system.AuditCheckPassed:
			codes = append(codes, "passed")
		case system.AuditCheckFailed:
			codes = append(codes, f.Code)
		}
	}
	return codes
}

func TestChecksAreRecordedWhenTheyChangeAndHourly(t *testing.T) {
	p, l := newPost(), &looks{}
	p.checks = []usecase.Check{l.check()}
	fine, wrong := usecase.Looked{At: 3}, usecase.Looked{At: 3, Found: 1, Code: "page.undated"}
	steps := []struct {
		after      time.Duration
		sees       looks
		recorded   []string // by this step
		suspicions int
		broken     bool
	}{
		{0, looks{Looked: fine}, []string{"passed"}, 0, false},
		{10 * time.Minute, looks{Looked: fine}, nil, 0, false},
		{10 * time.Minute, looks{Looked: wrong}, []string{"page.undated"}, 1, true},
		{10 * time.Minute, looks{Looked: wrong}, nil, 1, true},
		{50 * time.Minute, looks{Looked: wrong}, []string{"page.undated"}, 1, true},
		{10 * time.Minute, looks{err: errors.New("away")}, []string{"check.failed_to_run"}, 1, false},
		{10 * time.Minute, looks{panics: true}, nil, 1, false},
		{10 * time.Minute, looks{}, []string{"check.looked_at_nothing"}, 1, false},
		{10 * time.Minute, looks{Looked: wrong}, []string{"page.undated"}, 1, true}, // it was never over
		{10 * time.Minute, looks{Looked: fine}, []string{"passed"}, 1, false},
		{time.Hour - time.Second, looks{Looked: fine}, nil, 1, false},
		{time.Second, looks{Looked: fine}, []string{"passed"}, 1, false},
		{time.Minute, looks{Looked: usecase.Looked{At: 1, Found: 1}}, []string{"some.check"}, 2, true}, // it has no code of its own
	}
	for i, step := range steps {
		p.at = p.at.Add(step.after)
		*l = step.sees
		before := len(p.checkFacts())
		done := p.audit(t)
		if got := p.checkFacts()[before:]; !slices.Equal(got, step.recorded) {
			t.Fatalf("step %d: recorded %v, want %v", i, got, step.recorded)
		}
		if got := p.suspicions(); len(got) != step.suspicions || done.Broken() != step.broken {
			t.Fatalf("step %d: suspected %v, want %d; broken %v", i, got, step.suspicions, done.Broken())
		}
	}
}

// One check that cannot be recorded keeps neither the audit nor the others.
func TestOneCheckKeepsNoOther(t *testing.T) {
	p := newPost()
	for _, name := range []string{"first", "second"} {
		p.checks = append(p.checks, usecase.Check{Name: name, Look: func(context.Context) (usecase.Looked, error) { return usecase.Looked{At: 1}, nil }})
	}
	p.record.Refuse = func(a event.Append) error {
		if f, ok := a.Parts[0].Facts[0].Fact.(system.AuditCheckPassed); ok && f.Check == "first" {
			return errors.New("too much")
		}
		return nil
	}
	p.sentinel.Checks = p.checks
	if _, err := p.sentinel.Do(t.Context(), nil); err == nil || len(p.checkFacts()) != 1 {
		t.Errorf("recorded %v, %v", p.checkFacts(), err)
	}
}

func TestIsPicture(t *testing.T) {
	tests := map[string]struct {
		head string
		is   bool
	}{
		"JPEG":          {"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", true},
		"PNG":           {"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", true},
		"GIF":           {"GIF89a\x01\x00\x01\x00\x80\x00", true},
		"an older GIF":  {"GIF87a\x01\x00\x01\x00\x80\x00", true},
		"WebP":          {"RIFF\x24\x00\x00\x00WEBP", true},
		"a sound":       {"RIFF\x24\x00\x00\x00WAVE", false},
		"sealed":        {"\x28\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56", false},
		"nothing":       {"", false},
		"a cut-off one": {"RIFF\x24\x00\x00\x00WEB", false},
	}
	for name, tt := range tests {
		if got := usecase.IsPicture([]byte(tt.head)); got != tt.is {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An audit ends with its process and leaves nothing behind.
func TestAuditEndsWithItsContext(t *testing.T) {
	p := newPost()
	p.kept(t, noon.Add(-time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.sentinel.Do(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, env := range p.record.All() {
		if _, ok := env.Fact.(image.Event); !ok {
			t.Errorf("recorded %s", env.Fact.EventName())
		}
	}
}

// Whoever asked for an audit goes away while it removes: what it removed is recorded all the same.
func TestAuditThatIsBrokenOffRecordsWhatItRemoved(t *testing.T) {
	p := newPost()
	p.kept(t, noon.Add(24*time.Hour))
	p.put(t, original(p.newImage()), time.Hour)
	ctx, leave := context.WithCancel(t.Context())
	p.shelf.gone = leave
	done, err := p.sentinel.Do(ctx, nil)
	if !errors.Is(err, context.Canceled) || done.Seq == 0 || done.Fact.Removed != 1 || !done.Fact.Whole {
		t.Errorf("got %+v, %v", done, err)
	}
	facts, err := p.record.Load(t.Context(), system.AuditStream(p.at))
	if err != nil || len(facts) != 1 {
		t.Errorf("recorded %+v, %v", facts, err)
	}
}
