package system

import "github.com/bgremover/bgremover/domain/event"

// LogKeyRotated says that heads of the record's tree that are larger than From are signed by
// another key. Old and New are the SHA-256 of the keys' verifier lines, in hexadecimal.
type LogKeyRotated struct {
	Old  string `json:"old"`
	New  string `json:"new"`
	From int64  `json:"from"`
}

// EventName implements [event.Fact].
func (LogKeyRotated) EventName() event.Name { return "log.key_rotated.v1" }

// LogStream returns the stream of a log's keys, which begins with the first one.
func LogStream(firstVerifier string) event.Stream { return event.DerivedStream("log", firstVerifier) }
