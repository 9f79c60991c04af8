// Package archtest checks the map of the repository: who lives where, and who
// may import whom. The lint rules in .golangci.yml say the same; here it is
// checked without a linter, along with what a linter cannot see.
//
// It reads the files itself: the result of a subprocess such as "go list" is
// invisible to the test cache, so a stale pass would be repeated. A check that
// finds nothing to check fails.
package archtest
