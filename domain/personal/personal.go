// Package personal holds the types of fields that tell something about a person.
//
// A [Text] prints as "[personal]" wherever it is printed by accident: fmt, slog, JSON,
// templates. Its plain text leaves it only through [Text.Reveal], which is easy to
// search for; a test lists who may call it. In the record it stands sealed under a key
// of the vault, and once that key is destroyed it reads as erased, for ever.
package personal

import (
	"fmt"
	"unique"
)

// Text is a personal text in one of four states: empty (the zero value), known, sealed (its
// key was not asked for) or erased (its key is destroyed).
type Text struct {
	// A handle prints as an address: fmt prints the fields of structs inside others
	// without asking their methods.
	plain unique.Handle[string]
	state state
}

type state uint8

const (
	empty state = iota
	known
	sealed
	erased
)

// What a text shows instead of itself.
const (
	hidden      = "[personal]"
	shownSealed = "[sealed]"
	shownErased = "[erased]"
)

// Erased is what every personal field reads as after its key's destruction.
var Erased = Text{state: erased}

// Sealed is what a personal field reads as for a reader who did not open it.
var Sealed = Text{state: sealed}

// Of wraps a plain text.
func Of(plain string) Text {
	if plain == "" {
		return Text{}
	}
	return Text{plain: unique.Make(plain), state: known}
}

// Reveal returns the plain text; ok is false when it is sealed or erased. An empty text
// reveals as "", true.
func (t Text) Reveal() (plain string, ok bool) {
	if t.state != known {
		return "", t.state == empty
	}
	return t.plain.Value(), true
}

// IsErased says that the text existed and its key is destroyed.
func (t Text) IsErased() bool { return t.state == erased }

// IsSealed says that the text was read without being opened.
func (t Text) IsSealed() bool { return t.state == sealed }

// IsEmpty says that there is nothing to hide.
func (t Text) IsEmpty() bool { return t.state == empty }

// String hides the text.
func (t Text) String() string {
	switch t.state {
	case empty:
		return ""
	case sealed:
		return shownSealed
	case erased:
		return shownErased
	case known:
	}
	return hidden
}

// Format hides the text from every verb of fmt, %#v and %x included.
func (t Text) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprint(f, t.String()) // a fmt.State takes every write
}

// MarshalText hides the text from encoders that write text, slog's among them.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
