package postgres

import (
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/fake/accesstest"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestLinksAndSessions(t *testing.T) {
	accesstest.Run(t, func(t *testing.T) (usecase.Links, usecase.Sessions) {
		pool := database(t)
		return NewLinks(pool), NewSessions(pool)
	})
}

func TestPurgeSessions(t *testing.T) {
	const grace = "01900000-0000-7000-8000-000000000001"
	pool, noon := database(t), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	links, sessions := NewLinks(pool), NewSessions(pool)
	for n := range byte(4) {
		must(t, links.Put(t.Context(), usecase.MAC{n}, grace, noon.Add(time.Duration(n)*time.Hour)))
	}
	_, err := sessions.Begin(t.Context(), usecase.MAC{3}, usecase.MAC{13}, noon, noon.Add(12*time.Hour))
	must(t, err)
	if until, n, err := sessions.OldestSession(t.Context()); err != nil || n != 1 || !until.Equal(noon.Add(12*time.Hour)) {
		t.Errorf("the first of %d sessions ends %v: %v", n, until, err)
	}
	for _, step := range []struct {
		at      time.Time
		removed int64
	}{{noon, 1}, {noon, 0}, {noon.Add(2 * time.Hour), 2}, {noon.Add(12 * time.Hour), 1}} {
		if n, err := PurgeSessions(t.Context(), pool, step.at); err != nil || n != step.removed {
			t.Errorf("at %s: removed %d, %v", step.at, n, err)
		}
	}
}
