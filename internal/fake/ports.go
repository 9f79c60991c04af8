package fake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Retention is a policy with one period.
type Retention struct{ Period time.Duration }

func decided(rule string) event.Decision {
	return event.Decision{Rule: rule, Promises: []string{"image.delete-24h"}, Revision: 1, Outcome: "allow", Input: []byte(`{}`)}
}

// Deadline adds the period.
func (p Retention) Deadline(_ context.Context, uploaded time.Time) (time.Time, event.Decision, error) {
	return uploaded.Add(p.Period), decided("retention.deadline"), nil
}

// Downloaded says delete when the download was whole.
func (Retention) Downloaded(_ context.Context, whole bool) (bool, event.Decision, error) {
	return whole, decided("retention.downloaded"), nil
}

// Due says delete when it is time.
func (Retention) Due(_ context.Context, due, now time.Time) (bool, event.Decision, error) {
	return !now.Before(due), decided("retention.due"), nil
}

// Requested says delete.
func (Retention) Requested(context.Context) (bool, event.Decision, error) {
	return true, decided("retention.requested"), nil
}

// Leases are held in memory and do not run out.
type Leases struct {
	mu   sync.Mutex
	held map[string]bool
}

// Take takes a lease.
func (l *Leases) Take(_ context.Context, name string, _ time.Duration) (func(), bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name] {
		return nil, false, nil
	}
	if l.held == nil {
		l.held = map[string]bool{}
	}
	l.held[name] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, name)
	}, true, nil
}

// Secrets makes keyed hashes under a fixed key.
type Secrets struct{}

// MAC hashes the parts, each with its length.
func (Secrets) MAC(purpose string, parts ...[]byte) [32]byte {
	mac := hmac.New(sha256.New, []byte("test key of internal/fake"))
	for _, p := range append([][]byte{[]byte(purpose)}, parts...) {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		mac.Write(p)
	}
	return [32]byte(mac.Sum(nil))
}

// Requests remembers for ever.
type Requests struct {
	mu   sync.Mutex
	seen map[id.Request]*request
}

type request struct {
	fingerprint []byte
	finished    bool
}

// Begin takes a request.
func (r *Requests) Begin(_ context.Context, req id.Request, fingerprint []byte, _ time.Duration) (usecase.RequestState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[id.Request]*request{}
	}
	switch known := r.seen[req]; {
	case known == nil:
		r.seen[req] = &request{fingerprint: fingerprint}
		return usecase.RequestFresh, nil
	case !bytes.Equal(known.fingerprint, fingerprint):
		return usecase.RequestOther, nil
	case known.finished:
		return usecase.RequestFinished, nil
	default:
		return usecase.RequestRunning, nil
	}
}

// Finish marks a request as answered.
func (r *Requests) Finish(_ context.Context, req id.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[req].finished = true
	return nil
}

// Abandon forgets a request.
func (r *Requests) Abandon(_ context.Context, req id.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, req)
	return nil
}

// Attempts counts in memory.
type Attempts struct {
	mu    sync.Mutex
	count map[id.Image]int
}

// Begin counts one more.
func (a *Attempts) Begin(_ context.Context, img id.Image) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = map[id.Image]int{}
	}
	a.count[img]++
	return a.count[img], nil
}

// Clear forgets.
func (a *Attempts) Clear(_ context.Context, img id.Image) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.count, img)
	return nil
}
