package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// busy is a service that answers 429 so many times, then with the photo itself.
type busy struct {
	retry string
	times int
	asked atomic.Int64
}

// RoundTrip implements http.RoundTripper, without a network: time is the test's.
func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	if int(b.asked.Add(1)) <= b.times {
		_, _ = io.CopyN(io.Discard, r.Body, 10) // and answers before all of it is there
		out.Header().Set("Retry-After", b.retry)
		out.WriteHeader(http.StatusTooManyRequests)
		_, _ = out.WriteString(`{"errors":[{"title":"Too many.","code":"rate_limit_exceeded"}]}`)
		return out.Result(), r.Body.Close()
	}
	photo, _, err := r.FormFile("image_file")
	if err == nil {
		_, err = io.Copy(out, photo)
	}
	return out.Result(), errors.Join(err, r.Body.Close())
}

func TestRemoveWaitsWhenItIsAskedTo(t *testing.T) {
	photo := strings.Repeat("pixels ", 100_000)
	tests := map[string]struct {
		retry string
		times int
		takes time.Duration
		fails string
	}{
		"not at all":         {},
		"once":               {retry: "60", times: 1, takes: time.Minute},
		"again and again":    {retry: "60", times: 30, takes: 30 * time.Minute},
		"for ever":           {retry: "60", times: 1000, fails: "rate_limit_exceeded"},
		"nobody knows when":  {times: 1, fails: "rate_limit_exceeded"},
		"a date":             {retry: "Tue, 24 Nov 2026 03:00:00 GMT", times: 1, fails: "rate_limit_exceeded"},
		"longer than anyone": {retry: "86400", times: 1, fails: "rate_limit_exceeded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := newRemoteRemover("http://127.0.0.1:1")
				if err != nil {
					t.Fatal(err)
				}
				service := &busy{retry: tt.retry, times: tt.times}
				r.client.Transport = service
				waited := 0
				r.waits = func(d time.Duration) {
					if d > 0 {
						waited++
					}
				}
				var out bytes.Buffer
				began := time.Now()
				_, err = r.remove(t.Context(), strings.NewReader(photo), &out)
				if tt.fails != "" {
					if err == nil || !strings.Contains(err.Error(), tt.fails) || out.Len() > 0 {
						t.Errorf("%v, %d bytes", err, out.Len())
					}
					return
				}
				if err != nil || out.String() != photo || time.Since(began) != tt.takes || waited != tt.times {
					t.Errorf("%v, %d bytes after %s, %d waits told", err, out.Len(), time.Since(began), waited)
				}
			})
		})
	}
}
