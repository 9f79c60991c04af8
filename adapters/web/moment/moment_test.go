package moment_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		want  moment.Moment
		fails bool
	}{
		"":                          {},
		" ":                         {},
		"1":                         {want: moment.Moment{Seq: 1}},
		" 1234 ":                    {want: moment.Moment{Seq: 1234}},
		"2026-03-02T12:00:00Z":      {want: moment.Moment{Time: noon}},
		"2026-03-02T14:00:00+02:00": {want: moment.Moment{Time: noon}},
		"2026-03-02T12:00:00.250Z":  {want: moment.Moment{Time: noon.Add(250 * time.Millisecond)}},
		"2026-03-02 12:00":          {want: moment.Moment{Time: noon}},
		"2026-03-02 12:00:00":       {want: moment.Moment{Time: noon}},
		"2026-03-02T12:00":          {want: moment.Moment{Time: noon}},
		"2026-03-02":                {want: moment.Moment{Time: noon.Truncate(24 * time.Hour)}},
		"0":                         {fails: true},
		"-1":                        {fails: true},
		"+1":                        {fails: true},
		"1e3":                       {fails: true},
		"99999999999999999999":      {fails: true},
		"noon":                      {fails: true},
		"02.03.2026":                {fails: true},
		"2026-02-30":                {fails: true},
		"2026-03-02 25:00":          {fails: true},
	}
	for s, tt := range tests {
		got, err := moment.Parse(s)
		if got != tt.want || (err != nil) != tt.fails || tt.fails && !errors.Is(err, moment.ErrForm) {
			t.Errorf("%q: got %+v, %v", s, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"7", "2026-03-02 12:00", "2026-03-02T12:00:00+14:00", "0000-01-01", "9999-12-31T23:59:59-12:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := moment.Parse(s)
		if err != nil {
			return
		}
		if m.Seq < 0 || m.Seq > 0 && !m.Time.IsZero() || m.Time.Location() != time.UTC || m.Time.Year() > 9999 {
			t.Errorf("%q is %+v", s, m)
		}
	})
}

func TestPlace(t *testing.T) {
	record := moment.Record{ // a fact a minute since noon, seven of them
		Published: func(context.Context) (int64, error) { return 7, nil },
		LastBy: func(_ context.Context, at time.Time) (int64, error) {
			if at.Before(noon) {
				return 0, nil
			}
			return min(7, int64(at.Sub(noon)/time.Minute)+1), nil
		},
		Now: func() time.Time { return noon.Add(time.Hour) },
	}
	tests := map[string]struct {
		at    moment.Moment
		want  int64
		fails bool
	}{
		"now":          {want: 7},
		"the first":    {at: moment.Moment{Seq: 1}, want: 1},
		"the last":     {at: moment.Moment{Seq: 7}, want: 7},
		"the next":     {at: moment.Moment{Seq: 8}, fails: true},
		"before all":   {at: moment.Moment{Time: noon.Add(-time.Second)}, want: 0},
		"between":      {at: moment.Moment{Time: noon.Add(90 * time.Second)}, want: 2},
		"just now":     {at: moment.Moment{Time: noon.Add(time.Hour)}, want: 7},
		"in an hour":   {at: moment.Moment{Time: noon.Add(2 * time.Hour)}, fails: true},
		"exactly then": {at: moment.Moment{Time: noon}, want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := record.Place(t.Context(), tt.at)
			if got != tt.want || (err != nil) != tt.fails || tt.fails && !errors.Is(err, moment.ErrFuture) {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
