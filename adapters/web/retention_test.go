package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/schedule"
)

func TestRetentionPage(t *testing.T) {
	const day = 24 * time.Hour
	images := usecase.KindStatus{Kind: "image", Period: day, Rule: "retention.due", By: "its key", Waiting: 3, Due: noon.Add(90 * time.Minute)}
	log := usecase.KindStatus{
		Kind: "api_log", Period: 90 * day, Rule: "retention.deletion", By: "partitions", Waiting: 91, Due: noon.Add(-20 * time.Minute), Late: 20 * time.Minute,
		Purged: &usecase.LastPurge{Actual: noon.AddDate(0, 0, -1), Count: 1, Total: 417},
	}
	late := log
	late.Late = 5 * time.Minute
	held := log
	held.Late, held.KeptBy, held.Held = 0, []string{"hold"}, []string{"route"}
	account := usecase.KindStatus{Kind: "account", Period: 30 * day, Rule: "retention.deletion", Why: "there are no accounts"}
	tests := map[string]struct {
		status usecase.RetentionStatus
		err    error
		code   int
		says   []string
		not    []string
	}{
		"photos wait": {
			status: usecase.RetentionStatus{Now: noon, Revision: 4, Kinds: []usecase.KindStatus{account, images}}, code: 200,
			says: []string{"2 March 2026, 12:00:00 UTC", "revision 4", "1 day", ">3<", "2026-03-02 13:30:00.000", "in 90 minutes", "there are no accounts", "one by one"},
			not:  []string{"<strong>late by", "No photo is taken", "The clock has jumped"},
		},
		"nothing waits": {status: usecase.RetentionStatus{Now: noon, Kinds: []usecase.KindStatus{{Kind: "image"}}}, code: 200, says: []string{"nothing waits"}},
		"late, and held up": {
			status: usecase.RetentionStatus{Now: noon, HeldUp: true, Kinds: []usecase.KindStatus{log}}, code: 200,
			says: []string{"late by 20 minutes", "No photo is taken", "1, 417 in all"},
		},
		"due, and soon gone": {status: usecase.RetentionStatus{Now: noon, Kinds: []usecase.KindStatus{late}}, code: 200, says: []string{"due since 5 minutes"}, not: []string{"<strong>late by"}},
		"on hold":            {status: usecase.RetentionStatus{Now: noon, Kinds: []usecase.KindStatus{held}}, code: 200, says: []string{"kept by: hold", "on hold: <code>route</code>"}},
		"a jump of the clock": {
			status: usecase.RetentionStatus{Now: noon, Jump: &usecase.Jump{From: noon.Add(-time.Hour), To: noon}}, code: 200,
			says: []string{"The clock has jumped", "11:00:00 UTC", "bgremover retention confirm-clock"},
		},
		"away": {err: errors.New("away"), code: 500, says: []string{"Something went wrong"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			c := o.site.Config
			pages := *c.Officer
			pages.Retention = func(context.Context) (usecase.RetentionStatus, error) { return tt.status, tt.err }
			c.Officer = &pages
			o.site = web.New(c)
			t.Cleanup(o.site.Stop)
			if answer := o.get("/officer/retention"); answer.Code != 401 {
				t.Errorf("without a session: %d", answer.Code)
			}
			answer := o.signIn().get("/officer/retention")
			if answer.Code != tt.code {
				t.Errorf("answered %d %s", answer.Code, answer.Body)
			}
			for _, part := range tt.says {
				if !strings.Contains(answer.Body.String(), part) {
					t.Errorf("the page does not say %q: %s", part, answer.Body)
				}
			}
			for _, part := range tt.not {
				if strings.Contains(answer.Body.String(), part) {
					t.Errorf("the page says %q: %s", part, answer.Body)
				}
			}
		})
	}
}

// While deletions are late, whoever uploads is told to come back, by every way in; what is there can be had.
func TestUploadsWhileDeletionsAreLate(t *testing.T) {
	var holdup usecase.Holdup
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		up := c.Upload.(usecase.Upload)
		up.Holdup = holdup.Refuses
		c.Upload = up
	})
	there := w.uploadReady(t)
	before := len(w.Record.All())
	holdup.Judge(noon.Add(time.Hour), []usecase.Standing{{Kind: "api_log", Due: noon}}, 0)
	for path, name := range map[string]string{"/i": "image", "/v1/images": "image", removebg: "image_file"} {
		answer := w.uploadFrom(t, "192.0.2.1", path, name)
		if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "Deletions are late") {
			t.Errorf("%s: %d, %s", path, answer.Code, answer.Body)
		}
	}
	if n := len(w.Record.All()); n != before {
		t.Errorf("%d facts followed", n-before)
	}
	if answer := w.do(t, "GET", "/v1/images/"+there.ID+"/result", nil, "Authorization", "Bearer "+there.Capability); answer.Code != http.StatusOK {
		t.Errorf("a result that is ready: %d, %s", answer.Code, answer.Body)
	}
}

// Holds are proposed, placed and released by forms; what a step refuses is said.
func TestHoldsByForms(t *testing.T) {
	const hold = "01900000-0000-7000-8000-00000000000a"
	var did []string
	desk := &holdDesk{did: &did}
	o := newOffice(t)
	c := o.site.Config
	pages := *c.Officer
	pages.Retention = func(context.Context) (usecase.RetentionStatus, error) { return usecase.RetentionStatus{Now: noon}, nil }
	pages.Holds = &officer.Holds{Desk: desk, List: func(context.Context) ([]schedule.Hold, error) {
		return []schedule.Hold{
			{Hold: hold, Kind: "technical", Fields: []string{"address", "agent"}, State: system.HoldAsked, Since: noon},
			{Hold: strings.Replace(hold, "a", "b", 1), Kind: "disclosure", Fields: []string{"whole"}, State: system.HoldReleasing, Since: noon},
		}, nil
	}}
	c.Officer = &pages
	o.site = web.New(c)
	t.Cleanup(o.site.Stop)
	if answer := o.send("/officer/retention/holds", url.Values{}); answer.Code != http.StatusUnauthorized || len(did) > 0 {
		t.Errorf("without a session: %d, %v", answer.Code, did)
	}
	in := o.signIn()
	page := in.get("/officer/retention").Body.String()
	for _, part := range []string{"Legal holds", "<code>address</code>, <code>agent</code>", "Approve and place it", "Approve and release it", "Propose its release", "Propose a hold"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not say %q: %s", part, page)
		}
	}
	for _, step := range []struct {
		path string
		form url.Values
		code int
	}{
		{"", url.Values{"kind": {"technical"}, "fields": {"address, agent"}, "ground": {"order 7"}}, http.StatusSeeOther},
		{"/" + hold + "/place", nil, http.StatusSeeOther},
		{"/" + hold + "/end", url.Values{"ground": {"lifted"}}, http.StatusSeeOther},
		{"/" + hold + "/release", nil, http.StatusForbidden},
		{"/" + hold + "/burn", nil, http.StatusNotFound},
	} {
		if answer := in.send("/officer/retention/holds"+step.path, step.form); answer.Code != step.code {
			t.Errorf("%s: %d %s", step.path, answer.Code, answer.Body)
		}
	}
	want := []string{"propose technical [address agent] order 7", "place " + hold, "end " + hold + " lifted", "release " + hold}
	if !slices.Equal(did, want) {
		t.Errorf("did %q, want %q", did, want)
	}
}

// holdDesk notes what it is asked, and lets nobody release.
type holdDesk struct{ did *[]string }

func (d *holdDesk) note(words ...any) {
	*d.did = append(*d.did, strings.TrimSpace(fmt.Sprintln(words...)))
}

func (d *holdDesk) Propose(_ context.Context, _ usecase.Officer, kind string, fields []string, ground string) (string, error) {
	d.note("propose", kind, fields, ground)
	return "", nil
}

func (d *holdDesk) Place(_ context.Context, _ usecase.Officer, hold string) error {
	d.note("place", hold)
	return nil
}

func (d *holdDesk) ProposeRelease(_ context.Context, _ usecase.Officer, hold, ground string) error {
	d.note("end", hold, ground)
	return nil
}

func (d *holdDesk) Release(_ context.Context, _ usecase.Officer, hold string) error {
	d.note("release", hold)
	return system.ErrHoldSamePerson
}
