package image

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Image is what the facts so far add up to. The zero value is a picture we have never seen.
type Image struct {
	uploaded  *Uploaded
	failed    string
	processed bool
	brokenOff bool
	due       time.Time
	deleted   *Deleted
	version   int64
}

// From replays a picture's facts, oldest first.
func From(history ...Event) Image {
	var img Image
	for _, e := range history {
		img = img.after(e)
	}
	return img
}

// FromRecord replays envelopes of a picture's stream. Facts of other kinds, written by a
// newer release, change nothing here but the version.
func FromRecord(history []event.Envelope) Image {
	var img Image
	for _, env := range history {
		if e, ok := env.Fact.(Event); ok {
			img = img.after(e)
		}
		img.version = env.Version
	}
	return img
}

func (img Image) after(e Event) Image {
	switch e := e.(type) {
	case Uploaded:
		img.uploaded, img.due = &e, e.Due
	case ProcessingFailed:
		img.failed = e.Code
	case Processed:
		img.processed = true
	case Downloaded: // the deletion that follows a whole one is a fact of its own
		img.brokenOff = img.brokenOff || !e.Whole
	case DeletionDueChanged:
		if e.Due.Before(img.due) {
			img.due = e.Due
		}
	case Deleted:
		img.deleted = &e
	}
	img.version++
	return img
}

// Version is how many facts this state rests on: what an append must expect.
func (img Image) Version() int64 { return img.version }

// BrokenOff says that a download was begun and not finished. Once is worth a fact; more
// would let anybody with a capability write facts without end.
func (img Image) BrokenOff() bool { return img.brokenOff }

// Known says that the picture was uploaded.
func (img Image) Known() bool { return img.uploaded != nil }

// Due is when the picture is gone at the latest; zero for one that was never uploaded.
func (img Image) Due() time.Time { return img.due }

// Failure returns why no cutout can be made, or nil.
func (img Image) Failure() *refusal.Error {
	if img.failed == "" {
		return nil
	}
	return Unusable(img.failed)
}

// Status is where in its life a picture stands.
type Status string

// The statuses, in the order in which a picture passes them.
const (
	Unknown Status = "unknown"
	Waiting Status = "waiting" // uploaded, the cutout is being made
	Failed  Status = "failed"  // no cutout can be made
	Ready   Status = "ready"   // the cutout can be downloaded
	Gone    Status = "deleted"
)

// Status returns where the picture stands.
func (img Image) Status() Status {
	switch {
	case img.uploaded == nil:
		return Unknown
	case img.deleted != nil:
		return Gone
	case img.processed:
		return Ready
	case img.failed != "":
		return Failed
	default:
		return Waiting
	}
}

// CapabilityHash is the SHA-256 of a capability token, in hexadecimal. The token is an
// HMAC under a key of the service, so its hash betrays nothing.
type CapabilityHash string

// HashCapability returns the hash of a token.
func HashCapability(token string) CapabilityHash {
	sum := sha256.Sum256([]byte(token))
	return CapabilityHash(hex.EncodeToString(sum[:]))
}

// Matches compares in constant time.
func (h CapabilityHash) Matches(other CapabilityHash) bool {
	return h != "" && subtle.ConstantTimeCompare([]byte(h), []byte(other)) == 1
}

// OpensWith says whether the holder of a token with this hash may see the picture.
func (img Image) OpensWith(h CapabilityHash) bool {
	return img.uploaded != nil && img.uploaded.Capability.Matches(h)
}
