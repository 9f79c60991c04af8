package opa

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/policies"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)

func policy(t testing.TB, period time.Duration) *Policy {
	t.Helper()
	p, err := New(t.Context(), Config{Bundle: policies.Bundle, ImagePeriod: period})
	must(t, err)
	return p
}

// as returns the decision that a rule is expected to make.
func as(rule, promise, outcome, input string) event.Decision {
	return event.Decision{Rule: rule, Promises: []string{promise}, Revision: 5, Outcome: outcome, Input: json.RawMessage(input)}
}

func wantDecision(t *testing.T, got, want event.Decision) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decided %+v, input %s; want %+v, input %s", got, got.Input, want, want.Input)
	}
}

func TestDeadline(t *testing.T) {
	due, d, err := policy(t, 24*time.Hour).Deadline(t.Context(), noon.In(time.FixedZone("", 3600)))
	if err != nil || !due.Equal(noon.Add(24*time.Hour)) || due.Location() != time.UTC {
		t.Errorf("due %v, %v", due, err)
	}
	wantDecision(t, d, as("retention.deadline", "image.delete-24h", "allow",
		`{"kind":"image","period_s":86400,"uploaded":"2026-03-02T12:00:00.123456Z"}`))
}

// Whatever the period and whenever the upload: never a deadline past a day, never another than configured.
func TestDeadlineIsNeverPastADay(t *testing.T) {
	asked := policy(t, time.Hour)
	rapid.Check(t, func(t *rapid.T) {
		asked.period = rapid.Int64Range(-100, 2*86400).Draw(t, "period")
		at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		due, d, err := asked.Deadline(context.Background(), at)
		lawful := 0 < asked.period && asked.period <= 86400
		switch {
		case lawful && (err != nil || !due.Equal(at.Add(time.Duration(asked.period)*time.Second)) || d.Outcome != "allow"):
			t.Fatalf("%v, %+v, %v", due, d, err)
		case !lawful && (!errors.Is(err, image.ErrNoDeadline) || !due.IsZero() || d.Outcome != "deny"):
			t.Fatalf("%v, %+v, %v", due, d, err)
		}
	})
}

func TestYesOrNo(t *testing.T) {
	p, ctx := policy(t, time.Hour), t.Context()
	tests := map[string]struct {
		ask     func() (bool, event.Decision, error)
		yes     bool
		decided event.Decision
	}{
		"downloaded whole": {
			ask:     func() (bool, event.Decision, error) { return p.Downloaded(ctx, true) },
			yes:     true,
			decided: as("retention.downloaded", "image.delete-on-download", "allow", `{"kind":"image","whole":true}`),
		},
		"downloaded in part": {
			ask:     func() (bool, event.Decision, error) { return p.Downloaded(ctx, false) },
			decided: as("retention.downloaded", "image.delete-on-download", "deny", `{"kind":"image","whole":false}`),
		},
		"not due": {
			ask: func() (bool, event.Decision, error) {
				return p.Due(ctx, noon, noon.Add(-30*time.Second-time.Nanosecond))
			},
			decided: as("retention.due", "image.delete-24h", "deny",
				`{"due":"2026-03-02T12:00:00.123456Z","kind":"image","now":"2026-03-02T11:59:30.123455999Z"}`),
		},
		"due": {
			ask: func() (bool, event.Decision, error) { return p.Due(ctx, noon, noon) },
			yes: true,
			decided: as("retention.due", "image.delete-24h", "allow",
				`{"due":"2026-03-02T12:00:00.123456Z","kind":"image","now":"2026-03-02T12:00:00.123456Z"}`),
		},
		"requested": {
			ask:     func() (bool, event.Decision, error) { return p.Requested(ctx) },
			yes:     true,
			decided: as("retention.requested", "right.delete", "allow", `{"kind":"image"}`),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			yes, d, err := tt.ask()
			if yes != tt.yes || err != nil {
				t.Errorf("got %v, %v; want %v", yes, err, tt.yes)
			}
			wantDecision(t, d, tt.decided)
		})
	}
}

func TestConfiguredPeriod(t *testing.T) {
	for period, want := range map[time.Duration][]string{
		time.Second:                    nil,
		24 * time.Hour:                 nil,
		24*time.Hour + time.Second:     {"--delete-after 24h0m1s", "24h0m0s at the latest", "revision 5"},
		24*time.Hour + time.Nanosecond: {"--delete-after", "whole seconds"},
		0:                              {"--delete-after 0s", "no period"},
		-time.Hour:                     {"--delete-after -1h0m0s", "no period"},
	} {
		_, err := New(t.Context(), Config{Bundle: policies.Bundle, ImagePeriod: period})
		if (err == nil) != (want == nil) {
			t.Errorf("%v: %v", period, err)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v: %q does not say %q", period, err, part)
			}
		}
	}
}

// with returns the bundle with one file replaced; "" removes it.
func with(t testing.TB, name, content string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	must(t, fs.WalkDir(policies.Bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.Bundle, name)
		files[name] = &fstest.MapFile{Data: content}
		return err
	}))
	delete(files, name)
	if content != "" {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return files
}

func TestBrokenBundles(t *testing.T) {
	rules, err := fs.ReadFile(policies.Bundle, "retention/retention.rego")
	must(t, err)
	replaced := func(was, becomes string) string {
		if !strings.Contains(string(rules), was) {
			t.Fatalf("%q stands nowhere", was)
		}
		return strings.ReplaceAll(string(rules), was, becomes)
	}
	for name, files := range map[string]fs.FS{
		"no manifest":          with(t, ".manifest", ""),
		"revision is a word":   with(t, ".manifest", `{"revision": "newest"}`),
		"revision is nothing":  with(t, ".manifest", `{"revision": "0"}`),
		"no periods":           with(t, "data/retention.json", ""),
		"data is damaged":      with(t, "data/retention.json", `{"periods":`),
		"data stands twice":    with(t, "data/other.json", `{"periods": {}}`),
		"no rules":             with(t, "retention/retention.rego", ""),
		"rules are damaged":    with(t, "retention/retention.rego", "package retention\n\ndue := "),
		"a rule is missing":    with(t, "retention/retention.rego", replaced("requested := ", "wished := ")),
		"no promise":           with(t, "retention/retention.rego", replaced("promises: [right.delete]", "promises: []")),
		"no metadata":          with(t, "retention/retention.rego", replaced("# METADATA", "#")),
		"asks the clock":       with(t, "retention/retention.rego", replaced("time.parse_rfc3339_ns(input.now)", "time.now_ns()")),
		"not in the schema":    with(t, "retention/retention.rego", replaced("is_boolean(input.whole)", "is_boolean(input.part)")),
		"not strict":           with(t, "retention/retention.rego", replaced("is_boolean(input.whole)", "unused := input.whole")),
		"period is no period":  with(t, "data/retention.json", `{"periods": {"image": {"maximum_s": 0}}}`),
		"no deadline is given": with(t, "retention/retention.rego", replaced(`"due": due, `, "")),
	} {
		if _, err := New(t.Context(), Config{Bundle: files, ImagePeriod: time.Hour}); err == nil {
			t.Errorf("%s: the service starts", name)
		}
	}
}

// Whatever a rule answers that is not a clear yes, nothing is allowed.
func TestUnclearAnswersDeny(t *testing.T) {
	const head = `package retention

# METADATA
# scope: document
# custom:
#   promises: [image.delete-24h]
`
	for name, body := range map[string]string{
		"undefined":        `due := {"decided": true, "allow": true} if input.now == "never"`,
		"ambiguous":        "due := {\"decided\": true, \"allow\": true} if input.kind\n\ndue := {\"decided\": true, \"allow\": false} if input.now",
		"a built-in fails": `due := {"decided": true, "allow": time.parse_rfc3339_ns(input.kind) > 0}`,
		"not decided":      `due := {"decided": false, "allow": true}`,
		"only allowed":     `due := {"allow": true}`,
		"allow is text":    `due := {"decided": true, "allow": "true"}`,
		"just true":        `due := true`,
		"a set":            `due contains "allow"`,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := load(with(t, "retention/retention.rego", head+body+"\n"))
			must(t, err)
			q, err := b.prepare(t.Context(), "retention.due")
			must(t, err)
			var p Policy
			p.inForce.Store(&ruleset{questions: map[string]*question{"retention.due": q}})
			yes, d, err := p.Due(t.Context(), noon, noon)
			if yes || !errors.Is(err, ErrDenied) || d.Outcome != "deny" || d.Rule != "retention.due" || len(d.Input) == 0 {
				t.Errorf("got %v, %+v, %v; want a denial", yes, d, err)
			}
		})
	}
}

// A caller who has gone was not refused anything.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := because(ctx, ErrDenied, errUndecided); !errors.Is(err, ErrDenied) || !errors.Is(err, errUndecided) {
		t.Errorf("while the caller waits: %v", err)
	}
	cancel()
	if err := because(ctx, ErrDenied, errUndecided); errors.Is(err, ErrDenied) || !errors.Is(err, context.Canceled) {
		t.Errorf("once the caller has gone: %v", err)
	}
}

func TestCanonical(t *testing.T) {
	got, err := canonical(map[string]any{"b": true, "a_1": int64(-5), "Z": "2026-03-02T12:00:00+01:00", "": `"\`, "f": []string{"b", "a"}, "n": []string{}})
	if want := `{"":"\"\\","Z":"2026-03-02T12:00:00+01:00","a_1":-5,"b":true,"f":["b","a"],"n":[]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for _, value := range []any{nil, 1, 1.5, int64(1) << 53, -(int64(1) << 53), "ü", "\u2028", "<", "\n", []any{}, map[string]any{}, []string{"ü"}, []string(nil)} {
		if got, err := canonical(map[string]any{"a": value}); !errors.Is(err, errNotCanonical) {
			t.Errorf("%#v: got %s, %v", value, got, err)
		}
	}
}

func BenchmarkDecision(b *testing.B) {
	p := policy(b, 24*time.Hour)
	for name, ask := range map[string]func() error{
		"deadline":   func() error { _, _, err := p.Deadline(b.Context(), noon); return err },
		"downloaded": func() error { _, _, err := p.Downloaded(b.Context(), true); return err },
		"due":        func() error { _, _, err := p.Due(b.Context(), noon, noon); return err },
		"requested":  func() error { _, _, err := p.Requested(b.Context()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, ask())
			}
		})
	}
}

// BenchmarkRatio compares a decision of the upload path, with all rules and data loaded, with the evaluation
// of the smallest rule that there can be, side by side; it reports the medians' ratio.
func BenchmarkRatio(b *testing.B) {
	one, err := compile(map[string]*ast.Module{"one.rego": ast.MustParseModule("package one\n\na := {\"decided\": true, \"allow\": true} if input.kind == \"image\"\n")})
	must(b, err)
	query, err := rego.New(rego.Query("data.one.a"), rego.Compiler(one)).PrepareForEval(b.Context())
	must(b, err)
	bare := &question{rule: "one.a", query: query}
	p := policy(b, 24*time.Hour)
	var whole, alone []time.Duration
	for b.Loop() {
		start := time.Now()
		_, _, err := p.Deadline(b.Context(), noon)
		must(b, err)
		between := time.Now()
		_, err = bare.evaluate(b.Context(), json.RawMessage(`{"kind":"image"}`))
		must(b, err)
		whole, alone = append(whole, between.Sub(start)), append(alone, time.Since(between))
	}
	slices.Sort(whole)
	slices.Sort(alone)
	ratio := float64(whole[len(whole)/2]) / float64(alone[len(alone)/2])
	b.ReportMetric(ratio, "×one-rule")
	if len(whole) > 1000 && ratio > 6 {
		b.Errorf("a decision takes %.1f times as long as one rule; 6 is the most", ratio)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		policy(b, time.Hour)
	}
}
