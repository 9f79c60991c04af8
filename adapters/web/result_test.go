package web_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// names lists the record's facts, short.
func (w *world) names() string {
	var all []string
	for _, env := range w.Record.All() {
		name := strings.TrimSuffix(string(env.Fact.EventName()), ".v1")
		if d, ok := env.Fact.(image.Downloaded); ok {
			name += fmt.Sprintf("(whole=%t)", d.Whole)
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func TestDownloadIsTheEnd(t *testing.T) {
	for _, path := range []string{"/v1/images/", "/i/"} {
		w := newWorld(t, fake.Cutter{})
		up := w.uploadReady(t)

		answer := w.do(t, "GET", withKey(path+up.ID+"/result", up), nil, "Range", "bytes=0-99")

		h := answer.Header()
		if answer.Code != 200 || h.Get("Content-Length") != strconv.Itoa(answer.Body.Len()) || h.Get("Accept-Ranges") != "none" ||
			h.Get("Content-Type") != "image/png" || h.Get("Cache-Control") != "no-store" || h.Get("X-Delete-By") != "2026-03-03T12:00:00Z" {
			t.Errorf("%s: answered %d %v", path, answer.Code, h)
		}
		if picture, err := png.Decode(answer.Body); err != nil || picture.Bounds().Dx() != 451 {
			t.Errorf("%s: the result is no such PNG: %v", path, err)
		}
		if got := w.names(); !strings.HasPrefix(got, "image.uploaded image.processed image.downloaded(whole=true) image.deleted vault.key_destroyed") {
			t.Errorf("%s: the record is %s", path, got)
		}
		if again := w.do(t, "GET", withKey(path+up.ID+"/result", up), nil); again.Code != 410 || codeIn(t, again) != "image.deleted" {
			t.Errorf("%s: again %d %s", path, again.Code, again.Body)
		}
	}
}

func TestHeadIsNoDownload(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	up := w.upload(t)
	if answer := w.do(t, "HEAD", withKey(up.Links.Result, up), nil); answer.Code != 409 {
		t.Errorf("while it waits: %d", answer.Code)
	}
	close(gate)
	w.Wait()
	answer := w.do(t, "HEAD", withKey(up.Links.Result, up), nil)
	if h := answer.Header(); answer.Code != 200 || h.Get("Content-Type") != "image/png" || h.Get("X-Delete-By") == "" || answer.Body.Len() != 0 {
		t.Errorf("once ready: %d %v", answer.Code, h)
	}
	if got := w.names(); got != "image.uploaded image.processed" {
		t.Errorf("the record is %s", got)
	}
}

func TestOfTwoDownloadsAtOnceTheSecondIsRefused(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	release, ok, err := w.Leases.Take(t.Context(), "download/"+up.ID, 0)
	if err != nil || !ok {
		t.Fatal("the first download could not begin")
	}
	if answer := w.do(t, "GET", withKey(up.Links.Result, up), nil); answer.Code != 409 || codeIn(t, answer) != "image.downloading" {
		t.Errorf("the second: %d %s", answer.Code, answer.Body)
	}
	release()
	if answer := w.do(t, "GET", withKey(up.Links.Result, up), nil); answer.Code != 200 {
		t.Errorf("after the first broke off: %d %s", answer.Code, answer.Body)
	}
}

// brokenWriter is a connection that takes so many bytes and no more.
type brokenWriter struct {
	*httptest.ResponseRecorder
	left       int
	flushFails bool
}

func (b *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, errors.New("write tcp 192.0.2.1:443->192.0.2.7:5555: broken pipe")
	}
	b.left -= len(p)
	return b.ResponseRecorder.Write(p)
}

func (b *brokenWriter) FlushError() error {
	if b.flushFails {
		return errors.New("write tcp 192.0.2.1:443->192.0.2.7:5555: connection reset by peer")
	}
	return nil
}

func TestBrokenDownloadLeavesThePicture(t *testing.T) {
	tests := map[string]*brokenWriter{
		"breaks at the first byte": {left: 0},
		"breaks half-way":          {left: 150_000},
		"breaks at the flush":      {left: 10 << 20, flushFails: true},
	}
	for name, connection := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{})
			up := w.uploadReady(t)
			connection.ResponseRecorder = httptest.NewRecorder()

			aborted := abortedBy(func() {
				w.site.ServeHTTP(connection, httptest.NewRequestWithContext(t.Context(), "GET", withKey(up.Links.Result, up), nil))
			})

			if !aborted {
				t.Error("the connection was not cut: a client may take the answer for whole")
			}
			if got := w.names(); got != "image.uploaded image.processed image.downloaded(whole=false)" {
				t.Errorf("the record is %s", got)
			}
			if strings.Contains(w.log.String(), "192.0.2.7") {
				t.Errorf("the log names the client: %s", w.log)
			}
			if answer := w.do(t, "GET", withKey(up.Links.Result, up), nil); answer.Code != 200 {
				t.Errorf("another try: %d %s", answer.Code, answer.Body)
			}
		})
	}
}

// abortedBy says whether f ended its connection.
func abortedBy(f func()) (aborted bool) {
	defer func() {
		err, _ := recover().(error)
		aborted = errors.Is(err, http.ErrAbortHandler)
	}()
	f()
	return false
}

// large hands out a result that no kernel takes whole, and tells how it went.
type large struct{ delivered chan error }

func (l large) Do(_ context.Context, _ id.Image, _ string, deliver func(usecase.Result) error) (usecase.Deletion, error) {
	const size = 256 << 20
	err := deliver(usecase.Result{Reader: bytes.NewReader(make([]byte, size)), Size: size})
	l.delivered <- err
	return usecase.Deletion{}, err
}

// A client that asks and hangs up, over a real connection.
func TestClientThatHangsUpHasNotDownloaded(t *testing.T) {
	download := large{make(chan error, 1)}
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Download = download })
	up := w.uploadReady(t)
	server := w.serve(t)

	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", withKey(up.Links.Result, up))
	if _, err := bufio.NewReader(connection).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := connection.Close(); err != nil {
		t.Fatal(err)
	}

	if err := <-download.delivered; !errors.Is(err, answer.ErrClientGone) {
		t.Errorf("the download is told %v", err)
	}
	if logged := w.log.String(); strings.Contains(logged, "failed") {
		t.Errorf("a client that leaves is no fault of ours: %s", logged)
	}
}

func TestResultWhenTheDeletionFailsAfterwards(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	w.Record.Refuse = func(event.Append) error { return event.ErrUnavailable }
	answer := w.do(t, "GET", withKey(up.Links.Result, up), nil)
	if _, err := png.Decode(bytes.NewReader(answer.Body.Bytes())); answer.Code != 200 || err != nil {
		t.Errorf("the client got %d, %v", answer.Code, err)
	}
	if !strings.Contains(w.log.String(), "delete after the download") {
		t.Errorf("nobody is told: %s", w.log)
	}
}
