// Package policy is what the service promises: the published text, sentence by sentence,
// and the promises that each sentence rests on, with the parts that back them.
//
// Read it in this order: promise.go (a promise, its kind, and the parts its kind asks for),
// catalogue.go (all of them), text.go (the published text), operator.go (what only the
// operator can fill in). policies/promises.yaml and policies/policy.md hold the content;
// internal/published reads them. Then figure.go and evidence.go (what can be known of a
// promise at a moment), and standing.go (what follows from it).
//
// It never calls a promise kept without fresh evidence of every kind that the promise asks for,
// nor one that is not wholly built.
package policy
