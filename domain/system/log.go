package system

import (
	"crypto/sha256"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
)

// LogKeyRotated says that heads of the record's tree that are larger than From are signed by
// another key. Old and New are the SHA-256 of the keys' verifier lines, in hexadecimal.
type LogKeyRotated struct {
	Old  string `json:"old"`
	New  string `json:"new"`
	From int64  `json:"from"`
}

// EventName implements [event.Fact].
func (LogKeyRotated) EventName() event.Name { return "log.key_rotated.v1" }

// LogStream returns the stream of a log's keys, which begins with the first one. Its name is a
// UUID of version 8 made of that key's SHA-256.
func LogStream(firstVerifier string) event.Stream {
	id := sha256.Sum256([]byte("log\x00" + firstVerifier))
	id[6] = id[6]&0x0f | 0x80 // version 8 (RFC 9562, section 5.8)
	id[8] = id[8]&0x3f | 0x80
	return event.Stream(fmt.Sprintf("log/%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]))
}
