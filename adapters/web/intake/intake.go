// Package intake takes request bodies in: bounded in bytes, in time and in the memory that
// all of them together may hold.
//
// Read it in this order: intake.go (opening a body), budget.go, photo.go (a form with one
// photo), client.go (where it comes from). Bodies stay in memory: a photo that is not sealed yet must not reach a disk.
// Nothing here logs or keeps what was sent.
package intake

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Intake opens the bodies of requests.
type Intake struct {
	Budget *Budget
	Total  time.Duration // a body must have arrived within this
	Stall  time.Duration // and not stop arriving for as long as this

	Clients Clients
	Gate    Gate // may be nil: nobody is limited
}

// Gate knows how much each client may send.
type Gate interface {
	// Full refuses a client before the body is read.
	Full(ctx context.Context, c usecase.Client) error
	// Spend counts a request that held no photo.
	Spend(c usecase.Client)
}

// drainAtMost is how much of a refused body is read and thrown away, because most clients
// read an answer only once they have sent everything.
const (
	drainAtMost = 64 << 20
	drainTime   = 10 * time.Second
)

// Open opens a body of at most max bytes. Its contents may take copies times their size
// of memory; it waits for that memory. Who opens a body must call Release, and Arrived
// or Refuse before anything is answered.
func (in *Intake) Open(w http.ResponseWriter, r *http.Request, maximum int64, copies int) (*Body, error) {
	b := &Body{
		body:    r.Body,
		rc:      http.NewResponseController(w),
		left:    maximum,
		maximum: maximum,
		end:     time.Now().Add(in.Total),
		stall:   in.Stall,
		waits:   r.Header.Get("Expect") != "",
		release: func() {},
		spend:   func() {},
	}
	if in.Gate != nil {
		client := in.Clients.Of(r)
		if err := in.Gate.Full(r.Context(), client); err != nil {
			return nil, b.Refuse(err)
		}
		b.spend = func() { in.Gate.Spend(client) }
	}
	if r.ContentLength > maximum {
		return nil, b.Refuse(&http.MaxBytesError{Limit: maximum})
	}
	size := r.ContentLength
	if size < 0 {
		size = maximum
	}
	b.Hint = size
	release, err := in.Budget.Reserve(r.Context(), size*int64(copies))
	if err != nil {
		return nil, b.Refuse(err)
	}
	b.release = release
	return b, nil
}

// Body is a request's body on its way in.
type Body struct {
	// Hint is how many bytes are expected: what was announced, or the most that is taken.
	Hint int64

	body    io.Reader
	rc      *http.ResponseController
	left    int64
	maximum int64
	end     time.Time
	stall   time.Duration
	waits   bool // the client sends nothing before it is told to
	began   bool
	release func()
	spend   func()
}

// Read implements io.Reader. A body that is too long is [http.MaxBytesError], one that
// is too slow [answer.ErrTooSlow].
func (b *Body) Read(p []byte) (int, error) {
	b.began = true
	if b.left < 0 {
		return 0, &http.MaxBytesError{Limit: b.maximum}
	}
	b.deadline(b.end, b.stall)
	// One byte more than allowed tells a body that is too long from one that just fits.
	n, err := b.body.Read(p[:min(int64(len(p)), b.left+1)])
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return n - 1, &http.MaxBytesError{Limit: b.maximum}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, answer.ErrTooSlow
	case hungUp(err):
		return n, answer.ErrClientGone
	}
	return n, err
}

func hungUp(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled)
}

// Arrived says that everything needed was read: the time limit of reading no longer applies.
func (b *Body) Arrived() { _ = b.rc.SetReadDeadline(time.Time{}) } // no deadlines in tests: none to lift

// Refuse returns err after it has read what the client is still sending, within bounds, so
// that the client gets to see the answer. A client that waits to be told to send needs none of that. Whatever was
// wrong counts against what the client may send, unless it was too much for us.
func (b *Body) Refuse(err error) error {
	defer b.Arrived()
	if !errors.Is(err, answer.ErrBusy) {
		b.Spend()
	}
	if errors.Is(err, answer.ErrClientGone) || errors.Is(err, answer.ErrTooSlow) || b.waits && !b.began {
		return err
	}
	b.deadline(time.Now().Add(drainTime), drainTime)
	_, _ = io.CopyN(io.Discard, b.body, drainAtMost) // what fails here was refused already
	return err
}

// Spend counts the request, which holds no photo that is taken.
func (b *Body) Spend() { b.spend() }

// Release gives the memory back. What was read must not be referred to any more.
func (b *Body) Release() { b.release() }

func (b *Body) deadline(end time.Time, stall time.Duration) {
	next := time.Now().Add(stall)
	if next.After(end) {
		next = end
	}
	_ = b.rc.SetReadDeadline(next) // no deadlines in tests
}
