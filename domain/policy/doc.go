// Package policy is what the service promises: the published text, sentence by sentence,
// and the promises that each sentence rests on, with the parts that back them.
//
// Read it in this order: promise.go (a promise, its kind, and the parts its kind asks for),
// catalogue.go (all of them), text.go (the published text), operator.go (what only the
// operator can fill in). policies/promises.yaml and policies/policy.md hold the content;
// internal/published reads them.
//
// It never calls a promise kept. It says what is built; whether what is built works today
// is for evidence from the record to say.
package policy
