package usecase

// inWords says what a code of an audit or of a check of the live service means, to people who read
// neither. Which checks there are is decided where they are wired.
var inWords = map[string]string{
	codeUnknown:    "stored objects of which the record knows nothing",
	codeOverdue:    "stored objects past their photo's time",
	codeOfDeleted:  "stored objects of deleted photos, which nobody can read",
	codeWithoutKey: "stored objects that nobody can read, of photos that are not deleted",
	codeUnsealed:   "pictures in clear in the store",
	codeUnlisted:   "objects that the store has and does not list",

	codeKeyUnused:    "keys of photos of which nothing is stored",
	codeKeyOverdue:   "keys past their photo's time, of which nothing is stored",
	codeKeyOfDeleted: "living keys that the record has destroyed",
	codeKeyUnknown:   "keys of photos of which the record knows nothing",

	codeTable:    "rows older than their period",
	codeHeld:     "rows older than their period, kept by a legal hold",
	codeForeign:  "foreign files where the objects are",
	codePlain:    "pictures in clear among the service's files",
	codeNoPeriod: "tables without a period",

	codeIncomplete: "not everything could be listed",
	codeLagging:    "what audits rest on is behind the record",

	codeLookedAtNothing: "there was nothing to look at",
	codeFailedToRun:     "the check could not run; the log says why",

	"cookie.set":           "a public page sets a cookie",
	"cookie.needed":        "something does not work without cookies",
	"origin.foreign":       "a public page loads something from elsewhere",
	"transport.plain":      "something is reached without HTTPS, or does not insist on it",
	"region.not_shown":     "the policy does not show the region that is set",
	"region.not_declared":  "the record does not have the region that is set",
	"contact.not_shown":    "the policy does not show the contact that is set",
	"policy.undated":       "a version of the policy has no date, or cannot be read",
	"usage.column_unknown": "figures have a column of which nobody said that it names no person",
	"basis.missing":        "a purpose has no legal basis",
	"policy.text_changed":  "a version of the policy is not the one that was published",
	"policy.contradiction": "the policy contradicts the rules' data or the settings",
}

// InWords returns what a finding's or check's code means. A code that is not known stands for itself.
func InWords(code string) string {
	if words, ok := inWords[code]; ok {
		return words
	}
	return code
}
