// Package accesstest is what every store of links and sessions must do: the fake in memory
// and the one in Postgres run it.
package accesstest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

const (
	grace id.Member = "01900000-0000-7000-8000-000000000001"
	ada   id.Member = "01900000-0000-7000-8000-000000000002"
)

var (
	noon    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	quarter = noon.Add(15 * time.Minute)
	evening = noon.Add(12 * time.Hour)
)

func mac(n byte) usecase.MAC { return usecase.MAC{n} }

// Run tests stores that open returns, each time an empty pair.
func Run(t *testing.T, open func(t *testing.T) (usecase.Links, usecase.Sessions)) {
	for name, test := range map[string]func(*store){
		"a link opens one session":     oneSession,
		"times are over when they are": timesOver,
		"of many who use a link":       race,
		"sessions end":                 ends,
	} {
		t.Run(name, func(t *testing.T) {
			links, sessions := open(t)
			test(&store{t, links, sessions})
		})
	}
}

// store is a pair of stores, and what is expected of them.
type store struct {
	*testing.T
	links    usecase.Links
	sessions usecase.Sessions
}

func (s *store) put(link usecase.MAC, m id.Member) {
	s.Helper()
	if err := s.links.Put(s.Context(), link, m, quarter); err != nil {
		s.Fatal(err)
	}
}

func (s *store) begin(link, session usecase.MAC, now time.Time) bool {
	s.Helper()
	ok, err := s.sessions.Begin(s.Context(), link, session, now, evening)
	if err != nil {
		s.Fatal(err)
	}
	return ok
}

// linked expects a link to be of a member; "" expects none.
func (s *store) linked(link usecase.MAC, now time.Time, want id.Member) {
	s.Helper()
	m, ok, err := s.links.Find(s.Context(), link, now)
	if err != nil || m != want || ok != (want != "") {
		s.Errorf("the link %x is of %q (%v, %v), not of %q", link[0], m, ok, err, want)
	}
}

func (s *store) signedIn(session usecase.MAC, now time.Time, want id.Member) {
	s.Helper()
	m, until, ok, err := s.sessions.Find(s.Context(), session, now)
	if err != nil || m != want || ok != (want != "") || ok && !until.Equal(evening) {
		s.Errorf("the session %x is of %q until %s (%v, %v), not of %q", session[0], m, until, ok, err, want)
	}
}

func oneSession(s *store) {
	s.linked(mac(1), noon, "")
	s.put(mac(1), grace)
	s.put(mac(2), ada)
	s.linked(mac(1), noon, grace)
	s.linked(mac(1), noon, grace) // looking does not use it up
	if !s.begin(mac(1), mac(11), noon) {
		s.Error("a fresh link opens nothing")
	}
	if s.begin(mac(1), mac(12), noon) || s.begin(mac(3), mac(13), noon) {
		s.Error("a used or unknown link opens something")
	}
	s.linked(mac(1), noon, "")
	s.linked(mac(2), noon, ada)
	s.signedIn(mac(11), noon, grace)
	s.signedIn(mac(12), noon, "")
	s.signedIn(mac(1), noon, "") // a link is no session
}

func timesOver(s *store) {
	s.put(mac(1), grace)
	s.put(mac(2), grace)
	s.linked(mac(1), quarter.Add(-time.Millisecond), grace)
	s.linked(mac(1), quarter, "")
	if s.begin(mac(1), mac(11), quarter) {
		s.Error("a link opens something after its time")
	}
	if !s.begin(mac(2), mac(12), noon) {
		s.Error("a fresh link opens nothing")
	}
	s.signedIn(mac(12), evening.Add(-time.Millisecond), grace)
	s.signedIn(mac(12), evening, "")
}

func race(s *store) {
	s.put(mac(1), grace)
	var begun atomic.Int32
	var all sync.WaitGroup
	for n := range byte(8) {
		all.Go(func() {
			ok, err := s.sessions.Begin(s.Context(), mac(1), mac(11+n), noon, evening)
			if err != nil {
				s.Error(err)
			}
			if ok {
				begun.Add(1)
			}
		})
	}
	all.Wait()
	if n := begun.Load(); n != 1 {
		s.Errorf("one link opened %d sessions", n)
	}
}

func ends(s *store) {
	for n := range byte(3) {
		s.put(mac(1+n), grace)
		s.begin(mac(1+n), mac(11+n), noon)
	}
	s.put(mac(7), ada)
	s.begin(mac(7), mac(17), noon)
	s.put(mac(8), grace)
	for range 2 { // ending again is no error
		if err := s.sessions.End(s.Context(), mac(11)); err != nil {
			s.Fatal(err)
		}
	}
	s.signedIn(mac(11), noon, "")
	s.signedIn(mac(12), noon, grace)
	sessions, links, err := s.sessions.EndAll(s.Context(), grace)
	if err != nil || sessions != 2 || links != 1 {
		s.Errorf("ended %d sessions and %d links: %v", sessions, links, err)
	}
	for n := range byte(3) {
		s.signedIn(mac(11+n), noon, "")
	}
	s.linked(mac(8), noon, "")
	s.signedIn(mac(17), noon, ada)
}
