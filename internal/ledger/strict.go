package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// What stands in the record was written by this program, so reading is strict: what
// encoding/json forgives (a member twice, its name in other letters, an unknown one) means
// here that something else wrote it.

// errMalformed says that bytes are not an envelope that this program writes.
var errMalformed = errors.New("ledger: not an envelope of the record")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// checkJSON says whether body is one JSON value in valid UTF-8.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) || !json.Valid(body) {
		return malformed("not JSON in UTF-8")
	}
	return nil
}

// members are the parts of one JSON object, in the order in which they stand.
type members struct {
	names  []string
	values [][]byte
}

// readObject splits an object into its members. raw MUST be valid JSON.
func readObject(raw []byte) (members, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		return members{}, malformed("an object was expected")
	}
	m := members{names: make([]string, 0, 12), values: make([][]byte, 0, 12)}
	at := skipSpace(raw, 1)
	for raw[at] != '}' {
		end := valueEnd(raw, at)
		name := string(raw[at+1 : end-1])
		at = skipSpace(raw, skipSpace(raw, end)+1) // past the colon
		end = valueEnd(raw, at)
		if err := m.add(name, raw[at:end]); err != nil {
			return members{}, err
		}
		at = skipSpace(raw, end)
		if raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return m, nil
}

func (m *members) add(name string, value []byte) error {
	for i := range len(name) {
		if c := name[i]; c == '\\' || c <= ' ' || c > '~' {
			return malformed("a member's name is not plain")
		}
	}
	if _, twice := m.get(name); twice {
		return malformed("the member %s stands twice", name)
	}
	m.names, m.values = append(m.names, name), append(m.values, value)
	return nil
}

// get finds a member; objects are small, so it looks at one after the other.
func (m *members) get(name string) ([]byte, bool) {
	for i, n := range m.names {
		if n == name {
			return m.values[i], true
		}
	}
	return nil, false
}

// only says whether there is no member but the named ones.
func (m *members) only(names ...string) error {
	for _, have := range m.names {
		known := false
		for _, name := range names {
			known = known || have == name
		}
		if !known {
			return malformed("unknown member %s", have)
		}
	}
	return nil
}

// text returns a member that must be there and be a string.
func (m *members) text(name string) (string, error) {
	raw, there := m.get(name)
	if !there {
		return "", malformed("no member %s", name)
	}
	return readText(name, raw)
}

// optionalText returns "" for a member that is not there; one that is there is not empty.
func (m *members) optionalText(name string) (string, error) {
	raw, there := m.get(name)
	if !there {
		return "", nil
	}
	s, err := readText(name, raw)
	if err == nil && s == "" {
		return "", malformed("the member %s is empty", name)
	}
	return s, err
}

func readText(name string, raw []byte) (string, error) {
	if plain, ok := plainText(raw); ok {
		return plain, nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", malformed("the member %s is no text", name)
	}
	return *s, nil
}

// plainText returns a string that stands as it is, without escapes, as most do.
func plainText(raw []byte) (string, bool) {
	if raw == nil || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
		return "", false
	}
	return string(raw[1 : len(raw)-1]), true
}

func skipSpace(raw []byte, at int) int {
	for raw[at] == ' ' || raw[at] == '\t' || raw[at] == '\n' || raw[at] == '\r' {
		at++
	}
	return at
}

// valueEnd returns where the value that begins at a place ends.
func valueEnd(raw []byte, at int) int {
	switch raw[at] {
	case '"':
		for at++; raw[at] != '"'; at++ {
			if raw[at] == '\\' {
				at++
			}
		}
		return at + 1
	case '{', '[':
		for depth := 0; ; {
			switch raw[at] {
			case '"':
				at = valueEnd(raw, at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			at++
			if depth == 0 {
				return at
			}
		}
	default:
		for at < len(raw) && raw[at] != ',' && raw[at] != '}' && raw[at] != ']' && raw[at] > ' ' {
			at++
		}
		return at
	}
}

// timeLayout is how times stand in the record: UTC, milliseconds, always three digits.
const timeLayout = "2006-01-02T15:04:05.000Z"

// appendTime writes a time, cut off to the millisecond.
func appendTime(to []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("ledger: the year %d cannot be recorded", y)
	}
	to = append(to, '"')
	to = t.AppendFormat(to, timeLayout)
	return append(to, '"'), nil
}

func readTime(name string, raw []byte) (time.Time, error) {
	s, err := readText(name, raw)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(timeLayout, s)
	if err != nil {
		return time.Time{}, malformed("the member %s is no time", name)
	}
	return t, nil
}

// appendJSON writes a value as encoding/json does, but leaves <, > and & as they are.
func appendJSON(to []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(to)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// readPlain reads the commonest kinds of value without a decoder, if this is one of them.
func readPlain(raw []byte, into reflect.Value) bool {
	if into.Kind() == reflect.String {
		s, ok := plainText(raw)
		if ok {
			into.SetString(s)
		}
		return ok
	}
	if into.CanInt() {
		n, err := strconv.ParseInt(string(raw), 10, into.Type().Bits())
		if err == nil {
			into.SetInt(n)
		}
		return err == nil
	}
	return false
}

// readStrict reads a value that appendJSON wrote.
func readStrict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
