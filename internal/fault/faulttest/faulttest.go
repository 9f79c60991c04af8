// Package faulttest is what the tests of failure in all packages share: how often each
// failure is tried, and one summary of what was tried.
package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Full says that everything is to be tried in its full number, as `make chaos` does.
func Full() bool { return os.Getenv("CHAOS") != "" }

// Times is how often a failure is tried: few times with every run of the tests, many times
// by `make chaos`.
func Times(few, many int) int {
	if Full() {
		return many
	}
	return few
}

// Counted tells what a test has tried, in its log and, a line each, in the file that
// CHAOS_COUNTS names: `make chaos` prints that at its end.
func Counted(t testing.TB, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	path := os.Getenv("CHAOS_COUNTS")
	if path == "" {
		return
	}
	verdict := "passed"
	if t.Failed() {
		verdict = "FAILED"
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // Whoever runs the tests names the file.
	if err != nil {
		t.Fatal(err)
	}
	program := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
	if _, err := fmt.Fprintf(f, "%s  %s/%s: %s\n", verdict, program, t.Name(), line); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
