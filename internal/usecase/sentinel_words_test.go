package usecase_test

import (
	"testing"

	"github.com/bgremover/bgremover/internal/usecase"
)

// What people read of a finding is never its code, and what is unknown is not hidden.
func TestFindingsAreSaidInWords(t *testing.T) {
	for code, want := range map[string]string{
		"object.overdue":          "stored objects past their photo's time",
		"key.of_deleted":          "living keys that the record has destroyed",
		"check.looked_at_nothing": "there was nothing to look at",
		"transport.plain":         "something is reached without HTTPS, or does not insist on it",
		"policy.contradiction":    "the policy contradicts the rules' data or the settings",
		"of.another.release":      "of.another.release",
	} {
		if got := usecase.InWords(code); got != want {
			t.Errorf("%s is said as %q", code, got)
		}
	}
}
