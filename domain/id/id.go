// Package id names the things the record speaks about.
//
// Each kind of thing has its own type, so that an account can never be passed
// as an image. Every id is a random UUID (version 7) in its canonical lower-case
// text form; it names nobody, and knowing one opens nothing.
package id

// Image identifies one uploaded picture, from its upload to its deletion.
type Image string

// Member identifies one member of staff.
type Member string

// Visit identifies one visitor on one day. The same visitor has another tomorrow.
type Visit string

// Disclosure identifies one request for data from outside.
type Disclosure string

// Fact identifies one fact of the record, for ever.
type Fact string

// Request identifies one request to change something, so that asking twice has the
// effect of asking once. It is opaque: what a client calls its request is mapped to
// it under a secret key, because a client may put anything into that name.
type Request string

// A Source makes fresh ids. It is passed in, like time.
type Source func() string

// ParseImage returns s as an image id, if it has the form of one.
func ParseImage(s string) (Image, bool) {
	return Image(s), canonical(s)
}

// ParseFact returns s as a fact's id, if it has the form of one.
func ParseFact(s string) (Fact, bool) {
	return Fact(s), canonical(s)
}

// ParseMember returns s as a member's id, if it has the form of one.
func ParseMember(s string) (Member, bool) {
	return Member(s), canonical(s)
}

// ParseDisclosure returns s as a disclosure's id, if it has the form of one.
func ParseDisclosure(s string) (Disclosure, bool) {
	return Disclosure(s), canonical(s)
}

// canonical says whether s is a UUID in its only accepted spelling.
func canonical(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
		default:
			return false
		}
	}
	return true
}
