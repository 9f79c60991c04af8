package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/policy"
)

func version(n int, digest string) policy.Published {
	return policy.Published{Version: n, Date: "2026-03-02", Digest: digest, Text: digest}
}

func TestDecidePublication(t *testing.T) {
	one, two, other := version(1, "a"), version(2, "b"), version(1, "c")
	moved := one
	moved.Date = "2026-03-03"
	tests := map[string]struct {
		published, versions []policy.Published
		fresh               int
		says                string
	}{
		"the first":            {nil, []policy.Published{one}, 1, ""},
		"nothing new":          {[]policy.Published{one}, []policy.Published{one}, 0, ""},
		"the next":             {[]policy.Published{one}, []policy.Published{one, two}, 1, ""},
		"two at once":          {nil, []policy.Published{one, two}, 2, ""},
		"another text":         {[]policy.Published{one}, []policy.Published{other}, 0, "version 1 was published with another text"},
		"an old text, changed": {[]policy.Published{one, two}, []policy.Published{other, two}, 0, "version 1 was published with another text"},
		"another date":         {[]policy.Published{one}, []policy.Published{moved}, 0, "version 1 was published with another text"},
		"an older release":     {[]policy.Published{one, two}, []policy.Published{one}, 0, "version 2 was published, and this release does not have it"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fresh, err := policy.DecidePublication(tt.published, tt.versions)
			if len(fresh) != tt.fresh || (err == nil) != (tt.says == "") || err != nil && err.Error() != tt.says {
				t.Errorf("got %v, %v", fresh, err)
			}
		})
	}
}

// Whatever releases follow each other, what was published once stays in front, and the rest is published in order.
func TestPublicationsGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var versions []policy.Published
		for n := range rapid.IntRange(1, 5).Draw(t, "versions") {
			versions = append(versions, version(n+1, rapid.StringN(1, 4, -1).Draw(t, "text")))
		}
		had := rapid.IntRange(0, len(versions)).Draw(t, "published")
		fresh, err := policy.DecidePublication(versions[:had], versions)
		if err != nil || len(fresh) != len(versions)-had {
			t.Fatalf("%d of %d published: %d fresh, %v", had, len(versions), len(fresh), err)
		}
	})
}
