// Package policies holds the rules that decide: what may be done with personal data, and
// by when it is gone. They are written in Rego, with the periods they rest on as data.
//
// A folder per subject: the rules, and their tests beside them. data/ has what rules look
// up by key, each entry with its source; schema.json says what an entry is. promises.yaml names the promises that rules keep;
// a rule's METADATA says which. .manifest has the revision, which decisions in the record
// name: raise it with every change of a rule or of data (revisions.json keeps the digests).
//
// Read retention/retention.rego first, then keys/keys.rego and sharing/sharing.rego. No rule reads a clock, the network
// or chance: the same revision gives the same answer to the same input, for ever.
package policies

import "embed"

// Bundle is everything a decision depends on.
//
//go:embed .manifest schema.json data/*.json
//go:embed access/access.rego child/child.rego consent/consent.rego keys/keys.rego marketing/marketing.rego model/model.rego retention/retention.rego sharing/sharing.rego transfer/transfer.rego upload/upload.rego
var Bundle embed.FS
