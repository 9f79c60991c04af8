package fake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
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

// Lead is how long before its deadline a picture is deleted.
const Lead = 30 * time.Second

// Due says delete when it is nearly time.
func (Retention) Due(_ context.Context, due, now time.Time) (bool, event.Decision, error) {
	return !now.Add(Lead).Before(due), decided("retention.due"), nil
}

// Requested says delete.
func (Retention) Requested(context.Context) (bool, event.Decision, error) {
	return true, decided("retention.requested"), nil
}

// Readers lets everybody read, but for who is in Refuses.
type Readers struct{ Refuses map[string]bool }

// Blob says yes to a reader who is not refused.
func (r Readers) Blob(_ context.Context, reader, _ string, own bool) (bool, event.Decision, error) {
	d := decided("access.blob")
	if r.Refuses[reader] || !own {
		d.Outcome = "deny"
		return false, d, nil
	}
	return true, d, nil
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
	state       usecase.RequestState // RequestFresh once it was abandoned
}

// Begin takes a request.
func (r *Requests) Begin(_ context.Context, req id.Request, fingerprint []byte, _ time.Duration) (usecase.RequestState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[id.Request]*request{}
	}
	known := r.seen[req]
	if known == nil {
		known = &request{fingerprint: bytes.Clone(fingerprint), state: usecase.RequestFresh}
		r.seen[req] = known
	}
	if !bytes.Equal(known.fingerprint, fingerprint) {
		return usecase.RequestOther, nil
	}
	found := known.state
	if found == usecase.RequestFresh {
		known.state = usecase.RequestRunning
	}
	return found, nil
}

// Finish marks a request as answered.
func (r *Requests) Finish(_ context.Context, req id.Request) error {
	r.end(req, usecase.RequestFinished)
	return nil
}

// Abandon lets a request be sent again. A finished one stays finished.
func (r *Requests) Abandon(_ context.Context, req id.Request) error {
	r.end(req, usecase.RequestFresh)
	return nil
}

func (r *Requests) end(req id.Request, state usecase.RequestState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.seen[req]; known != nil && known.state != usecase.RequestFinished {
		known.state = state
	}
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

// Deliveries are marked in memory, and stale at once.
type Deliveries struct {
	mu     sync.Mutex
	marked []id.Image
}

// Mark notes a picture.
func (d *Deliveries) Mark(_ context.Context, img id.Image) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.marked, img) {
		d.marked = append(d.marked, img)
	}
	return nil
}

// Clear forgets a mark.
func (d *Deliveries) Clear(_ context.Context, img id.Image) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.marked = slices.DeleteFunc(d.marked, func(marked id.Image) bool { return marked == img })
	return nil
}

// Stale returns what is marked, the oldest first.
func (d *Deliveries) Stale(_ context.Context, _ time.Duration, limit int) ([]id.Image, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.marked[:min(limit, len(d.marked))]), nil
}

// Decisions keeps what it is told, for a test to look at. Its zero value is ready.
type Decisions struct {
	mu               sync.Mutex
	refused, allowed []event.Decision
}

// Refused implements [usecase.Decisions].
func (d *Decisions) Refused(one event.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused = append(d.refused, one)
}

// Allowed implements [usecase.Decisions].
func (d *Decisions) Allowed(one event.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.allowed = append(d.allowed, one)
}

// Told returns what it was told so far.
func (d *Decisions) Told() (refused, allowed []event.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.refused), slices.Clone(d.allowed)
}
