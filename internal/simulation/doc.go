// Package simulation says what other rules would have decided, over the whole record: for a
// change of the policy that is not in force yet.
//
// Each decision that the record holds is first made again under the revision that it was made under. If
// anything but the very same comes out, the simulation ends there, because nothing could be
// said on top of that. Then the candidate is asked the same question.
//
// Read it in this order: decision.go (what is taken out of a fact), judge.go (one decision under two
// bundles), run.go (all of them, in order, on every core), report.go (what is counted), text.go.
//
// It is per decision: it never imagines what would have happened after another answer, never calls the same what it
// could not compare, and changes nothing.
package simulation
