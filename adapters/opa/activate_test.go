package opa

import (
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/policies"
)

// signed is this release's bundle after a change, raised to a revision and signed.
func signed(t *testing.T, by signer, change func(content map[string][]byte)) []byte {
	t.Helper()
	b, err := ReadFolder(policies.Bundle)
	must(t, err)
	b = altered(t, b, func(content map[string][]byte) {
		content[".manifest"] = []byte(`{"revision": "1000"}`)
		if change != nil {
			change(content)
		}
	})
	b, err = b.Sign(by.private, by.id)
	must(t, err)
	archive, err := b.Archive()
	must(t, err)
	return archive
}

// replace changes one place in a file.
func replace(t *testing.T, name, was, becomes string) func(map[string][]byte) {
	return func(content map[string][]byte) {
		if !strings.Contains(string(content[name]), was) {
			t.Errorf("%s has no %q", name, was)
		}
		content[name] = []byte(strings.Replace(string(content[name]), was, becomes, 1))
	}
}

// A mistake is told with file, line and promise; the rules in force stay.
func TestBundlesReadTellsMistakes(t *testing.T) {
	by := newSigner(t, "ours-1")
	p, err := New(t.Context(), Config{Bundle: policies.Bundle, ImagePeriod: 3600e9})
	must(t, err)
	before := p.Revision()
	bundles := Bundles{Keys: by.keys(t), Policy: p}
	tests := map[string]struct {
		given []byte
		code  string
		says  []string
	}{
		"whole": {given: signed(t, by, nil)},
		"a syntax error": {
			signed(t, by, replace(t, "retention/retention.rego", "default deadline := {", "default deadline := {{")), codeRules,
			[]string{"retention/retention.rego:", "(promise image.delete-24h"},
		},
		"an unsafe rule": {
			signed(t, by, replace(t, "keys/keys.rego", "default lifetime :=", "lifetime := wrong\n\ndefault lifetime :=")), codeRules,
			[]string{"keys/keys.rego:", "wrong", "(promise "},
		},
		"a function that asks the time": {
			signed(t, by, replace(t, "child/child.rego", "package child", "package child\n\nnow := time.now_ns()")), codeRules,
			[]string{"child/child.rego:", "time.now_ns"},
		},
		"a rule missing": {
			signed(t, by, func(content map[string][]byte) { delete(content, "keys/keys.rego") }), codeRules,
			[]string{"the rule keys.due is missing"},
		},
		"data of another type": {
			signed(t, by, replace(t, "data/retention.json", `"lead_s": 30`, `"lead_s": "soon"`)), codeRules,
			[]string{"data/retention.json:", "periods.image", "(promise image.delete-24h)"},
		},
		"data that is no JSON": {
			signed(t, by, replace(t, "data/access.json", `"views": true,`, `"views": tru,`)), codeRules,
			[]string{"data/access.json:"},
		},
		"a setting that it does not allow": {
			signed(t, by, replace(t, "data/retention.json", `86400}, "lead_s": 30`, `60}, "lead_s": 30`)), codeRules,
			[]string{"--delete-after"},
		},
		"no archive": {[]byte("x"), codeArchive, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := bundles.Read(t.Context(), tt.given)
			if codeOf(err) != tt.code {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if fit := p.Fit(t.Context(), tt.given); codeOf(fit) != tt.code { // nor may it come into force later
				t.Errorf("it fits: %v, want %q", fit, tt.code)
			}
			if err == nil {
				if b.Revision != 1000 || b.SignedBy != "ours-1" || len(b.Digest) != 64 {
					t.Errorf("got revision %d, signed by %q", b.Revision, b.SignedBy)
				}
				return
			}
			refused, _ := refusal.As(err)
			for _, want := range tt.says {
				if !strings.Contains(refused.Text, want) {
					t.Errorf("%q does not say %q", refused.Text, want)
				}
			}
		})
	}
	if _, err := (Bundles{Policy: p}).Read(t.Context(), signed(t, by, nil)); codeOf(err) != ErrNoKeys.Code {
		t.Errorf("without keys: %v", err)
	}
	if p.Revision() != before {
		t.Errorf("revision %d is in force now", p.Revision())
	}
}

func TestEntryIn(t *testing.T) {
	const file = "{\n \"a\": {\n  \"promise\": \"x.y\",\n  \"b\": {\"source\": \"our policy, promise z.z-1: why\",\n   \"c\": 1}\n }\n}"
	tests := map[string]struct {
		entry   string
		line    int
		promise string
	}{
		"the whole":     {"(root)", 1, ""},
		"a member":      {"a", 2, "x.y"},
		"inside":        {"a.b", 4, "z.z-1"},
		"deeper":        {"a.b.c", 5, "z.z-1"},
		"not there":     {"a.b.d", 4, "z.z-1"},
		"of another":    {"q.r", 1, ""},
		"behind a text": {"a.promise.x", 3, "x.y"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if line, promise := entryIn([]byte(file), tt.entry); line != tt.line || promise != tt.promise {
				t.Errorf("line %d, promise %q", line, promise)
			}
		})
	}
}
