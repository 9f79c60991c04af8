package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/images"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is a site over a service in memory, with a clock that the test moves.
type world struct {
	*fake.Service
	site    *web.Site
	log     *safeBuffer
	metrics *metrics

	mu sync.Mutex
	at time.Time
}

// newWorld makes a site. The tests may change what it is made of.
func newWorld(t *testing.T, cutter fake.Cutter, change ...func(*web.Config)) *world {
	t.Helper()
	w := &world{at: noon, log: &safeBuffer{}, metrics: &metrics{}}
	w.Service = fake.NewService(w.now, cutter)
	c := web.Config{
		Upload: w.Upload, Watch: w.Watch, Preview: w.Preview, Download: w.Download, Delete: w.Delete,
		Transform: transform,
		View:      capability.View{CaughtUp: func(context.Context) error { return nil }, Get: viewOf(w.Record)},
		Hours: func(_ context.Context, from, to time.Time) ([]analytics.Hour, error) {
			var all []analytics.Hour
			for h := from; h.Before(to); h = h.Add(time.Hour) {
				all = append(all, analytics.Hour{Start: h})
			}
			return all, nil
		},
		Now:     w.now,
		Log:     slog.New(slog.NewJSONHandler(w.log, nil)),
		Metrics: w.metrics,
	}
	for _, f := range change {
		f(&c)
	}
	w.site = web.New(c)
	t.Cleanup(w.site.Stop)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// viewOf folds a picture's facts as the projection does.
func viewOf(r *fake.Record) func(context.Context, id.Image) (images.Picture, error) {
	return func(ctx context.Context, img id.Image) (images.Picture, error) {
		history, err := r.Load(ctx, image.Stream(img))
		if err != nil || len(history) == 0 {
			return images.Picture{}, errors.Join(err, image.ErrUnknown)
		}
		p := images.Picture{Image: img, Status: image.FromRecord(history).Status(), Version: int64(len(history)), UploadedAt: history[0].At}
		for _, env := range append(history, keyFacts(r, img)...) {
			switch f := env.Fact.(type) {
			case image.Uploaded:
				p.Due, p.Capability, p.SizeClass, p.UploadedSeq = f.Due, f.Capability, f.SizeClass, env.Seq
			case image.ProcessingFailed:
				p.Failure = f.Code
			case image.Processed:
				p.Took = time.Duration(f.Stages.Total) * time.Millisecond
			case image.Deleted:
				p.DeletedWhy, p.DeletedAt, p.DeletedSeq = f.Why, f.Actual, env.Seq
			case system.KeyDestroyed:
				p.KeyDestroyedSeq = env.Seq
			}
		}
		return p, nil
	}
}

func keyFacts(r *fake.Record, img id.Image) []event.Envelope {
	facts, _ := r.Load(context.Background(), system.VaultStream(image.Key(img)))
	return facts
}

// transform is a small working [api.Transform]: it writes a picture as large as asked.
func transform(_ context.Context, r io.Reader, o api.Options, w io.Writer) (int, int, error) {
	src, err := png.Decode(r)
	if err != nil {
		return 0, 0, err
	}
	side := min(src.Bounds().Dx(), src.Bounds().Dy())
	for o.MaxPixels > 0 && side*side > o.MaxPixels {
		side /= 2
	}
	return side, side, png.Encode(w, testphotos.Gradient(side, side))
}

type metrics struct {
	mu     sync.Mutex
	served []string
}

func (m *metrics) Request(route string, status int, _ time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.served = append(m.served, route+" "+http.StatusText(status))
}

type safeBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// serve starts a server that ends with the test, after everything that the test began later.
func (w *world) serve(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(w.site)
	t.Cleanup(func() {
		w.site.Stop()
		server.Close()
	})
	return server
}

// Requests and answers.

func (w *world) do(t *testing.T, method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	w.site.ServeHTTP(answer, r)
	return answer
}

// field is one part of a form; file is its file name, "" for a plain value.
type field struct {
	name, file string
	content    []byte
}

func formOf(t *testing.T, fields ...field) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	form := multipart.NewWriter(body)
	for _, f := range fields {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="`+f.name+`"`)
		if f.file != "" {
			h.Set("Content-Disposition", `form-data; name="`+f.name+`"; filename="`+f.file+`"`)
		}
		part, err := form.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return body, form.FormDataContentType()
}

// accepted is the answer to an upload, as a client reads it.
type accepted struct {
	ID, Status, Capability string
	DeleteBy               time.Time `json:"delete_by"`
	Links                  struct{ Self, Events, Preview, Result, Receipt, Page string }
}

func (w *world) upload(t *testing.T) accepted {
	t.Helper()
	body, kind := formOf(t, field{"image", "cat.jpg", testphotos.Original("chelsea")})
	answer := w.do(t, "POST", "/v1/images", body, "Content-Type", kind)
	if answer.Code != http.StatusAccepted {
		t.Fatalf("upload answered %d %s", answer.Code, answer.Body)
	}
	return decode[accepted](t, answer.Body.Bytes())
}

// uploadReady uploads and waits for the cutout.
func (w *world) uploadReady(t *testing.T) accepted {
	t.Helper()
	up := w.upload(t)
	w.Wait()
	return up
}

func decode[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func withKey(path string, up accepted) string { return path + "?key=" + up.Capability }

// codeIn returns the code of an error, in whichever style it was answered.
func codeIn(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	switch kind := answer.Header().Get("Content-Type"); kind {
	case "application/problem+json":
		return decode[struct{ Code string }](t, answer.Body.Bytes()).Code
	case "application/json":
		e := decode[struct {
			Errors []struct{ Title, Code, Detail string }
		}](t, answer.Body.Bytes()).Errors
		if len(e) != 1 || e[0].Title == "" || e[0].Detail == "" {
			t.Fatalf("the envelope is %s", answer.Body)
		}
		return e[0].Code
	case "text/html; charset=utf-8":
		_, rest, _ := strings.Cut(answer.Body.String(), "<dt>Code</dt><dd><code>")
		code, _, _ := strings.Cut(rest, "<")
		return code
	default:
		t.Fatalf("an error of type %q: %s", kind, answer.Body)
		return ""
	}
}

// eventually fails the test when the condition does not come true within a time that is far longer
// than it should take.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not come true")
		}
	}
}
