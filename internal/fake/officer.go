package fake

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Staff lists the members in a record.
type Staff struct{ Record *Record }

// Members lists everybody who was invited.
func (s Staff) Members(context.Context) (all []id.Member, err error) {
	for _, env := range s.Record.All() {
		if m, ok := staff.OfStream(env.Stream); ok && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all, nil
}

// Access keeps links and sessions in memory.
type Access struct {
	mu              sync.Mutex
	links, sessions map[usecase.MAC]access
}

type access struct {
	member id.Member
	until  time.Time
}

// Links returns the links.
func (a *Access) Links() usecase.Links { return links{a} }

// Sessions returns the sessions that the links open.
func (a *Access) Sessions() usecase.Sessions { return sessions{a} }

type (
	links    struct{ *Access }
	sessions struct{ *Access }
)

func (l links) Put(_ context.Context, link usecase.MAC, m id.Member, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.links == nil {
		l.links = map[usecase.MAC]access{}
	}
	l.links[link] = access{m, until}
	return nil
}

func (l links) Find(_ context.Context, link usecase.MAC, now time.Time) (id.Member, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.links[link]
	if !ok || !found.until.After(now) {
		return "", false, nil
	}
	return found.member, true, nil
}

func (s sessions) Begin(_ context.Context, link, session usecase.MAC, now, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.links[link]
	if !ok || !found.until.After(now) {
		return false, nil
	}
	delete(s.links, link)
	if s.sessions == nil {
		s.sessions = map[usecase.MAC]access{}
	}
	s.sessions[session] = access{found.member, until}
	return true, nil
}

func (s sessions) Find(_ context.Context, session usecase.MAC, now time.Time) (id.Member, time.Time, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.sessions[session]
	if !ok || !found.until.After(now) {
		return "", time.Time{}, false, nil
	}
	return found.member, found.until, true, nil
}

func (s sessions) End(_ context.Context, session usecase.MAC) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session)
	return nil
}

func (s sessions) EndAll(_ context.Context, m id.Member) (ended, takenBack int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	remove := func(all map[usecase.MAC]access) (n int64) {
		for mac, a := range all {
			if a.member == m {
				delete(all, mac)
				n++
			}
		}
		return n
	}
	return remove(s.sessions), remove(s.links), nil
}
