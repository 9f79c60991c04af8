// Package usecase carries out one request from start to finish: load the history, ask
// the policy, decide, append.
//
// One file per thing that a person or a machine can ask for, in the order of a picture's
// life: upload.go (who may: client.go, gate.go, rate.go, visit.go), process.go, watch.go, preview.go, download.go, delete.go, due.go,
// receipt.go; then sentinel.go, which compares what is kept with the record, and who looks after
// the service: officer.go, officer_link.go, officer_session.go. Ports that several of them share are in ports.go, the others right above their
// use case. Nothing here knows HTTP, SQL or Kafka, and nothing reads the wall clock.
package usecase

import (
	"context"
	"io"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Record is the part of the ledger that use cases need.
type Record interface {
	// Load returns the facts of a stream, oldest first. All of them are published: an
	// answer may rest on any of them.
	Load(ctx context.Context, stream event.Stream) ([]event.Envelope, error)
	// Append adds facts and returns once they are published. A stream that is not at its
	// expected version is event.ErrConflict.
	Append(ctx context.Context, a event.Append) (event.Appended, error)
	// Await returns once the stream has published facts after the given version.
	Await(ctx context.Context, stream event.Stream, after int64) error
}

// Vault holds the keys.
type Vault interface {
	// New makes a key in memory. It exists for others only once an append has made it.
	New(key personal.KeyID) (personal.Key, error)
	// Key returns a live key, personal.ErrDestroyed or personal.ErrNoKey.
	Key(ctx context.Context, key personal.KeyID) (personal.Key, error)
}

// Blobs is a store of sealed objects. It never sees a plain byte.
type Blobs interface {
	// Put stores what r gives under a name, whole or not at all, durable when it returns.
	// An object that is already there is replaced.
	Put(ctx context.Context, name string, r io.Reader) error
	// Open returns an object and its size, or an error that is fs.ErrNotExist.
	Open(ctx context.Context, name string) (io.ReadCloser, int64, error)
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// List calls each for every object, in no particular order. An error of each ends it.
	List(ctx context.Context, each func(Blob) error) error
}

// Blob is one entry of a store's listing.
type Blob struct {
	Name   string
	Size   int64
	Stored time.Time // by the store's own clock
}

// Retention is the retention policy.
type Retention interface {
	// Deadline answers by when a picture uploaded at a time must be gone.
	Deadline(ctx context.Context, uploaded time.Time) (due time.Time, d event.Decision, err error)
	// Downloaded answers whether a picture whose result was downloaded is to be deleted now.
	Downloaded(ctx context.Context, whole bool) (deleteNow bool, d event.Decision, err error)
	// Due answers whether a picture with this deadline is to be deleted now.
	Due(ctx context.Context, due, now time.Time) (deleteNow bool, d event.Decision, err error)
	// Requested answers whether a picture is to be deleted because its holder asks.
	Requested(ctx context.Context) (deleteNow bool, d event.Decision, err error)
}

// Decisions keeps what no fact of its own carries. It neither fails nor waits: what it was told
// is in the record within a minute or so.
type Decisions interface {
	// Refused notes a no to somebody whom the service does not know.
	Refused(d event.Decision)
	// Allowed notes a yes that no fact of its own carries: to reading, or to taking a picture in.
	Allowed(d event.Decision)
}

// Leases makes sure that of several who want to do one thing one does it. A lease ends
// by itself when its holder dies.
type Leases interface {
	// Take returns a function that gives the lease back, or ok false when another holds it.
	// It is held until then, and ends atMost after its holder's death.
	Take(ctx context.Context, name string, atMost time.Duration) (release func(), ok bool, err error)
}

// Secrets makes keyed hashes under a key that only this service has.
type Secrets interface {
	MAC(purpose string, parts ...[]byte) [32]byte
}

// lasting is a context for what must still be done when a request is over, though not for ever.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	const long = 30 * time.Second
	return context.WithTimeout(context.WithoutCancel(ctx), long)
}

// Now tells the service's time.
type Now func() time.Time

// NewImage makes a fresh image id.
type NewImage func() id.Image
