package event_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// questions are canonical objects, with the names of what they may hold.
func question(t *rapid.T) (whole json.RawMessage, names []string) {
	values := rapid.OneOf(
		rapid.Just[any](true), rapid.Just[any](nil),
		rapid.Map(rapid.Int64Range(-1<<53+1, 1<<53-1), func(n int64) any { return n }),
		rapid.Map(rapid.StringMatching(`[ -~]{0,20}`), func(s string) any { return s }),
		rapid.Map(rapid.SliceOfN(rapid.StringMatching(`[a-z_]{1,8}`), 0, 3), func(s []string) any { return s }),
	)
	all := rapid.MapOf(rapid.StringMatching(`[a-z_]{1,6}`), values).Draw(t, "attributes")
	var written strings.Builder
	enc := json.NewEncoder(&written)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(all); err != nil {
		t.Fatal(err)
	}
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return json.RawMessage(strings.TrimSpace(written.String())), names
}

// Whatever is asked and whichever attributes are personal: they are nowhere in the open part, and the whole is put
// together as the very bytes.
func TestQuestionsComeTogetherAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, names := question(t)
		closed := map[string]bool{"never_asked": rapid.Bool().Draw(t, "one that is not there")}
		for _, name := range names {
			closed[name] = rapid.Bool().Draw(t, name+" is personal")
		}
		maps.DeleteFunc(closed, func(_ string, is bool) bool { return !is })
		attributes := slices.Sorted(maps.Keys(closed))

		var d event.Decision
		if err := d.Ask(whole, attributes); err != nil {
			t.Fatal(err)
		}
		if again, ok := d.Question(); !ok || string(again) != string(whole) {
			t.Fatalf("asked %s, and it comes out as %s, %v", whole, again, ok)
		}
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		var open map[string]any
		if err := json.Unmarshal(d.Input, &open); err != nil {
			t.Fatal(err)
		}
		for name := range closed {
			if _, there := open[name]; there {
				t.Fatalf("%s is personal, and stands in %s", name, d.Input)
			}
		}
		if len(closed) == 0 {
			return
		}
		for _, state := range []personal.Text{personal.Sealed, personal.Erased, {}} {
			gone := d
			gone.Sealed = state
			if part, ok := gone.Question(); ok {
				t.Fatalf("a question whose personal part is %q came out as %s", state, part)
			}
		}
	})
}

func TestNotAQuestion(t *testing.T) {
	for given, attributes := range map[string][]string{
		``:                   {"a"},
		`null`:               {"a"},
		`[]`:                 {"a"},
		`{"a":1} `:           {"a"},
		`{"b":1,"a":2}`:      {"a"},
		`{"a":1,"a":2}`:      {"a"},
		`{"a":1,"b": 2}`:     {"a"},
		`{"\u0061":1}`:       {"a"},
		`{"a":1,"b":2,"":3}`: {"a"},
		`{"a":1,"c":2}`:      {"c", "a"},
		`{"a":1,"c":3}`:      {"a", "a"},
		`{"a":1,"d":3}`:      {"a", "\""},
	} {
		d := event.Decision{Outcome: "deny"}
		if err := d.Ask(json.RawMessage(given), attributes); err == nil || d.Input != nil || d.Personal != nil {
			t.Errorf("%s without %v was taken: %v, %s", given, attributes, err, d.Input)
		} else if strings.Contains(err.Error(), `"a"`) {
			t.Errorf("the error quotes the question: %v", err)
		}
	}
}

func TestDecisionsInParts(t *testing.T) {
	for name, tt := range map[string]struct {
		given event.Decision
		whole string // "": it cannot be had
		fails bool
	}{
		"nothing personal":       {given: event.Decision{Input: json.RawMessage(`{"a":1}`)}, whole: `{"a":1}`},
		"left out":               {given: event.Decision{}},
		"both parts":             {given: event.Decision{Input: json.RawMessage(`{"b":1}`), Personal: []string{"a"}, Sealed: personal.Of(`{"a":2}`)}, whole: `{"a":2,"b":1}`},
		"not asked with":         {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"a"}, Sealed: personal.Of(`{}`)}, whole: `{}`},
		"erased":                 {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"a"}, Sealed: personal.Erased}},
		"erased, and open":       {given: event.Decision{Input: json.RawMessage(`{"a":1}`), Personal: []string{"a"}, Sealed: personal.Erased}, fails: true},
		"sealed without a name":  {given: event.Decision{Input: json.RawMessage(`{}`), Sealed: personal.Of(`{"a":1}`)}, whole: `{}`, fails: true},
		"a name without a part":  {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"a"}}, fails: true},
		"another than named":     {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"a"}, Sealed: personal.Of(`{"b":1}`)}, fails: true},
		"in both parts":          {given: event.Decision{Input: json.RawMessage(`{"a":1}`), Personal: []string{"a"}, Sealed: personal.Of(`{"a":1}`)}, fails: true},
		"no object":              {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"a"}, Sealed: personal.Of(`1`)}, fails: true},
		"not canonical":          {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"a", "b"}, Sealed: personal.Of(`{"b":1,"a":2}`)}, whole: `{"a":2,"b":1}`, fails: true},
		"names not sorted":       {given: event.Decision{Input: json.RawMessage(`{}`), Personal: []string{"b", "a"}, Sealed: personal.Sealed}, fails: true},
		"left out, but personal": {given: event.Decision{Personal: []string{"a"}, Sealed: personal.Sealed}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			whole, ok := tt.given.Question()
			if ok != (tt.whole != "") || ok && string(whole) != tt.whole {
				t.Errorf("the question is %s, %v", whole, ok)
			}
			if err := tt.given.Check(); (err != nil) != tt.fails {
				t.Errorf("checked: %v", err)
			}
		})
	}
}

// However a decision is printed, what is personal in it is not.
func TestDecisionsHideWhatIsPersonal(t *testing.T) {
	d := event.Decision{Rule: "sharing.share"}
	if err := d.Ask(json.RawMessage(`{"country":"FR","objected":"canary"}`), []string{"objected"}); err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(written), fmt.Sprint(d), fmt.Sprintf("%+v %#v", d, &d)} {
		if strings.Contains(text, "canary") {
			t.Errorf("printed: %s", text)
		}
	}
	if want := `{"rule":"sharing.share","promises":null,"revision":0,"outcome":"","input":{"country":"FR"},"personal":["objected"]}`; string(written) != want {
		t.Errorf("written as %s, want %s", written, want)
	}
}
