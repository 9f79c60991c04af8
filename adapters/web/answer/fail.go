// Package answer turns what a handler has to say into a response.
//
// Read fail.go first: the one place where an error becomes a status and a text, in one of
// three styles (problem.go, envelope.go, and the error page of package page). json.go and
// send.go write what went well. An error that is no refusal is logged with the request's
// trace id and shown as nothing but that id.
package answer

import (
	"context"
	"errors"
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Refusals that only a conversation over HTTP can lead to.
var (
	ErrTimeout = refusal.New(refusal.Unavailable, "request.timeout",
		"This took longer than we let a request wait.", "Try again in a few seconds.")
	ErrBusy = refusal.New(refusal.Unavailable, "server.busy",
		"Too much is being sent at once right now.", "Try again in a few seconds.")
	ErrTooSlow = refusal.New(refusal.Invalid, "request.too_slow",
		"The upload stalled, or took too long.", "Try again with a better connection or a smaller photo.")
	ErrNoPage = refusal.New(refusal.Missing, "request.no_such_address",
		"There is nothing at this address.", "Check the address, or start at the home page.")
	ErrMethod = refusal.New(refusal.Invalid, "request.method",
		"This address does not take requests of this kind.", "Use one of the methods in the Allow header.")
	ErrCrossOrigin = refusal.New(refusal.Forbidden, "request.cross_origin",
		"This form was sent from another site.", "Open the page here and send the form again.")
)

// errInternal is what is shown of an error of ours.
var errInternal = refusal.New("", "internal",
	"Something went wrong on our side.", "Try again; if it lasts, tell us the id below.")

// ErrClientGone marks an error of writing to a client: it hung up, and nobody is left to be told.
var ErrClientGone = errors.New("the client hung up")

// statusClientGone is what the log and the metrics say of a request whose client hung up.
const statusClientGone = 499

// retryAfter is how many seconds a client is asked to wait when a part of the service is away.
const retryAfter = "5"

var statusOfKind = map[refusal.Kind]int{
	refusal.Invalid:     http.StatusBadRequest,
	refusal.TooLarge:    http.StatusRequestEntityTooLarge,
	refusal.Unsupported: http.StatusUnsupportedMediaType,
	refusal.Unusable:    http.StatusUnprocessableEntity,
	refusal.Forbidden:   http.StatusForbidden,
	refusal.Missing:     http.StatusNotFound,
	refusal.Conflict:    http.StatusConflict,
	refusal.Gone:        http.StatusGone,
	refusal.TooMany:     http.StatusTooManyRequests,
	refusal.Unavailable: http.StatusServiceUnavailable,
}

// statusOf returns a refusal's HTTP status. Two have one that no kind stands for.
func statusOf(r *refusal.Error) int {
	switch r.Code {
	case ErrMethod.Code:
		return http.StatusMethodNotAllowed
	case ErrTooSlow.Code:
		return http.StatusRequestTimeout
	}
	if status, ok := statusOfKind[r.Kind]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// Fail answers a request with an error. It is the only place that does. Nothing may have
// been written before.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	if clientGone(r, err) {
		w.WriteHeader(statusClientGone)
		return
	}
	refused, status := Refusal(r, err)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	if limited, ok := errors.AsType[*usecase.Limited](err); ok {
		tellLimit(w.Header(), limited)
	}
	w.Header().Set("Cache-Control", "no-store")
	switch s := scope.Of(r.Context()); s.Style {
	case scope.Problem:
		problem(w, r, refused, status)
	case scope.Envelope:
		envelope(w, r, refused, status)
	case scope.Page, scope.Staff:
		page.Error(w, r, status, refused)
	}
}

// Refusal returns what the caller is told of an error, and with which status. An error
// that is no refusal is logged.
func Refusal(r *http.Request, err error) (*refusal.Error, int) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		err = image.ErrTooLarge
	}
	refused, ok := refusal.As(err)
	switch {
	case ok:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		refused = ErrTimeout // the client is still there: it was a limit of ours
	default:
		Note(r, err)
		refused = errInternal
	}
	return refused, statusOf(refused)
}

// Note logs an error of ours that does not change the answer.
func Note(r *http.Request, err error) {
	s := scope.Of(r.Context())
	s.Log.ErrorContext(r.Context(), "request failed", "trace", s.TraceID, "route", r.Pattern, "err", err)
}

// BreakOff ends a response that began and cannot be completed, so that the client cannot take it
// for whole. It does not return.
func BreakOff(r *http.Request, err error) {
	if !clientGone(r, err) {
		Note(r, err)
	}
	panic(http.ErrAbortHandler)
}

func clientGone(r *http.Request, err error) bool {
	return errors.Is(err, ErrClientGone) || errors.Is(err, context.Canceled) && r.Context().Err() != nil
}
