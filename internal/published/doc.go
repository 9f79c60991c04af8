// Package published reads what the service promises: promises.yaml, and every version of
// the text that makes those promises.
//
// Read it in this order: load.go (all of it, and what must agree), promises.go (the YAML),
// text.go (the text's small part of Markdown, a sentence a line), line.go (what stands in a
// line), rules.go (the source of rules, for reading), mistake.go. What it returns is the vocabulary of domain/policy.
//
// It refuses what it does not understand, and says in which file and line, and of which
// promise. Whether the parts that a promise names exist in the code is for its tests to say: a
// running service cannot look.
package published
