package web_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/projections/analytics"
)

func of(groups ...analytics.Group) analytics.Breakdown {
	b := analytics.Breakdown{Groups: groups}
	for _, g := range groups {
		b.Total += g.N
	}
	return b
}

// hoursWith returns a [web.Config] change whose figures are those of the hours before now.
func hoursWith(ago map[int]analytics.Hour, err error) func(*web.Config) {
	return func(c *web.Config) {
		c.Hours = func(_ context.Context, from, to time.Time) ([]analytics.Hour, error) {
			var all []analytics.Hour
			for h := from; h.Before(to); h = h.Add(time.Hour) {
				hour := ago[int(to.Truncate(time.Hour).Sub(h)/time.Hour)]
				hour.Start = h
				all = append(all, hour)
			}
			return all, err
		}
	}
}

func TestStats(t *testing.T) {
	busy := map[int]analytics.Hour{
		1: {
			Uploads:   of(analytics.Group{Class: "up to 1 MiB", N: 30}, analytics.Group{Class: "up to 5 MiB", N: 10}),
			Results:   of(analytics.Group{Class: "up to 1 MP", N: 33}),
			Durations: of(analytics.Group{Class: "300", N: 10}, analytics.Group{Class: "500", N: 20}, analytics.Group{Class: "longer", N: 3}),
			Failures:  of(analytics.Group{Class: "image.truncated", N: 7}),
		},
		30: {Uploads: of(analytics.Group{Class: "up to 1 MiB", N: 20})},
		40: {Uploads: analytics.Breakdown{Hidden: true}},
	}
	tests := map[string]struct {
		hours  map[int]analytics.Hour
		err    error
		status int
		want   []string
		not    []string
	}{
		"figures": {busy, nil, 200, []string{
			"<dd>60<span", "<dd>33</dd>", "<dd>7</dd>",
			`y="0" width="8" height="100"><title>2 Mar, 11:00: 40</title>`, `height="50"><title>1 Mar, 06:00: 20</title>`,
			`class="few"`, "<td>a few</td>", "Half of them were ready within 0.5 s.",
			`<th scope="row">up to 0.3 s</th>`, `<th scope="row">longer</th>`,
			"The photo ends before it is complete, or is damaged.", "Fewer than 5 of a kind",
		}, []string{"Nothing yet"}},
		"nothing at all":        {nil, nil, 200, []string{"Nothing yet", "In none of the last 48 full hours"}, []string{"Fewer than", `class="bar"`}},
		"too little to show":    {map[int]analytics.Hour{3: {Uploads: analytics.Breakdown{Hidden: true}}}, nil, 200, []string{"Too little to show", "Fewer than 5"}, []string{"In none of"}},
		"the view is not there": {nil, errors.New("relation does not exist"), 500, []string{"Something went wrong on our side."}, []string{"relation"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{}, hoursWith(tt.hours, tt.err))
			answer := w.do(t, "GET", "/stats", nil)
			if answer.Code != tt.status {
				t.Errorf("answered %d", answer.Code)
			}
			for _, want := range tt.want {
				if !strings.Contains(answer.Body.String(), want) {
					t.Errorf("the page lacks %q:\n%s", want, answer.Body)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(answer.Body.String(), not) {
					t.Errorf("the page holds %q", not)
				}
			}
		})
	}
}
