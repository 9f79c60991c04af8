package web

import (
	"context"
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// reportRoutes lists what everybody can read about who asks for data, and about what is processed.
func (s *Site) reportRoutes() (all []route) {
	if t := s.Transparency; t != nil {
		all = append(all,
			route{"GET /transparency", scope.Page, brief, t.Page()},
			route{"GET /v1/transparency", scope.Problem, brief, t.JSON()})
	}
	if p := s.Processing; p != nil {
		all = append(all,
			route{"GET /processing", scope.Page, brief, p.Page()},
			route{"GET /processing.csv", scope.Page, brief, p.AsCSV(false)},
			route{"GET /processing.pdf", scope.Page, brief, p.AsPDF(false)},
			route{"GET /processing/processors.csv", scope.Page, brief, p.ProcessorsCSV()})
	}
	return all
}

// deskRoutes lists the officers' pages about requests for data from outside, and the whole register.
func (s *Site) deskRoutes(pages officer.Pages, sameOrigin *http.CrossOriginProtection) (all []route) {
	if p := s.Processing; p != nil {
		all = append(all,
			route{"GET /officer/processing.csv", scope.Staff, brief, pages.ForOfficers(p.AsCSV(true))},
			route{"GET /officer/processing.pdf", scope.Staff, brief, pages.ForOfficers(p.AsPDF(true))})
	}
	if s.Officer.Desk == nil {
		return all
	}
	const one = "/officer/disclosures/{id}"
	post := func(what string, h http.Handler) route {
		return route{"POST " + one + "/" + what, scope.Staff, brief, sameOrigin.Handler(h)}
	}
	do := func(what string, work func(officer.DeskWork, context.Context, usecase.Officer, id.Disclosure) error) route {
		return post(what, pages.OnDisclosure(work))
	}
	return append(all, []route{
		{"GET /officer/disclosures", scope.Staff, brief, pages.Disclosures()},
		{"GET /officer/disclosures/new", scope.Staff, brief, pages.NewDisclosure()},
		{"POST /officer/disclosures", scope.Staff, brief, sameOrigin.Handler(pages.Register())},
		{"GET " + one, scope.Staff, brief, pages.Disclosure()},
		post("read", pages.ReadDisclosure()),
		do("approve", officer.DeskWork.Approve),
		do("decide", officer.DeskWork.Decide),
		do("refuse", officer.DeskWork.Refuse),
		{"POST " + one + "/make", scope.Staff, own, sameOrigin.Handler(pages.MakeDisclosure())},
		do("tell", officer.DeskWork.Tell),
		do("unreachable", officer.DeskWork.Unreachable),
		post("defer", pages.DeferDisclosure()),
	}...)
}
