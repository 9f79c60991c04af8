package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/testphotos"
)

const (
	floodNetwork = "198.51.100."
	floodAgent   = "canary-flood/77"
)

// floodFrom sends requests from an address of the flooding network until one is refused or so many were
// answered. All but the first repeat it: that costs a flood nothing but its limits.
func floodFrom(s *running, host, most int) (answered int, last answer, err error) {
	header := http.Header{"X-Forwarded-For": {floodNetwork + strconv.Itoa(host)}, "User-Agent": {floodAgent}, "Idempotency-Key": {fmt.Sprintf("flood %d", host)}}
	for answered < most {
		last, err = s.post("/v1/images", "image", testphotos.Original("chelsea"), header)
		if err != nil || last.code == http.StatusTooManyRequests {
			return answered, last, err
		}
		if last.code != http.StatusAccepted {
			return answered, last, fmt.Errorf("answered %s", last)
		}
		answered++
	}
	return answered, last, nil
}

// A flood from one network is held up at its limit and says nothing of anybody, and who comes from elsewhere meanwhile
// is served.
func TestFloodFromOneNetwork(t *testing.T) {
	t.Parallel()
	visitor, network := visitorLimit(t), rateLimit(t, "network")
	data := dataFolder(t)
	s := serve(t, data, append([]string{"--behind-tls-proxy", "--log-level", "debug"}, stated...)...)

	// Given as many hosts as use up what their network may send:
	hosts := network / visitor
	var flood sync.WaitGroup
	for host := 1; host <= hosts; host++ {
		flood.Go(func() {
			if n, last, err := floodFrom(s, host, visitor); err != nil || n != visitor {
				t.Errorf("host %d: %d were answered, then %s, %v", host, n, last, err)
			}
		})
	}
	flood.Wait()

	// When the others of that network go on, and somebody comes from elsewhere:
	var refused atomic.Int64
	over := make(chan struct{})
	for host := hosts + 1; host <= hosts+4; host++ {
		flood.Go(func() {
			for {
				_, last, err := floodFrom(s, host, 1)
				if err != nil || last.code != http.StatusTooManyRequests {
					t.Errorf("host %d is answered %s, %v", host, last, err)
					return
				}
				if refused.Add(1) == 1 {
					wantNetworkRefusal(t, last, network)
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	res, err := s.post("/v1/images", "image", photo(t), http.Header{"X-Forwarded-For": {"203.0.113.5"}})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := s.accepted(res)
	until(t, "the cutout for somebody elsewhere", func() bool { return s.status(elsewhere) == "ready" })
	if got := s.ask(http.MethodGet, "/v1/images/"+elsewhere.ID+"/result", elsewhere.Capability); got.code != http.StatusOK {
		t.Errorf("its download: %s", got)
	}
	close(over)
	flood.Wait()
	s.stop()

	// Then the record counts it by minute, and names nobody; nor do logs and pages.
	s2 := serve(t, data)
	counted := wantFloodCounted(t, s2, refused.Load(), int64(hosts+1))
	grace := s2.enters(t, "Grace Hopper")
	page := string(fetch(t, grace, s2.url+"/officer/security", nil).body)
	var shown int64
	for _, row := range regexp.MustCompile(`<td>upload\.rate</td><td>network</td><td>(\d+)</td>`).FindAllStringSubmatch(page, -1) {
		n, _ := strconv.ParseInt(row[1], 10, 64)
		shown += n
	}
	if shown != counted {
		t.Errorf("%d were refused, and the page about security says %d:\n%s", counted, shown, page)
	}
	all, _, _ := bgremover(t, "log", "show", "--json", "--data", data)
	s2.stop()
	for what, text := range map[string]string{"the log": s.log.String() + s2.log.String(), "the record": all, "the page": page} {
		for _, canary := range []string{floodNetwork, "203.0.113.", "canary-flood", "flood 1"} {
			if strings.Contains(text, canary) {
				t.Errorf("%s names %q", what, canary)
			}
		}
	}
}

// wantNetworkRefusal holds an answer against what a network at its limit is told.
func wantNetworkRefusal(t *testing.T, got answer, limit int) {
	t.Helper()
	for field, want := range map[string]string{
		"Retry-After": "60", "RateLimit-Policy": fmt.Sprintf(`"network";q=%d;w=60`, limit), "RateLimit": `"network";r=0;t=60`,
		"X-RateLimit-Limit": strconv.Itoa(limit), "X-RateLimit-Remaining": "0",
	} {
		if said := got.header.Get(field); said != want {
			t.Errorf("%s: %q, want %q", field, said, want)
		}
	}
	if !strings.Contains(string(got.body), `"upload.too_many_from_network"`) {
		t.Errorf("refused with %s", got)
	}
}

// wantFloodCounted holds the record against how many requests were refused and how many photos were taken in.
func wantFloodCounted(t *testing.T, s *running, refused, taken int64) (counted int64) {
	t.Helper()
	minutes := map[string]int{}
	for _, l := range s.record("--type", "policy.decision_refused.v1") {
		var f policy.DecisionRefused
		if err := json.Unmarshal(l.Data, &f); err != nil || f.Rule != "upload.rate" || f.More != 0 {
			t.Errorf("%v, refused by %s", err, l.Data)
		}
		minutes[f.Minute.String()]++
		counted += f.Count
	}
	for minute, facts := range minutes {
		if facts != 1 {
			t.Errorf("%d facts about the minute %s", facts, minute)
		}
	}
	if counted != refused {
		t.Errorf("%d were refused, and the record counts %d", refused, counted)
	}
	allowed := map[string]int64{}
	for _, l := range s.record("--type", "policy.decisions_counted.v1") {
		var f policy.DecisionsCounted
		if err := json.Unmarshal(l.Data, &f); err != nil {
			t.Fatal(err)
		}
		for _, in := range f.Inputs {
			allowed[f.Rule] += in.Count
		}
	}
	if allowed["upload.accept"] != taken || allowed["upload.rate"] != 2*taken {
		t.Errorf("%d photos were taken in, and the record counts %v", taken, allowed)
	}
	return counted
}
