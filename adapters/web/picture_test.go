package web_test

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/internal/fake"
)

// shown is a picture as a client reads it.
type shown struct {
	ID, Status string
	DeleteBy   time.Time `json:"delete_by"`
	Deletion   struct {
		Why         string
		Due, Actual time.Time
		Record      map[string]int64
	}
}

func TestPictureFromUploadToDeletion(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	up := w.upload(t)
	look := func() shown {
		answer := w.do(t, "GET", up.Links.Self, nil, "Authorization", "Bearer "+up.Capability)
		if answer.Code != http.StatusOK {
			t.Fatalf("answered %d %s", answer.Code, answer.Body)
		}
		return decode[shown](t, answer.Body.Bytes())
	}

	if p := look(); p.Status != "waiting" || !p.DeleteBy.Equal(noon.Add(24*time.Hour)) {
		t.Errorf("after the upload it is %+v", p)
	}
	close(gate)
	w.Wait()
	if p := look(); p.Status != "ready" {
		t.Errorf("after the cutout it is %+v", p)
	}
	w.advance(time.Minute)
	first := w.do(t, "DELETE", withKey(up.Links.Self, up), nil)
	w.advance(time.Hour)
	again := w.do(t, "DELETE", withKey(up.Links.Self, up), nil)
	if first.Code != 200 || first.Body.String() != again.Body.String() {
		t.Errorf("deleted %d %s, again %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	p := look()
	if p.Status != "deleted" || p.Deletion.Why != "requested" || !p.Deletion.Actual.Equal(noon.Add(time.Minute)) ||
		p.Deletion.Record["image.deleted"] != 3 || p.Deletion.Record["vault.key_destroyed"] != 4 {
		t.Errorf("after the deletion it is %+v", p)
	}
	if h := first.Header().Get("X-Deleted-At"); h != "2026-03-02T12:01:00Z" {
		t.Errorf("X-Deleted-At %q", h)
	}
}

func TestDeleteWhileItIsCutOut(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	up := w.upload(t)

	answer := w.do(t, "DELETE", withKey(up.Links.Self, up), nil)
	close(gate)
	w.Wait()

	if answer.Code != 200 {
		t.Fatalf("answered %d %s", answer.Code, answer.Body)
	}
	result := w.do(t, "GET", withKey(up.Links.Result, up), nil)
	if result.Code != http.StatusGone || codeIn(t, result) != "image.deleted" {
		t.Errorf("the result is %d %s", result.Code, result.Body)
	}
}

// What is no such picture, and what is not yours, must look the same: same status, same
// headers, same body but for the random id of the answer.
func TestWhoeverHoldsNoCapabilityLearnsNothing(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	const other = "01900000-0000-7000-8000-00000000ffff"
	wrong := strings.Repeat("0", 64)
	asks := map[string]func(path string) (string, []string){
		"missing":          func(p string) (string, []string) { return p, nil },
		"wrong, in a link": func(p string) (string, []string) { return p + "?key=" + wrong, nil },
		"wrong, as bearer": func(p string) (string, []string) { return p, []string{"Authorization", "Bearer " + wrong} },
		"empty":            func(p string) (string, []string) { return p + "?key=", nil },
		"a bearer that is wrong beside a key that is right": func(p string) (string, []string) {
			return withKey(p, up), []string{"Authorization", "Bearer " + wrong}
		},
		"of an unknown picture": func(p string) (string, []string) {
			return strings.Replace(withKey(p, up), up.ID, other, 1), nil
		},
		"of what is no id": func(p string) (string, []string) {
			return strings.Replace(withKey(p, up), up.ID, "42", 1), nil
		},
	}
	endpoints := [][2]string{
		{"GET", up.Links.Self},
		{"GET", up.Links.Events},
		{"GET", up.Links.Preview},
		{"GET", up.Links.Result},
		{"HEAD", up.Links.Result},
		{"DELETE", up.Links.Self},
		{"GET", "/i/" + up.ID},
		{"GET", "/i/" + up.ID + "/result"},
		{"POST", "/i/" + up.ID + "/delete"},
	}
	for _, e := range endpoints {
		var first string
		for name, ask := range asks {
			target, headers := ask(e[1])
			answer := w.do(t, e[0], target, nil, headers...)
			if answer.Code != http.StatusNotFound || codeIn(t, answer) != "image.unknown" && e[0] != "HEAD" {
				t.Errorf("%s %s, capability %s: %d %s", e[0], e[1], name, answer.Code, answer.Body)
			}
			all := withoutRandom(answer.Header(), answer.Body.String())
			if first == "" {
				first = all
			}
			if all != first {
				t.Errorf("%s %s, capability %s answers differently:\n%s\n%s", e[0], e[1], name, all, first)
			}
		}
	}
	if got := len(w.Record.All()); got != 2 {
		t.Errorf("the record has %d facts, not upload and cutout alone", got)
	}
}

// withoutRandom returns an answer without what differs between any two.
func withoutRandom(h http.Header, body string) string {
	trace := h.Get("X-Request-Id")
	_, rest, _ := strings.Cut(body, `nonce="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	var all bytes.Buffer
	_ = h.Write(&all)
	text := strings.ReplaceAll(all.String()+body, trace, "T")
	if nonce != "" {
		text = strings.ReplaceAll(text, nonce, "N")
	}
	return text
}

func TestPreview(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	facts := len(w.Record.All())
	for _, of := range []string{"", "&of=result", "&of=original"} {
		answer := w.do(t, "GET", withKey(up.Links.Preview, up)+of, nil)
		picture, err := png.Decode(answer.Body)
		if answer.Code != 200 || err != nil || picture.Bounds().Dx() != 451 {
			t.Errorf("%q: %d, %v", of, answer.Code, err)
		}
		if h := answer.Header(); h.Get("Content-Type") != "image/png" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: headers %v", of, h)
		}
	}
	if answer := w.do(t, "GET", withKey(up.Links.Preview, up)+"&of=thumbnail", nil); answer.Code != 400 || codeIn(t, answer) != "request.no_such_copy" {
		t.Errorf("an unknown copy: %d %s", answer.Code, answer.Body)
	}
	if len(w.Record.All()) != facts {
		t.Error("a preview left a fact")
	}
}

func TestPreviewOfWhatIsNotThere(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	up := w.upload(t)
	if answer := w.do(t, "GET", withKey(up.Links.Preview, up), nil); answer.Code != 409 || codeIn(t, answer) != "image.not_ready" {
		t.Errorf("while it waits: %d %s", answer.Code, answer.Body)
	}
	close(gate)
	w.Wait()
	w.do(t, "DELETE", withKey(up.Links.Self, up), nil)
	for _, of := range []string{"", "&of=original"} {
		if answer := w.do(t, "GET", withKey(up.Links.Preview, up)+of, nil); answer.Code != 410 || codeIn(t, answer) != "image.deleted" {
			t.Errorf("once deleted %q: %d %s", of, answer.Code, answer.Body)
		}
	}
}

func TestPictureWhileItsViewLags(t *testing.T) {
	tests := map[string]struct {
		caughtUp func(context.Context) error
		status   int
		code     string
	}{
		"for too long": {func(ctx context.Context) error { return errors.Join(ctx.Err(), context.DeadlineExceeded) }, 503, "request.timeout"},
		"it is broken": {func(context.Context) error { return errors.New("relation does not exist") }, 500, "internal"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.View.CaughtUp = tt.caughtUp })
			up := w.uploadReady(t)
			answer := w.do(t, "GET", withKey(up.Links.Self, up), nil)
			if answer.Code != tt.status || codeIn(t, answer) != tt.code {
				t.Errorf("answered %d %s", answer.Code, answer.Body)
			}
		})
	}
}
