//go:build browser

package browsertest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/officer/officertest"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/disclosures"
)

// openDesk serves the pages about requests from outside and about what is processed, and returns
// their address with a link for an officer.
func openDesk(t *testing.T) (url, link string) {
	t.Helper()
	service := fake.NewService(time.Now, fake.Cutter{})
	var access fake.Access
	site := web.New(web.Config{
		Upload: service.Upload, Watch: service.Watch, Preview: service.Preview, Download: service.Download, Delete: service.Delete,
		View:         capability.View{CaughtUp: func(context.Context) error { return nil }, Get: viewOf(service.Record)},
		Now:          time.Now,
		Log:          slog.New(slog.DiscardHandler),
		Transparency: transparency(), Processing: processing(t),
		Officer: &officer.Config{
			Sessions: usecase.OfficerSessions{
				Record: service.Record, Links: access.Links(), Sessions: access.Sessions(), Secrets: fake.Secrets{}, Now: time.Now,
			},
			Record: officertest.New(service.Record.All, time.Now), Types: ledger.Facts().Names(), CheckpointEvery: time.Minute,
			Desk: deskWith(aRequest), Now: func() time.Time { return aRequest.At.AddDate(0, 0, 30) },
		},
	})
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		site.Stop()
		server.CloseClientConnections()
		server.Close()
	})
	made, err := usecase.LinkOfficer{
		Record: service.Record, Vault: service.Vault, Staff: fake.Staff{Record: service.Record}, Links: access.Links(), Leases: &fake.Leases{},
		Secrets: fake.Secrets{}, Now: time.Now, NewMember: func() id.Member { return id.Member(uuid.NewString()) },
	}.Do(t.Context(), personal.Of("Grace Hopper"), event.Officer)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, server.URL + officer.LinkPath(made.Token)
}

// aRequest waits for its second approval.
var aRequest = disclosures.Disclosure{
	ID: "03900000-0000-7000-8000-000000000001", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Sender: "authority", Country: "DE", Category: "technical",
	Fields: []string{"access_time", "address"}, Basis: "order", Purpose: "order", Expires: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Approvals: 1, Outcome: disclosures.Pending,
}

func deskWith(one disclosures.Disclosure) *officer.Desk {
	return &officer.Desk{
		CaughtUp: func(context.Context) error { return nil },
		List:     func(context.Context) ([]disclosures.Disclosure, error) { return []disclosures.Disclosure{one}, nil },
		Open:     func(context.Context) ([]disclosures.Disclosure, error) { return []disclosures.Disclosure{one}, nil },
		Get:      func(context.Context, id.Disclosure) (disclosures.Disclosure, error) { return one, nil },
		Work:     deskWork{},
		Choices: func() (officer.Choices, error) {
			return officer.Choices{
				Senders: []string{"authority", "partner"}, Categories: []string{"image", "technical"}, Bases: []string{"order"}, Purposes: []string{"introduction"},
				Approvals: func(string, string) int64 { return 2 },
			}, nil
		},
	}
}

// deskWork knows how many visits there are, and is asked for nothing else.
type deskWork struct{ officer.DeskWork }

func (deskWork) Effort(context.Context, id.Disclosure) (int64, error) { return 123_456, nil }

func transparency() *public.Transparency {
	half := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &public.Transparency{
		CaughtUp: func(context.Context) error { return nil },
		Report: func(context.Context) ([]disclosures.Group, error) {
			return []disclosures.Group{
				{Half: half, Sender: "authority", Category: "technical", Outcome: disclosures.Made, N: 4},
				{Half: half, Sender: "partner", Category: "account", Outcome: disclosures.Refused, N: 2},
			}, nil
		},
		Countries: func(context.Context) ([]disclosures.Country, error) {
			return []disclosures.Country{{Half: half, Country: "DE", N: 5}, {Half: half, N: 1}}, nil
		},
	}
}

func processing(t *testing.T) *public.Processing {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	known, err := register.Load(rules.Data())
	if err != nil {
		t.Fatal(err)
	}
	made := known.Of(policy.Operator{Name: "Example Ltd"}, "DE", []policy.Provider{{
		Category: "hosting", Name: "Example Cloud", Country: "US", Contract: "DPA of 2025-01-15", Safeguard: "scc",
		Reviewed: time.Date(2025, 1, 15, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC),
	}})
	return &public.Processing{
		Register: func() (policy.Register, error) { return made, nil },
		Now:      time.Now, CSV: register.CSV, PDF: register.PDF, Processors: register.ProcessorsCSV,
	}
}

// The pages in both schemes, on a desk and on a small phone.
func TestPagesAboutRequestsForData(t *testing.T) {
	url, link := openDesk(t)
	for scheme, setUp := range map[string][]Step{"light": nil, "dark": {dark()}} {
		v := visit(t, `{}`)
		v.do(setUp...)
		if scheme == "light" { // the link works once
			v.do(chromedp.Navigate(link), chromedp.Click(chromedp.CSS(`main form button`)), chromedp.WaitVisible(list))
		}
		pages := map[string]string{"processing": "/processing", "transparency": "/transparency"}
		if scheme == "light" {
			pages["requests"], pages["request-new"], pages["request"] = "/officer/disclosures", "/officer/disclosures/new", "/officer/disclosures/"+string(aRequest.ID)
		}
		for name, address := range pages {
			for _, width := range []int64{320, 1280} {
				v.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(url+address), chromedp.WaitVisible(chromedp.CSS(`main h1`)))
				v.check(name+"-"+scheme, width)
			}
		}
	}
}
