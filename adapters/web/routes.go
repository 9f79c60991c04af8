package web

import (
	"net/http"
	"slices"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/adapters/web/people"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/adapters/web/verify"
)

// route is one address and how it is treated.
type route struct {
	pattern string
	style   scope.Style
	bounds  bounds
	handler http.Handler
}

// bounds says who keeps a route's limits of time and size.
type bounds int

const (
	brief bounds = iota // the shell: a small body, and a few seconds
	own                 // the handler: it takes a photo in, sends one out, or follows one
)

// routes lists every address there is.
func (s *Site) routes() []route {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(crossOrigin))

	result, receipt := api.Result(s.Watch, s.Download), api.Receipt(s.View, s.Receipt)
	removebg := api.RemoveBG{
		Upload: s.Upload, Watch: s.Watch, Download: s.Download, Delete: s.Delete, Transform: s.Transform, Intake: s.intake,
	}
	return slices.Concat(s.officerRoutes(sameOrigin), s.logRoutes(), s.policyRoutes(), s.reportRoutes(), []route{
		// For people.
		{"GET /{$}", scope.Page, brief, people.Home()},
		{"POST /i", scope.Page, own, sameOrigin.Handler(people.Upload(s.Upload, s.intake))},
		{"GET /i/{id}", scope.Page, brief, people.Picture(s.View, s.Now)},
		{"GET /i/{id}/result", scope.Page, own, result},
		{"GET /i/{id}/receipt", scope.Page, brief, receipt},
		{"POST /i/{id}/delete", scope.Page, brief, sameOrigin.Handler(people.Delete(s.Delete))},
		{"GET " + page.AssetsPattern, scope.Page, brief, http.HandlerFunc(asset)},

		// For everybody.
		{"GET /stats", scope.Page, brief, public.Stats(s.Hours, s.Now)},
		{"GET /verify", scope.Page, brief, s.Verifier.Page()},
		{"GET " + verify.FilePattern, scope.Page, brief, s.Verifier.File()},

		// For programs.
		{"POST /v1/images", scope.Problem, own, api.Upload(s.Upload, s.intake)},
		{"GET /v1/images/{id}", scope.Problem, brief, api.Picture(s.View)},
		{"GET /v1/images/{id}/events", scope.Problem, own, api.Events(s.Watch, s.streams)},
		{"GET /v1/images/{id}/preview", scope.Problem, brief, api.Preview(s.Preview)},
		{"GET /v1/images/{id}/result", scope.Problem, own, result},
		{"GET /v1/images/{id}/receipt", scope.Problem, brief, receipt},
		{"DELETE /v1/images/{id}", scope.Problem, brief, api.Delete(s.Delete, s.View)},

		// For programs that speak remove.bg's interface.
		{"POST /v1.0/removebg", scope.Envelope, own, removebg},

		// For whoever runs the service.
		{"GET /livez", scope.Problem, brief, http.HandlerFunc(livez)},
		{"GET /readyz", scope.Problem, brief, readyz(s.Ready)},
	})
}

// logRoutes lists what auditors read of the record.
func (s *Site) logRoutes() []route {
	if s.Tree == nil {
		return nil
	}
	return []route{
		{"GET /log/checkpoint", scope.Problem, brief, public.Checkpoint(s.Tree)},
		{"GET /log/tile/{path...}", scope.Problem, brief, public.Tile(s.Tree)},
		{"GET /log/keys", scope.Problem, brief, public.Keys(s.Tree)},
	}
}

// policyRoutes lists what is published about what is promised.
func (s *Site) policyRoutes() []route {
	if s.Policy == nil {
		return nil
	}
	routes := []route{
		{"GET /privacy", scope.Page, brief, s.Policy.Privacy()},
		{"GET /privacy/{version}", scope.Page, brief, s.Policy.PrivacyVersion()},
		{"GET /promises", scope.Page, brief, s.Policy.PromisesPage()},
		{"GET /v1/promises", scope.Problem, brief, s.Policy.PromisesJSON()},
		{"GET /promises/badge.svg", scope.Problem, brief, s.Policy.BadgeSVG()},
		{"GET /v1/badge.json", scope.Problem, brief, s.Policy.BadgeJSON()},
		{"GET /models", scope.Page, brief, s.Models.Page()},
		{"GET /v1/models", scope.Problem, brief, s.Models.JSON()},
	}
	if s.Compare != nil {
		routes = append(routes,
			route{"GET /contradictions", scope.Page, brief, s.Compare.Page(s.Now)},
			route{"GET /v1/contradictions", scope.Problem, brief, s.Compare.JSON(s.Now)})
	}
	return routes
}

// officerRoutes lists the pages for officers.
func (s *Site) officerRoutes(sameOrigin *http.CrossOriginProtection) []route {
	if s.Officer == nil {
		return nil
	}
	pages := officer.New(*s.Officer, s.HTTPS)
	var signing []route
	if s.Officer.Signatures != nil {
		signing = []route{
			{"GET /officer/attestations", scope.Staff, brief, pages.Attestations()},
			{"POST /officer/attestations/{promise}", scope.Staff, brief, sameOrigin.Handler(pages.Sign())},
			{"POST /officer/attestations/{promise}/withdraw", scope.Staff, brief, sameOrigin.Handler(pages.WithdrawSignature())},
		}
	}
	if s.Officer.Rules != nil {
		signing = append(signing,
			route{"GET /officer/policy", scope.Staff, brief, pages.RulesList()},
			route{"POST /officer/policy/{revision}/propose", scope.Staff, brief, sameOrigin.Handler(pages.ProposeRules())},
			route{"POST /officer/policy/{revision}/approve", scope.Staff, brief, sameOrigin.Handler(pages.ApproveRules())},
		)
	}
	signing = append(signing, s.deskRoutes(pages, sameOrigin)...)
	return append(signing, []route{
		{"GET /officer", scope.Staff, brief, http.HandlerFunc(officer.Home)},
		{"GET /officer/{$}", scope.Staff, brief, http.HandlerFunc(officer.Home)},
		{"GET /officer/enter", scope.Staff, brief, pages.Door()},
		{"POST /officer/enter", scope.Staff, brief, sameOrigin.Handler(pages.Enter())},
		{"POST /officer/leave", scope.Staff, brief, sameOrigin.Handler(pages.Leave())},
		{"GET /officer/audits", scope.Staff, brief, pages.Audits()},
		{"GET /officer/log", scope.Staff, brief, pages.Log()},
		{"GET /officer/simulation", scope.Staff, brief, pages.Simulation()},
		{"POST /officer/simulation", scope.Staff, brief, sameOrigin.Handler(pages.Simulate())},
		{"GET /officer/decisions.ndjson", scope.Staff, own, pages.DecisionLog()},
		{"GET /officer/log/{n}", scope.Staff, brief, pages.Fact()},
		{"GET /officer/log/{n}/body", scope.Staff, brief, pages.Body()},
		{"GET /officer/security", scope.Staff, brief, pages.Security()},
		{"GET /officer/retention", scope.Staff, brief, pages.Ending()},
		{"POST /officer/retention/holds", scope.Staff, brief, sameOrigin.Handler(pages.ProposeHold())},
		{"POST /officer/retention/holds/{hold}/{step}", scope.Staff, brief, sameOrigin.Handler(pages.DecideHold())},
	}...)
}

func asset(w http.ResponseWriter, r *http.Request) {
	if !page.Asset(w, r) {
		answer.Fail(w, r, answer.ErrNoPage)
	}
}

func crossOrigin(w http.ResponseWriter, r *http.Request) { answer.Fail(w, r, answer.ErrCrossOrigin) }
