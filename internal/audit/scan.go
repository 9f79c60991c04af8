package audit

import "bytes"

// scanner walks along JSON as it stands in the record: valid, in UTF-8, and without a byte
// between its tokens.
type scanner struct {
	b  []byte
	at int
}

// deepest bounds how deep values may lie in each other.
const deepest = 64

// text takes exactly these bytes, if they are next.
func (s *scanner) text(want string) bool {
	if len(s.b)-s.at < len(want) || string(s.b[s.at:s.at+len(want)]) != want {
		return false
	}
	s.at += len(want)
	return true
}

// peek is the next byte; 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.b) {
		return s.b[s.at]
	}
	return 0
}

// str takes a string and returns what stands between its quotes. Escapes stay as they are.
func (s *scanner) str() (raw []byte, ok bool) {
	if s.peek() != '"' {
		return nil, false
	}
	start := s.at + 1
	end := bytes.IndexByte(s.b[start:], '"')
	if end < 0 {
		return nil, false
	}
	end += start
	if bytes.IndexByte(s.b[start:end], '\\') >= 0 {
		if end = escapedEnd(s.b, start); end < 0 {
			return nil, false
		}
	}
	raw = s.b[start:end]
	for _, c := range raw {
		if c < ' ' {
			return nil, false
		}
	}
	s.at = end + 1
	return raw, true
}

// escapedEnd finds the quote that ends a string with escapes in it; -1 when one is wrong.
func escapedEnd(b []byte, at int) int {
	for at < len(b) && b[at] != '"' {
		if b[at] != '\\' {
			at++
			continue
		}
		if at+1 >= len(b) {
			return -1
		}
		switch b[at+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			at += 2
		case 'u':
			if at+6 > len(b) || !isHex(b[at+2:at+6]) {
				return -1
			}
			at += 6
		default:
			return -1
		}
	}
	if at >= len(b) {
		return -1
	}
	return at
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// value takes any value.
func (s *scanner) value(depth int) bool {
	switch c := s.peek(); {
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	return s.text("true") || s.text("false") || s.text("null")
}

func (s *scanner) object(depth int) bool {
	if depth >= deepest || !s.text("{") {
		return false
	}
	if s.text("}") {
		return true
	}
	for {
		if _, ok := s.str(); !ok || !s.text(":") || !s.value(depth+1) {
			return false
		}
		if s.text("}") {
			return true
		}
		if !s.text(",") {
			return false
		}
	}
}

func (s *scanner) array(depth int) bool {
	if depth >= deepest || !s.text("[") {
		return false
	}
	if s.text("]") {
		return true
	}
	for {
		if !s.value(depth + 1) {
			return false
		}
		if s.text("]") {
			return true
		}
		if !s.text(",") {
			return false
		}
	}
}

// number takes a number in JSON's grammar.
func (s *scanner) number() bool {
	s.text("-")
	if !s.text("0") && !s.digits() {
		return false
	}
	if s.text(".") && !s.digits() {
		return false
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if !s.text("+") {
			s.text("-")
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}
