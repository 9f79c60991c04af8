package event

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// DerivedStream names a stream by what it is about, so that nobody has to look for it: a UUID of
// version 8 made of the SHA-256 of kind and parts, joined by zero bytes. No part may be
// personal: who knows the parts knows the name.
func DerivedStream(kind string, parts ...string) Stream {
	id := sha256.Sum256([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	id[6] = id[6]&0x0f | 0x80 // version 8 (RFC 9562, section 5.8)
	id[8] = id[8]&0x3f | 0x80
	return Stream(fmt.Sprintf("%s/%x-%x-%x-%x-%x", kind, id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]))
}
