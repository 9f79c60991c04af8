package web_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/projections/abuse"
)

// figures answers the page about security from memory.
func figures(refused []abuse.Refused, days []abuse.Day, answers []officer.Answers, kept officer.TechnicalData, err error) *officer.Security {
	return &officer.Security{
		CaughtUp: func(context.Context) error { return nil },
		Refusals: func(context.Context, time.Time, int) ([]abuse.Refused, error) { return refused, nil },
		Days:     func(context.Context, time.Time) ([]abuse.Day, error) { return days, nil },
		Answers:  func(context.Context, time.Time) ([]officer.Answers, error) { return answers, nil },
		Kept:     func(context.Context) (officer.TechnicalData, error) { return kept, err },
		Now:      func() time.Time { return noon },
	}
}

func TestSecurityPage(t *testing.T) {
	hour := noon.Add(-time.Hour)
	tests := map[string]struct {
		security *officer.Security
		status   int
		says     []string
	}{
		"nothing yet": {figures(nil, nil, nil, officer.TechnicalData{}, nil), 200, []string{
			"no rule refused anything", "nobody uploaded a photo", "nobody asked for anything", "no technical data of anybody", "log of requests is empty",
		}},
		"figures": {
			figures([]abuse.Refused{{Hour: hour, Rule: "upload.rate", Scope: "network", N: 417}, {Hour: hour, Rule: "access.blob", N: 3}},
				[]abuse.Day{{Day: noon, Began: 211, Blocked: 7}},
				[]officer.Answers{{Hour: hour, N: [6]int64{2: 9001, 4: 503}}},
				officer.TechnicalData{Requests: noon, Visits: 1234, EndsNext: noon}, nil), 200,
			[]string{"2 Mar, 11:00", "upload.rate", "network", ">417<", ">211<", ">7<", ">9001<", ">503<", "of 1234 visitors", "2 March 2026, 12:00:00 UTC", "begins on 2 March 2026"},
		},
		"away":      {figures(nil, nil, nil, officer.TechnicalData{}, errors.New("away")), 500, []string{"Something went wrong"}},
		"not wired": {nil, 404, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.site = web.New(withSecurity(o, tt.security))
			t.Cleanup(o.site.Stop)
			if answer := o.get("/officer/security"); answer.Code != 401 {
				t.Errorf("without a session: %d", answer.Code)
			}
			answer := o.signIn().get("/officer/security")
			if answer.Code != tt.status {
				t.Errorf("answered %d %s", answer.Code, answer.Body)
			}
			for _, part := range tt.says {
				if !strings.Contains(answer.Body.String(), part) {
					t.Errorf("the page does not say %q: %s", part, answer.Body)
				}
			}
		})
	}
}

// withSecurity is the site of an office with figures about security.
func withSecurity(o *office, s *officer.Security) web.Config {
	c := o.site.Config
	pages := *c.Officer
	pages.Security = s
	c.Officer = &pages
	return c
}
