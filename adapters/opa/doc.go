// Package opa asks the rules of a policy bundle, with Open Policy Agent's engine.
//
// Read it in this order: retention.go and keys.go (the questions there are), policy.go (asking one),
// bundle.go and data.go (loading, checking and compiling, once, at start), canonical.go (the
// input as it stands in the record).
//
// It never answers yes by default: undefined, ambiguous, failing and malformed answers all
// deny. Rules get no clock, no network and no chance, and no rule is written in Go.
package opa
