package policies

import "embed"

// Published is what people are promised: the promises, the text that makes them, and the
// versions that this text had before. internal/published reads it.
//
// A version that was published never changes: give policy.md the next version and a date, copy
// the one before to versions/<n>.md, and add the digest that the test tells to versions/digests.json.
//
//go:embed promises.yaml policy.md versions
var Published embed.FS
