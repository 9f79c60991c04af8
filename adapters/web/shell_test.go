package web_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/projections/images"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestErrorsLookAsTheyAlwaysDid(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		c.View.Get = func(context.Context, id.Image) (images.Picture, error) {
			return images.Picture{}, errors.New("a fault")
		}
	})
	up := w.uploadReady(t)
	wrong, wrongKind := formOf(t, field{"file", "a.jpg", testphotos.Original("coffee")})
	nothing, nothingKind := formOf(t)
	tests := map[string]*httptest.ResponseRecorder{
		"problem_refused.json":  w.do(t, "POST", "/v1/images", wrong, "Content-Type", wrongKind),
		"problem_unknown.json":  w.do(t, "DELETE", up.Links.Self, nil),
		"problem_internal.json": w.do(t, "GET", withKey(up.Links.Self, up), nil),
		"envelope_refused.json": w.do(t, "POST", removebg, nothing, "Content-Type", nothingKind),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			got := withoutRandom(http.Header{"Content-Type": answer.Header()["Content-Type"], "X-Request-Id": answer.Header()["X-Request-Id"]}, answer.Body.String())
			got = strings.ReplaceAll(got, "\r\n", "\n")
			golden := "testdata/" + name
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEveryAnswerIsSentUnderTheStrictRules(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.HTTPS = true })
	up := w.uploadReady(t)
	for _, target := range []string{"/", "/stats", "/nowhere", "/livez", withKey("/i/"+up.ID, up), up.Links.Self, withKey(up.Links.Preview, up), withKey(up.Links.Result, up)} {
		h := w.do(t, "GET", target, nil).Header()
		for header, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"X-Frame-Options":              "DENY",
			"Cache-Control":                "no-store",
			"Strict-Transport-Security":    "max-age=63072000; includeSubDomains",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("%s: %s is %q", target, header, got)
			}
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: the policy is %q", target, policy)
		}
		if h.Get("Permissions-Policy") == "" || len(h.Get("X-Request-Id")) != 32 || h.Values("Set-Cookie") != nil {
			t.Errorf("%s: headers %v", target, h)
		}
	}
}

func TestNoncesAreFresh(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	first, second := w.do(t, "GET", "/", nil), w.do(t, "GET", "/", nil)
	if first.Header().Get("Content-Security-Policy") == second.Header().Get("Content-Security-Policy") {
		t.Error("two pages share a nonce")
	}
}

func TestWithoutHTTPSNobodyIsToldToUseIt(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	if got := w.do(t, "GET", "/", nil).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("a laptop's visitors are told %q", got)
	}
}

// What a request says about a person or a picture must not get into log or metrics.
func TestLogAndMetricsHoldNothingPersonal(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	body, kind := formOf(t, field{"image", "grandma.jpg", testphotos.Original("chelsea")})
	up := decode[accepted](t, w.do(t, "POST", "/v1/images", body, "Content-Type", kind, "Idempotency-Key", "my-request-key").Body.Bytes())
	w.Wait()
	w.do(t, "GET", withKey(up.Links.Self, up), nil)
	w.do(t, "GET", withKey("/i/"+up.ID, up), nil, "Referer", "https://from.example/secret", "User-Agent", "browser/1")
	w.do(t, "GET", withKey(up.Links.Result, up), nil)
	w.do(t, "GET", "/secret-path?secret-query", nil)
	w.do(t, "SECRETMETHOD", "/", nil)

	logged := w.log.String() + strings.Join(w.metrics.served, "\n")
	for _, secret := range []string{up.ID, up.Capability, "grandma", "my-request-key", "secret", "SECRET", "browser/1", "192.0.2.1", "key="} {
		if strings.Contains(logged, secret) {
			t.Errorf("%q stands in %s", secret, logged)
		}
	}
	for _, want := range []string{"POST /v1/images Accepted", "GET /v1/images/{id} OK", "GET /v1/images/{id}/result OK", "unmatched Not Found", "unmatched Method Not Allowed"} {
		if !slices.Contains(w.metrics.served, want) {
			t.Errorf("the metrics lack %q: %v", want, w.metrics.served)
		}
	}
}

type panicking struct{ what any }

func (p panicking) Do(context.Context, id.Image, string, string, io.Writer) error { panic(p.what) }

func TestPanicIsAFaultOfOursAndTellsNothing(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Preview = panicking{"grandma.jpg"} })
	up := w.uploadReady(t)
	answer := w.do(t, "GET", withKey(up.Links.Preview, up), nil)
	if answer.Code != 500 || codeIn(t, answer) != "internal" {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
	if logged := w.log.String(); strings.Contains(logged, "grandma") || !strings.Contains(logged, "handler panicked") {
		t.Errorf("logged %s", logged)
	}
}

func TestAddressesThatAreNotThere(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	tests := map[string]struct {
		method, target string
		status         int
		kind           string
	}{
		"a page":                {"GET", "/nowhere", 404, "text/html; charset=utf-8"},
		"of /v1":                {"GET", "/v1/nowhere", 404, "application/problem+json"},
		"of /v1.0":              {"GET", "/v1.0/nowhere", 404, "application/json"},
		"an asset":              {"GET", "/assets/0/nothing.css", 404, "text/html; charset=utf-8"},
		"an asset that climbs":  {"GET", "/assets/0/..%2flayout.html", 404, "text/html; charset=utf-8"},
		"method of a page":      {"PUT", "/", 405, "text/html; charset=utf-8"},
		"method of /v1":         {"PUT", "/v1/images", 405, "application/problem+json"},
		"a question beforehand": {"OPTIONS", "/v1/images", 405, "application/problem+json"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := w.do(t, tt.method, tt.target, nil)
			if answer.Code != tt.status || answer.Header().Get("Content-Type") != tt.kind {
				t.Errorf("answered %d %s", answer.Code, answer.Header().Get("Content-Type"))
			}
			if tt.status == 405 && answer.Header().Get("Allow") == "" {
				t.Error("nobody says which methods there are")
			}
		})
	}
}

func TestHealth(t *testing.T) {
	var fault error
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		c.Ready = []web.Check{
			{Name: "model", OK: func(context.Context) error { return nil }},
			{Name: "record", OK: func(context.Context) error { return fault }},
		}
	})
	if answer := w.do(t, "GET", "/readyz", nil); answer.Code != 200 {
		t.Errorf("ready answers %d %s", answer.Code, answer.Body)
	}
	fault = errors.New("dial tcp 10.1.2.3:9092: refused")
	answer := w.do(t, "GET", "/readyz", nil)
	if got := decode[struct{ Failed []string }](t, answer.Body.Bytes()).Failed; answer.Code != 503 || !slices.Equal(got, []string{"record"}) {
		t.Errorf("not ready answers %d %s", answer.Code, answer.Body)
	}
	if strings.Contains(answer.Body.String(), "10.1.2.3") {
		t.Errorf("it tells strangers too much: %s", answer.Body)
	}
	if answer := w.do(t, "GET", "/livez", nil); answer.Code != 200 {
		t.Errorf("alive answers %d", answer.Code)
	}
}

// The server's own lines hold network addresses of clients.
func TestServerLogsNoAddress(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	w.site.Server().ErrorLog.Printf("http: TLS handshake error from %s: EOF", "192.0.2.7:1234")
	w.site.Server().ErrorLog.Print("something about 192.0.2.7")
	if logged := w.log.String(); strings.Contains(logged, "192.0.2.7") || !strings.Contains(logged, "TLS handshake error") {
		t.Errorf("logged %s", logged)
	}
}

func TestServedRequestsEndWithTheServer(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	defer close(gate)
	up := w.upload(t)
	srv := w.site.Server()
	l := httptest.NewUnstartedServer(nil).Listener
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+withKey(up.Links.Events, up), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()

	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestDueWhileNobodyLooks(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	w.advance(25 * 60 * 60 * 1e9)
	if n, err := w.Due.Do(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	p := decode[shown](t, w.do(t, "GET", withKey(up.Links.Self, up), nil).Body.Bytes())
	if p.Status != string(image.Gone) || p.Deletion.Why != "due" {
		t.Errorf("it is %+v", p)
	}
}
