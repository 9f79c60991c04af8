// Package opa asks the rules of a policy bundle, with Open Policy Agent's engine.
//
// Read it in this order: policy.go (the bundle in force, and which of its rules are asked),
// retention.go and keys.go (what is asked of them), question.go (asking one), bundle.go and data.go
// (loading, checking and compiling), canonical.go (the input as it stands in the record). How a bundle
// gets there: archive.go and digest.go (its files), signature.go (who signed them), mistakes.go (what is wrong
// with it, by file and line), activate.go (taken in, and put in force), fetch.go (from a bundle server).
//
// It never answers yes by default: undefined, ambiguous, failing and malformed answers all
// deny. Rules get no clock, no network and no chance, and no rule is written in Go.
package opa
