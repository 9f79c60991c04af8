package opa

import (
	"encoding/json"
	"errors"
	"slices"
)

// maxExact is the largest integer that JSON readers with 64-bit floats keep exactly.
const maxExact = 1<<53 - 1

var errNotCanonical = errors.New("opa: an input holds only booleans, integers below 2^53, and printable ASCII texts and lists of them")

// canonical returns an input's one JSON form, by RFC 8785. Inputs hold categories, states,
// durations, times and lists of fields; for what those need, Go's sorted JSON is that form, and anything
// else is an error.
func canonical(input map[string]any) (json.RawMessage, error) {
	for name, value := range input {
		if !plain(name) {
			return nil, errNotCanonical
		}
		switch v := value.(type) {
		case bool:
		case int64:
			if v < -maxExact || v > maxExact {
				return nil, errNotCanonical
			}
		case string:
			if !plain(v) {
				return nil, errNotCanonical
			}
		case []string:
			if v == nil || slices.ContainsFunc(v, func(s string) bool { return !plain(s) }) {
				return nil, errNotCanonical
			}
		default:
			return nil, errNotCanonical
		}
	}
	return json.Marshal(input)
}

// plain says whether RFC 8785 and encoding/json write a text alike.
func plain(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
