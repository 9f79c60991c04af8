package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/internal/usecase"
)

const (
	// briefTime is how long a request may take that moves no photo.
	briefTime = 20 * time.Second
	// briefBody is the largest body of a request that brings no photo.
	briefBody = 64 << 10
	// writeTime is how long a client may take to receive what is not sent piece by piece.
	writeTime = time.Minute
	// unmatched stands in the log for every address that is not in the list.
	unmatched = "unmatched"
)

// ServeHTTP implements [http.Handler]: what happens around every request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	in := &scope.Request{TraceID: random(), Nonce: random(), Style: styleOf(r.URL.Path), Log: s.Log}
	r = r.WithContext(scope.With(r.Context(), in))
	out := &response{ResponseWriter: w}
	defer func() { s.served(r, out, time.Since(began)) }()
	defer recovered(out, r)

	s.headers(w.Header(), in.TraceID)
	if h, pattern := s.mux.Handler(r); pattern == "" {
		noRoute(out, r, h)
		return
	}
	s.mux.ServeHTTP(out, r)
}

// styleOf says how errors are shown to whoever asks for a path that no route matches.
func styleOf(path string) scope.Style {
	switch {
	case strings.HasPrefix(path, "/v1.0/"):
		return scope.Envelope
	case strings.HasPrefix(path, "/v1/"):
		return scope.Problem
	case strings.HasPrefix(path, "/officer/"):
		return scope.Staff
	}
	return scope.Page
}

// noRoute answers a request for which the multiplexer has no route, but an answer of its own: there is no such
// address, or not for this method.
func noRoute(w http.ResponseWriter, r *http.Request, builtin http.Handler) {
	probe := &probe{header: http.Header{}}
	builtin.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		answer.Fail(w, r, answer.ErrMethod)
		return
	}
	answer.Fail(w, r, answer.ErrNoPage)
}

// probe finds out what a handler would answer.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// inside is what happens around a request once its route is known.
func (s *Site) inside(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope.Of(r.Context()).Style = rt.style
		if rt.bounds == own {
			rt.handler.ServeHTTP(w, r)
			return
		}
		if r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(briefTime)) // no deadlines in tests
			r.Body = http.MaxBytesReader(w, r.Body, briefBody)
		}
		ctx, cancel := context.WithTimeout(r.Context(), briefTime)
		defer cancel()
		// A shallow copy: the pattern that the multiplexer has set on r stays known to the log.
		rt.handler.ServeHTTP(w, r.WithContext(ctx))
	})
}

// served logs and counts a request that is over. Neither holds more than the route's pattern.
func (s *Site) served(r *http.Request, out *response, took time.Duration) {
	pattern := r.Pattern
	if pattern == "" {
		pattern = unmatched
	}
	own := s.Own != nil && s.Own(r)
	level := slog.LevelInfo
	if own {
		level = slog.LevelDebug
	}
	s.Log.Log(r.Context(), level, "request", "method", methodOf(r), "route", pattern, "status", out.code(), "ms", took.Milliseconds())
	if s.Metrics != nil {
		s.Metrics.Request(pattern, out.code(), took)
	}
	if s.Calls != nil && !own && !unlogged(r, pattern) {
		route := pattern[strings.IndexByte(pattern, ' ')+1:]
		s.Calls.Note(usecase.NewCall(s.Now(), methodOf(r), route, out.code(), took, out.sent))
	}
}

// unlogged says which requests the log of requests leaves out: probes and files of pages, which say
// nothing, and pages for members of staff, whose work is recorded elsewhere.
func unlogged(r *http.Request, pattern string) bool {
	switch pattern {
	case "GET /livez", "GET /readyz", "GET " + page.AssetsPattern:
		return true
	}
	return strings.HasPrefix(r.URL.Path, "/officer")
}

// methodOf returns the request's method if it is one: a client may put anything there.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// recovered answers a request whose handler panicked, unless an answer has begun: then
// the connection is cut, so that nobody takes it for whole.
func recovered(out *response, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	in := scope.Of(r.Context())
	in.Log.ErrorContext(r.Context(), "handler panicked", "trace", in.TraceID, "route", r.Pattern, "panic", describe(cause), "stack", string(debug.Stack()))
	if out.status != 0 {
		panic(http.ErrAbortHandler)
	}
	answer.Fail(out, r, errPanicked)
}

var errPanicked = errors.New("the handler panicked")

// describe tells what a panic was about without what it may carry: only the runtime's own
// messages are known to hold nothing of a request.
func describe(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", cause)
}

// response remembers the status and counts, and gives every answer its time.
type response struct {
	http.ResponseWriter
	status int
	sent   int64 // bytes of the body
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTime)) // no deadlines in tests
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// random returns 128 random bits in hexadecimal.
func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
