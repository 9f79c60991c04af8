package config

import (
	"fmt"
	"regexp"
	"strings"
)

const masked = "********"

// Secret is a value that does not show itself, whoever prints it. Convert it to a string to use it.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// Format hides the secret from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.String()) }

// MarshalText hides the secret from encoders that write text, slog's among them.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Postgres is a connection string that may hold a password, which it does not show. Convert
// it to a string to use it.
type Postgres string

// Both spellings of a password: "password=…" among words and as a parameter of a URL. The
// value may be quoted, with backslashes before quotes in it.
var passwordWord = regexp.MustCompile(`(?i)\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&]*)`)

// String hides the password. It rather hides too much than parse what may be malformed.
func (p Postgres) String() string {
	s := string(p)
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			if user, _, ok := strings.Cut(rest[:at], ":"); ok {
				s = scheme + "://" + user + ":" + masked + rest[at:]
			}
		}
	}
	return passwordWord.ReplaceAllString(s, "${1}"+masked)
}

// Format hides the password from every verb of fmt.
func (p Postgres) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, p.String()) }

// MarshalText hides the password from encoders that write text, slog's among them.
func (p Postgres) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// hasPassword says whether there is one to hide.
func (p Postgres) hasPassword() bool { return p.String() != string(p) }
