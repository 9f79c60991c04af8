package web_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/internal/fake"
)

// reader reads server-sent events.
type reader struct {
	*bufio.Reader
	answer *http.Response
}

// sse is one event; a comment has text only.
type sse struct{ id, name, data, comment string }

func (r reader) next(t *testing.T) (sse, bool) {
	t.Helper()
	var e sse
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return e, false
		}
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && e == (sse{}): // after "retry"
		case line == "":
			return e, true
		case key == "id":
			e.id = value
		case key == "event":
			e.name = value
		case key == "data":
			e.data = value
		case strings.HasPrefix(line, ":"):
			e.comment = value
		}
	}
}

func follow(t *testing.T, server *httptest.Server, path, lastID string) reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return reader{bufio.NewReader(answer.Body), answer}
}

func TestEventsTellALifetime(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	server := w.serve(t)
	up := w.upload(t)
	events := follow(t, server, withKey(up.Links.Events, up), "")
	if kind := events.answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("answered %s %s", events.answer.Status, kind)
	}
	expect := func(id, status string) {
		t.Helper()
		e, more := events.next(t)
		if !more || e.id != id || e.name != "status" || decode[shown](t, []byte(e.data)).Status != status {
			t.Fatalf("got %+v %t, want id %s, %s", e, more, id, status)
		}
	}

	expect("1", "waiting")
	close(gate)
	expect("2", "ready")
	w.do(t, "DELETE", withKey(up.Links.Self, up), nil)
	expect("3", "deleted")
	if e, more := events.next(t); more {
		t.Errorf("after the deletion comes %+v", e)
	}
}

func TestEventsResume(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	server := w.serve(t)
	up := w.uploadReady(t)

	for last, wantID := range map[string]string{"": "2", "1": "2", "what?": "2", "-5": "2"} {
		if e, _ := follow(t, server, withKey(up.Links.Events, up), last).next(t); e.id != wantID {
			t.Errorf("after %q comes %+v", last, e)
		}
	}
	seen := follow(t, server, withKey(up.Links.Events, up), "2")
	w.do(t, "DELETE", withKey(up.Links.Self, up), nil)
	if e, _ := seen.next(t); e.id != "3" {
		t.Errorf("after 2 comes %+v", e)
	}
	if status := follow(t, server, withKey(up.Links.Events, up), "3").answer.StatusCode; status != http.StatusNoContent {
		t.Errorf("after the end: %d, and the client would come back for ever", status)
	}
	if e, _ := follow(t, server, withKey(up.Links.Events, up), "2").next(t); e.id != "3" {
		t.Errorf("who missed the end is told %+v", e)
	}
}

func TestEventStreamsAreBounded(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate}, func(c *web.Config) { c.Limits.Streams = 1 })
	defer close(gate)
	server := w.serve(t)
	up := w.upload(t)
	first := follow(t, server, withKey(up.Links.Events, up), "")
	first.next(t)

	second := follow(t, server, withKey(up.Links.Events, up), "")
	if second.answer.StatusCode != 503 || second.answer.Header.Get("Retry-After") == "" {
		t.Errorf("the second gets %s", second.answer.Status)
	}

	_ = first.answer.Body.Close()
	eventually(t, func() bool {
		return follow(t, server, withKey(up.Links.Events, up), "").answer.StatusCode == 200
	})
}

func TestStoppingEndsTheStreams(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	defer close(gate)
	server := w.serve(t)
	up := w.upload(t)
	events := follow(t, server, withKey(up.Links.Events, up), "")
	events.next(t)

	w.site.Stop()

	if e, more := events.next(t); more {
		t.Errorf("instead of the end comes %+v", e)
	}
}

// pipeWriter is a connection whose other end is read by the test.
type pipeWriter struct {
	header http.Header
	*io.PipeWriter
}

func (p pipeWriter) Header() http.Header { return p.header }
func (pipeWriter) WriteHeader(int)       {}
func (pipeWriter) Flush()                {}

func TestSilentStreamShowsThatItIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, fake.Cutter{Gate: gate})
		up := w.upload(t)
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := httptest.NewRequestWithContext(ctx, "GET", withKey(up.Links.Events, up), nil)
			w.site.ServeHTTP(pipeWriter{http.Header{}, in}, r)
			_ = in.Close()
		}()
		events := reader{bufio.NewReader(out), nil}
		events.next(t)
		for range 3 {
			if e, _ := events.next(t); e.comment != "still here" {
				t.Errorf("silence is broken by %+v", e)
			}
		}
		// It ends by itself, so that no stream lives for ever; the client comes back.
		beats := 3
		for e, more := events.next(t); more; e, more = events.next(t) {
			if e.comment != "still here" {
				t.Errorf("silence is broken by %+v", e)
			}
			beats++
		}
		if beats < 50 || beats > 60 {
			t.Errorf("it lived for %d heartbeats", beats)
		}
		cancel()
		<-done
		close(gate)
		w.Wait()
	})
}
