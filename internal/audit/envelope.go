package audit

import (
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"strconv"
	"time"
	"unicode/utf8"
)

// fact is what the auditor keeps of one envelope while it passes.
type fact struct {
	id      [16]byte
	stream  [16]byte // a keyed hash of the stream's name
	version int64
	at      int64 // milliseconds since 1970
}

// timeLayout is how times stand in the record.
const timeLayout = "2006-01-02T15:04:05.000Z"

// hasher makes 128-bit keyed hashes that mean nothing outside this run.
type hasher struct{ a, b maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h hasher) sum(b []byte) (sum [16]byte) {
	binary.LittleEndian.PutUint64(sum[:8], maphash.Bytes(h.a, b))
	binary.LittleEndian.PutUint64(sum[8:], maphash.Bytes(h.b, b))
	return sum
}

// readEnvelope checks a fact's bytes by the letter: CloudEvents 1.0 with the members that
// the record's facts have, in their order, nothing between them and nothing after them. What
// the fact itself says must be JSON; what it means is not the auditor's business. bad says
// what is wrong, without a byte of it.
func readEnvelope(body []byte, h hasher) (f fact, bad string) {
	if !utf8.Valid(body) {
		return f, "it is not UTF-8"
	}
	s := &scanner{b: body}
	if !s.text(`{"specversion":"1.0","id":`) {
		return f, "it does not begin as a CloudEvents 1.0 envelope with an id"
	}
	id, _ := s.str()
	if !parseUUID(id, &f.id) {
		return f, "its id is no UUID in lower case"
	}
	if bad := s.named("source"); bad != "" {
		return f, bad
	}
	if bad := s.named("type"); bad != "" {
		return f, bad
	}
	start := s.at
	if bad := s.named("subject"); bad != "" {
		return f, bad
	}
	f.stream = h.sum(s.b[start:s.at])
	if !s.text(`,"time":`) {
		return f, "no time follows its subject"
	}
	raw, _ := s.str()
	if f.at, bad = moment(raw); bad != "" {
		return f, bad
	}
	if !s.text(`,"datacontenttype":"application/json","streamversion":`) {
		return f, "its content type or stream version is not where it should be"
	}
	if f.version, bad = s.version(); bad != "" {
		return f, bad
	}
	return f, s.rest()
}

// moment reads a time in its one spelling. It is asked for every fact, and [time.Parse] costs
// more than the fact's hash.
func moment(raw []byte) (ms int64, bad string) {
	const wrong = "its time is not in UTC with milliseconds"
	if len(raw) != len(timeLayout) {
		return 0, wrong
	}
	for i, c := range []byte(timeLayout) {
		digit := '0' <= raw[i] && raw[i] <= '9'
		if wanted := '0' <= c && c <= '9'; wanted != digit || !wanted && raw[i] != c {
			return 0, wrong
		}
	}
	number := func(from, to int) (n int) {
		for _, c := range raw[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day, hour, minute, second := number(0, 4), number(5, 7), number(8, 10), number(11, 13), number(14, 16), number(17, 19)
	t := time.Date(year, time.Month(month), day, hour, minute, second, number(20, 23)*1e6, time.UTC)
	if hour > 23 || minute > 59 || second > 59 || t.Day() != day || int(t.Month()) != month {
		return 0, wrong // no day has that time, or no year that day
	}
	return t.UnixMilli(), ""
}

// version takes a place in a stream.
func (s *scanner) version() (version int64, bad string) {
	start := s.at
	s.digits()
	digits := string(s.b[start:s.at])
	version, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || version < 1 || digits[0] == '0' {
		return 0, "its version is no place in a stream"
	}
	return version, ""
}

// rest takes what follows the stream's version.
func (s *scanner) rest() (bad string) {
	if s.text(`,"causationid":`) {
		cause, _ := s.str()
		if !parseUUID(cause, new([16]byte)) {
			return "the fact that caused it is no UUID in lower case"
		}
	}
	if s.text(`,"requestid":`) {
		if request, ok := s.str(); !ok || !isName(request) {
			return "its request's id is no name"
		}
	}
	if !s.text(`,"data":{"fact":`) || s.peek() != '{' || !s.value(1) {
		return "what it says is not JSON as the record writes it"
	}
	if !s.text(`,"actor":{"role":`) {
		return "no actor follows what it says"
	}
	if _, ok := s.str(); !ok {
		return "its actor has no role"
	}
	if s.text(`,"who":`) && !s.sealed() {
		return "who acted is not sealed as it should be"
	}
	if !s.text(`}`) {
		return "its actor has more than it should"
	}
	if s.text(`,"decision":`) && !s.decision() {
		return "its decision is not written as it should be"
	}
	if !s.text(`,"salt":`) || !s.salt() {
		return "its salt is not 128 bits"
	}
	if !s.text(`}}`) || s.at != len(s.b) {
		return "it does not end where it should"
	}
	return ""
}

// named takes a member whose value names something.
func (s *scanner) named(member string) (bad string) {
	if !s.text(`,"`) || !s.text(member) || !s.text(`":`) {
		return "its " + member + " is not where it should be"
	}
	if name, ok := s.str(); !ok || !isName(name) {
		return "its " + member + " is no name"
	}
	return ""
}

// sealed takes a value that only a key of the vault opens.
func (s *scanner) sealed() bool {
	if !s.text(`{"sealed":`) {
		return false
	}
	cipher, ok := s.str()
	if !ok || len(cipher) == 0 || len(cipher)%4 != 0 || !s.text(`,"key":`) {
		return false
	}
	key, ok := s.str()
	return ok && isName(key) && s.text("}")
}

func (s *scanner) decision() bool {
	if !s.text(`{"rule":`) {
		return false
	}
	if _, ok := s.str(); !ok || !s.text(`,"promises":`) || s.peek() != '[' || !s.value(2) {
		return false
	}
	if !s.text(`,"revision":`) || !s.number() || !s.text(`,"outcome":`) {
		return false
	}
	if _, ok := s.str(); !ok {
		return false
	}
	if !s.text(`,"input":`) || !s.value(2) {
		return false
	}
	// What is personal in the question, by name, and sealed.
	if s.text(`,"personal":`) && (s.text(`[]`) || s.peek() != '[' || !s.value(2) || !s.text(`,"sealed":`) || !s.sealed()) {
		return false
	}
	return s.text("}")
}

func (s *scanner) salt() bool {
	if s.peek() == '{' {
		return s.sealed()
	}
	salt, ok := s.str()
	if !ok || len(salt) != 32 {
		return false
	}
	for _, c := range salt {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isName says whether what stands between quotes names something: printable ASCII without
// spaces, 200 characters at most.
func isName(raw []byte) bool {
	const longest = 200
	var name []byte
	for _, c := range raw {
		if c != '\\' {
			continue
		}
		var plain string
		if json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &plain) != nil {
			return false
		}
		name = []byte(plain)
		break
	}
	if name == nil {
		name = raw
	}
	if len(name) == 0 || len(name) > longest {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// parseUUID reads a UUID in its one spelling.
func parseUUID(text []byte, into *[16]byte) bool {
	if len(text) != 36 {
		return false
	}
	n := 0
	for i, c := range text {
		var digit byte
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
			continue
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c && c <= 'f':
			digit = c - 'a' + 10
		default:
			return false
		}
		into[n/2] = into[n/2]<<4 | digit
		n++
	}
	return true
}
