package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/internal/usecase"
)

type noted struct {
	mu  sync.Mutex
	all []usecase.Call
}

func (n *noted) Note(c usecase.Call) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, c)
}

// What the log of requests holds of a whole visit: patterns and classes, and nothing of who it was or
// of which photo.
func TestCallsAreNoted(t *testing.T) {
	log := &noted{}
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		c.Calls, c.BehindProxy = log, true
		c.Own = func(r *http.Request) bool { return r.Header.Get("X-Own") == "yes" }
	})
	body, kind := formOf(t, field{"image", "Hansi-canary.jpg", testphotos.Original("chelsea")})
	answer := w.do(t, "POST", "/v1/images?note=canary", body, "Content-Type", kind, "X-Forwarded-For", "198.51.100.7", "User-Agent", "canary-browser")
	up := decode[accepted](t, answer.Body.Bytes())
	w.Wait()
	w.do(t, "GET", "/v1/images/"+up.ID+"/result", nil, "Authorization", "Bearer "+up.Capability)
	w.do(t, "GET", "/i/"+up.ID+"?key="+up.Capability, nil)
	w.do(t, "CANARY", "/canary", nil)
	for _, left := range []string{"/livez", "/readyz", "/officer/log", "/officer"} {
		w.do(t, "GET", left, nil)
	}

	w.do(t, "GET", "/", nil, "X-Own", "yes") // the service looks at itself

	var got []string
	for _, c := range log.all {
		if c.At != noon || c.Duration == 0 || c.Bytes == 0 {
			t.Errorf("noted %+v", c)
		}
		got = append(got, fmt.Sprintf("%s %s %d", c.Method, c.Route, c.Status))
	}
	want := []string{"POST /v1/images 2", "GET /v1/images/{id}/result 2", "GET /i/{id} 2", "other unmatched 4"}
	if !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
	for _, canary := range []string{"anary", "Hansi", "198.51.100", up.ID, up.Capability} {
		if shown := fmt.Sprintf("%+v", log.all); strings.Contains(shown, canary) {
			t.Errorf("%s is noted: %s", canary, shown)
		}
	}
}
