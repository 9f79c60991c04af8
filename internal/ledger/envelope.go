package ledger

import (
	"strconv"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
)

// The members of an envelope: the attributes of CloudEvents 1.0, three extensions of ours
// (streamversion, causationid, requestid; the last two only when there is one), and data:
//
//	fact      the fact's own members
//	actor     role; who, sealed, in facts that seal anything
//	decision  where a policy was asked; personal and sealed where its input has personal attributes
//	salt      128 random bits, so that nobody can find out a fact by trying hashes; sealed
//	          in facts that seal anything
const (
	specVersion = "1.0"
	contentType = "application/json"
)

var envelopeMembers = []string{
	"specversion", "id", "source", "type", "subject", "time", "datacontenttype",
	"streamversion", "causationid", "requestid", "data",
}

// header is what an envelope says about its fact, without knowing or opening it.
type header struct {
	id      id.Fact
	source  string
	name    event.Name
	stream  event.Stream
	version int64
	at      time.Time
	cause   event.Cause
}

// appendTo writes the envelope up to data, whose bytes follow.
func (h header) appendTo(to []byte) ([]byte, error) {
	var err error
	text := func(name, value string) {
		if err == nil {
			to = append(append(to, name...), ':')
			to, err = appendJSON(to, value)
		}
	}
	text(`{"specversion"`, specVersion)
	text(`,"id"`, string(h.id))
	text(`,"source"`, h.source)
	text(`,"type"`, string(h.name))
	text(`,"subject"`, string(h.stream))
	if err == nil {
		to, err = appendTime(append(to, `,"time":`...), h.at)
	}
	text(`,"datacontenttype"`, contentType)
	to = strconv.AppendInt(append(to, `,"streamversion":`...), h.version, 10)
	if h.cause.Fact != "" {
		text(`,"causationid"`, string(h.cause.Fact))
	}
	if h.cause.Request != "" {
		text(`,"requestid"`, string(h.cause.Request))
	}
	return append(to, `,"data":`...), err
}

// readEnvelope reads everything but data, which it returns as it stands.
func readEnvelope(body []byte) (header, []byte, error) {
	if err := checkJSON(body); err != nil {
		return header{}, nil, err
	}
	m, err := readObject(body)
	if err != nil {
		return header{}, nil, err
	}
	if err := m.only(envelopeMembers...); err != nil {
		return header{}, nil, err
	}
	data, there := m.get("data")
	if !there {
		return header{}, nil, malformed("no member data")
	}
	h, err := readHeader(&m)
	return h, data, err
}

func readHeader(m *members) (header, error) {
	var firstErr error
	keep := func(s string, err error) string {
		if firstErr == nil {
			firstErr = err
		}
		return s
	}
	spec, content := keep(m.text("specversion")), keep(m.text("datacontenttype"))
	h := header{
		id:     id.Fact(keep(m.text("id"))),
		source: keep(m.text("source")),
		name:   event.Name(keep(m.text("type"))),
		stream: event.Stream(keep(m.text("subject"))),
		cause: event.Cause{
			Fact:    id.Fact(keep(m.optionalText("causationid"))),
			Request: id.Request(keep(m.optionalText("requestid"))),
		},
	}
	at, _ := m.get("time")
	t, err := readTime("time", at)
	keep("", err)
	h.at = t
	version, _ := m.get("streamversion")
	h.version, err = strconv.ParseInt(string(version), 10, 64)
	switch {
	case firstErr != nil:
		return header{}, firstErr
	case spec != specVersion || content != contentType:
		return header{}, malformed("not CloudEvents %s with JSON", specVersion)
	case err != nil || h.version < 1:
		return header{}, malformed("streamversion is no place in a stream")
	case h.cause.Fact != "" && !isUUID(string(h.cause.Fact)):
		return header{}, malformed("causationid is no fact's id")
	}
	return h, h.check()
}

// check holds for what is written and what is read alike.
func (h header) check() error {
	switch {
	case !isUUID(string(h.id)):
		return malformed("id is no fact's id")
	case !isName(h.source):
		return malformed("source is no name")
	case !isName(string(h.name)):
		return malformed("type is no name")
	case !isName(string(h.stream)):
		return malformed("subject is no stream's name")
	case h.cause.Request != "" && !isName(string(h.cause.Request)):
		return malformed("requestid is no request's name")
	}
	return nil
}

// maxName bounds names of streams, requests and kinds of fact.
const maxName = 200

// isName says whether s can name something in the record: printable ASCII without spaces.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	_, ok := id.ParseImage(s) // every id has the same form
	return ok
}
