package officer

import (
	"io/fs"
	"regexp"
	"testing"

	"github.com/bgremover/bgremover/policies"
)

// Whatever the rules of sharing refuse for is shown in words.
func TestEveryReasonHasWords(t *testing.T) {
	rules, err := fs.ReadFile(policies.Bundle, "sharing/sharing.rego")
	if err != nil {
		t.Fatal(err)
	}
	conditions := regexp.MustCompile(`(?m)^\t\t"([a-z_]+)": `).FindAllSubmatch(rules, -1)
	if len(conditions) < 10 {
		t.Fatalf("only %d conditions: is a rule's object \"granted\" still written so?", len(conditions))
	}
	for _, c := range append(conditions, [][]byte{nil, []byte("never")}) {
		if reasons[string(c[1])] == "" {
			t.Errorf("%s has no words", c[1])
		}
	}
}
