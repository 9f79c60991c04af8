package usecase

import "slices"

// What an audit can find. The codes are permanent.
const (
	codeUnknown    = "object.unknown"     // the record knows no such picture
	codeOverdue    = "object.overdue"     // past its recorded time
	codeOfDeleted  = "object.of_deleted"  // its picture is deleted
	codeWithoutKey = "object.without_key" // nobody can read it, and its picture is not deleted
	codeUnsealed   = "object.unsealed"    // a picture in clear
	codeUnlisted   = "object.unlisted"    // the store has it and does not list it

	codeKeyUnused    = "key.without_object" // its picture is not deleted, and neither photo nor cutout is there
	codeKeyOverdue   = "key.overdue"        // the same, past the picture's time
	codeKeyOfDeleted = "key.of_deleted"     // the record says that it is destroyed
	codeKeyUnknown   = "key.unknown"        // the record knows no such picture

	codeTable    = "table.overdue" // rows older than their period
	codeHeld     = "table.held"    // the same, kept by a legal hold
	codeForeign  = "file.foreign"  // a file that is nobody's, where objects are
	codePlain    = "file.unsealed" // a picture in clear, outside the store
	codeNoPeriod = "table.without_period"

	codeIncomplete = "listing.incomplete" // not everything could be looked at
	codeLagging    = "record.lagging"     // the view that audits rest on is behind
)

// promiseOf names the promise that a finding breaks or endangers. Of tables, each knows its own.
var promiseOf = map[string]string{
	codeUnknown:    "image.no-permanent-store",
	codeOverdue:    "image.delete-24h",
	codeOfDeleted:  "image.no-permanent-store",
	codeWithoutKey: "image.no-permanent-store",
	codeUnsealed:   "image.no-permanent-store",
	codeUnlisted:   "secure.monitoring",

	codeKeyUnused:    "image.no-permanent-store",
	codeKeyOverdue:   "image.delete-24h",
	codeKeyOfDeleted: "image.no-permanent-store",
	codeKeyUnknown:   "image.no-permanent-store",

	codeForeign: "image.no-permanent-store",
	codePlain:   "image.no-permanent-store",

	codeIncomplete: "secure.monitoring",
	codeLagging:    "secure.monitoring",
}

// breaking are the findings that break a promise. The others endanger one: what they find cannot
// be read by anybody, or is not known well enough.
var breaking = []string{
	codeOverdue, codeUnsealed, codeUnlisted, codeKeyOverdue, codeKeyOfDeleted, codeTable, codePlain,
}

// BreaksPromise says whether a finding of this code breaks the promise that stands beside it.
func BreaksPromise(code string) bool { return slices.Contains(breaking, code) }
