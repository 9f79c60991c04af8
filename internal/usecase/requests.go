package usecase

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Refusals of a request that was sent before under the same Idempotency-Key.
var (
	ErrRunning = refusal.New(refusal.Conflict, "request.running",
		"The same request is being carried out right now.", "Wait for its answer, then ask again.")
	ErrOtherBody = refusal.New(refusal.Unusable, "request.other_body",
		"This Idempotency-Key was used for a different request.", "Use a fresh key for each new request.")
)

// RequestState is what is known of a request that may have been sent before.
type RequestState int

// The states of a request.
const (
	RequestFresh    RequestState = iota // never seen, or its lease ran out: carry it out
	RequestRunning                      // somebody is carrying it out
	RequestFinished                     // it has an answer: the record knows it by its request id
	RequestOther                        // seen with another fingerprint
)

// Requests remembers for 24 hours which requests were carried out.
type Requests interface {
	// Begin takes a request for as long as the lease, or says why not.
	Begin(ctx context.Context, req id.Request, fingerprint []byte, lease time.Duration) (RequestState, error)
	// Finish marks it as answered; Abandon lets it be sent again at once, with the same body.
	Finish(ctx context.Context, req id.Request) error
	Abandon(ctx context.Context, req id.Request) error
}
