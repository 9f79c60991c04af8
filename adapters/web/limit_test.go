package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/internal/usecase"
)

// limited makes a site behind a proxy that lets every visitor upload twice a minute.
func limited(t *testing.T) *world {
	t.Helper()
	return newWorld(t, fake.Cutter{}, func(c *web.Config) {
		up := c.Upload.(usecase.Upload)
		up.Gate.Policy = fake.Uploads{PerMinute: 2}
		c.Upload, c.BehindProxy, c.Gate = up, true, up.Gate
	})
}

// uploadFrom sends a photo as a visitor of an address.
func (w *world) uploadFrom(t *testing.T, address, path, name string) *httptest.ResponseRecorder {
	t.Helper()
	body, kind := formOf(t, field{name, "photo.jpg", testphotos.Original("chelsea")})
	return w.do(t, "POST", path, body, "Content-Type", kind, "X-Forwarded-For", "192.0.2.200, "+address, "Sec-Fetch-Site", "same-origin")
}

func TestWhoSendsTooMuchIsAskedToWait(t *testing.T) {
	for name, tt := range map[string]struct {
		path, field string
		says        func(t *testing.T, body string)
	}{
		"api": {"/v1/images", "image", func(t *testing.T, body string) {
			var p struct{ Code, Type, Detail string }
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code != "upload.too_many" || !strings.Contains(p.Detail, "minute") {
				t.Errorf("answered %s, %v", body, err)
			}
		}},
		"remove.bg's": {"/v1.0/removebg", "image_file", func(t *testing.T, body string) {
			if !strings.Contains(body, `"code":"rate_limit_exceeded"`) {
				t.Errorf("answered %s", body)
			}
		}},
		"page": {"/i", "image", func(t *testing.T, body string) {
			if !strings.Contains(body, "<html") || !strings.Contains(body, usecase.ErrTooManyUploads.Text) {
				t.Errorf("answered %s", body)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := limited(t)
			for left := 1; left >= 0; left-- {
				answer := w.uploadFrom(t, "198.51.100.7", tt.path, tt.field)
				if answer.Code >= 400 {
					t.Fatalf("answered %d %s", answer.Code, answer.Body)
				}
				wantQuota(t, answer, tt.path != "/i", fmt.Sprintf(`"visitor";r=%d;t=60`, left))
			}
			w.Wait()
			facts := len(w.Record.All())

			answer := w.uploadFrom(t, "198.51.100.7", tt.path, tt.field)
			if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "60" {
				t.Errorf("answered %d, Retry-After %q", answer.Code, answer.Header().Get("Retry-After"))
			}
			wantQuota(t, answer, true, `"visitor";r=0;t=60`)
			tt.says(t, answer.Body.String())
			if n := len(w.Record.All()); n != facts {
				t.Errorf("%d facts more", n-facts)
			}
			if refused, _ := w.Told.Told(); len(refused) != 1 || refused[0].Rule != "upload.rate" {
				t.Errorf("the record is told of %+v", refused)
			}
			if answer := w.uploadFrom(t, "203.0.113.1", tt.path, tt.field); answer.Code >= 400 {
				t.Errorf("another visitor is answered %d", answer.Code)
			}
			w.Wait()
			if said := w.log.String(); strings.Contains(said, "198.51.100") {
				t.Errorf("the log has an address: %s", said)
			}
		})
	}
}

func wantQuota(t *testing.T, answer *httptest.ResponseRecorder, told bool, rest string) {
	t.Helper()
	policy, left := answer.Header().Get("RateLimit-Policy"), answer.Header().Get("RateLimit")
	if !told {
		rest = ""
	}
	if left != rest || told && policy != `"visitor";q=2;w=60` {
		t.Errorf("RateLimit-Policy %q, RateLimit %q; want %q", policy, left, rest)
	}
	theirs := answer.Header()
	if !told {
		if theirs.Get("X-RateLimit-Limit") != "" {
			t.Errorf("not to be told: %v", theirs)
		}
		return
	}
	if want := strings.Split(strings.TrimPrefix(rest, `"visitor";r=`), ";")[0]; theirs.Get("X-RateLimit-Limit") != "2" || theirs.Get("X-RateLimit-Remaining") != want {
		t.Errorf("in remove.bg's fields: %v, want %s of 2", theirs, want)
	}
	reset, err := strconv.ParseInt(theirs.Get("X-RateLimit-Reset"), 10, 64)
	if in := time.Until(time.Unix(reset, 0)); err != nil || in <= 0 || in > 61*time.Second {
		t.Errorf("X-RateLimit-Reset %q is in %v, %v", theirs.Get("X-RateLimit-Reset"), in, err)
	}
}

// A visitor-day is a fact that shows no address, and no fact about a photo names it.
func TestVisitsStandApartFromPhotos(t *testing.T) {
	var visits *usecase.Visits
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		visits, c.BehindProxy = c.Upload.(usecase.Upload).Gate.Visits, true
	})
	for range 2 {
		w.uploadFrom(t, "198.51.100.7", "/v1/images", "image")
	}
	w.Wait()
	if n, err := visits.Record(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d visits, %v", n, err)
	}
	all := w.Record.All()
	name, isVisit := strings.CutPrefix(string(all[len(all)-1].Stream), "visit/")
	if !isVisit {
		t.Fatal("no visit began")
	}
	for i, env := range all {
		shown := fmt.Sprintf("%+v %+v", env, env.Fact)
		if strings.Contains(shown, "198.51.100.7") || i < len(all)-1 && strings.Contains(shown, name) {
			t.Errorf("%s shows a visitor: %s", env.Fact.EventName(), shown)
		}
	}
}

// A request that cannot be carried out costs its sender as much as one that can, wherever its mistake is found.
func TestMistakesCountAsRequests(t *testing.T) {
	good := field{"image_file", "photo.jpg", testphotos.Original("chelsea")}
	for name, fields := range map[string][]field{
		"in the form":    {text("no_such_parameter", "1")},
		"in an option":   {good, text("format", "zip")},
		"in the picture": {{"image_file", "photo.jpg", []byte("no picture at all")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := limited(t)
			send := func(fields ...field) int {
				body, kind := formOf(t, fields...)
				return w.do(t, "POST", removebg, body, "Content-Type", kind, "X-Forwarded-For", "198.51.100.7").Code
			}
			for range 2 {
				if code := send(fields...); code < 400 || code == http.StatusTooManyRequests || code >= 500 {
					t.Fatalf("answered %d", code)
				}
			}
			if code := send(good); code != http.StatusTooManyRequests {
				t.Errorf("the third is answered %d", code)
			}
		})
	}
}
