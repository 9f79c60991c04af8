package id_test

import (
	"testing"

	"github.com/bgremover/bgremover/domain/id"
)

func TestParseImage(t *testing.T) {
	tests := map[string]bool{
		"01900000-0000-7000-8000-00000000abcd":   true,
		"01900000-0000-7000-8000-00000000ABCD":   false, // one spelling only
		"01900000-0000-7000-8000-00000000abc":    false,
		"01900000-0000-7000-8000-00000000abcde":  false,
		"01900000x0000-7000-8000-00000000abcd":   false,
		"../../../../../../../../../../etc/pass": false,
		"":                                       false,
	}
	for s, want := range tests {
		if _, got := id.ParseImage(s); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
}
