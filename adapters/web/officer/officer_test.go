package officer

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/projections/trail"
)

// The link of a query asks for the same again: that is how pages follow each other.
func TestLinksKeepTheQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[!-~]{0,20}`)
		seconds := rapid.Int64Range(0, 253402300799) // of the years that the record knows
		q := query{
			Type: event.Name(text.Draw(t, "type")), Subject: event.Stream(text.Draw(t, "subject")),
			Oldest: rapid.Bool().Draw(t, "oldest"), Seq: rapid.Int64Range(0, 1<<40).Draw(t, "seq"),
		}
		when := func(name string) (at time.Time) {
			if n := seconds.Draw(t, name); n > 0 {
				at = time.Unix(n, 0).UTC()
			}
			return at
		}
		q.From, q.Before = when("from"), when("before")
		if seq := rapid.Int64Range(0, 9).Draw(t, "as of a fact"); seq > 0 {
			q.AsOf.Seq = seq
		} else if at := when("as of"); !at.IsZero() {
			q.AsOf.Time = at.Add(time.Duration(rapid.IntRange(0, 999).Draw(t, "ms")) * time.Millisecond)
		}
		link, err := url.Parse(q.link())
		if err != nil || link.Path != logPath {
			t.Fatalf("%s: %v", q.link(), err)
		}
		if got, err := readQuery(link.Query()); err != nil || got != q {
			t.Fatalf("%s reads as %+v, %v", q.link(), got, err)
		}
	})
}

func FuzzReadQuery(f *testing.F) {
	f.Add("type=image.deleted.v1&subject=image%2F1&from=2026-03-02T12:00&before=x&as_of=7&order=oldest&seq=-1")
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		q, err := readQuery(v)
		if q.Seq < 0 || q.AsOf.Seq < 0 {
			t.Errorf("%s is %+v", raw, q)
		}
		if again, err2 := url.Parse(q.link()); err2 != nil || err == nil && again.Path != logPath {
			t.Errorf("%s: %v", q.link(), err2)
		}
	})
}

// told writes a tree of effects as text.
func told(effects []effect) string {
	var words []string
	for _, e := range effects {
		word := fmt.Sprint(e.Seq)
		if len(e.Led) > 0 {
			word += "(" + told(e.Led) + ")"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestEffectsStandBelowTheirCauses(t *testing.T) {
	fact := func(seq int64, cause id.Fact) trail.Fact {
		return trail.Fact{Seq: seq, ID: id.Fact(fmt.Sprint("f", seq)), Cause: cause}
	}
	tests := map[string]struct {
		given []trail.Fact
		then  string
	}{
		"none":     {nil, ""},
		"a row":    {[]trail.Fact{fact(2, "f1"), fact(3, "f2"), fact(4, "f3")}, "2(3(4))"},
		"siblings": {[]trail.Fact{fact(2, "f1"), fact(3, "f1"), fact(5, "f2"), fact(6, "f3"), fact(7, "f2")}, "2(5 7) 3(6)"},
		"cut off":  {[]trail.Fact{fact(2, "f1"), fact(9, "f8")}, "2 9"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := told(treeOf("f1", "image/1", tt.given)); got != tt.then {
				t.Errorf("got %s, want %s", got, tt.then)
			}
		})
	}
}

func TestMomentsStayInTheForm(t *testing.T) {
	for _, m := range []moment.Moment{{}, {Seq: 7}, {Time: time.Date(2026, 3, 2, 12, 0, 0, 250e6, time.UTC)}} {
		if got, err := moment.Parse(asOfInForm(m)); err != nil || got != m {
			t.Errorf("%q reads as %+v, %v", asOfInForm(m), got, err)
		}
	}
}
