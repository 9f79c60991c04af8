// Package scope is what belongs to one request: its trace id, the nonce of its page, the
// style in which it is answered, and the log.
//
// The shell makes it, the handlers of every audience read it. It never holds who asks.
package scope

import (
	"context"
	"log/slog"
)

// Style is how errors are shown to whoever asked.
type Style int

// The styles.
const (
	Page     Style = iota // an HTML page, for people
	Staff                 // an HTML page, for members of staff
	Problem               // RFC 9457 problem details, for clients of /v1
	Envelope              // remove.bg's error envelope, for clients of /v1.0
)

// Request is the scope of one request. The shell sets every field before a handler runs;
// nobody changes them afterwards.
type Request struct {
	TraceID string // random; what a person quotes when something went wrong
	Nonce   string // of the Content-Security-Policy; fresh for every request
	Style   Style
	Log     *slog.Logger
}

type key struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Request) context.Context { return context.WithValue(ctx, key{}, r) }

// Of returns the scope of a request. Handlers run inside the shell only, so that there
// always is one; a context without one panics.
func Of(ctx context.Context) *Request { return ctx.Value(key{}).(*Request) }
