package web

import (
	"context"
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// deskRoutes lists the officers' pages about requests for data from outside.
func (s *Site) deskRoutes(pages officer.Pages, sameOrigin *http.CrossOriginProtection) []route {
	if s.Officer.Desk == nil {
		return nil
	}
	const one = "/officer/disclosures/{id}"
	post := func(what string, h http.Handler) route {
		return route{"POST " + one + "/" + what, scope.Staff, brief, sameOrigin.Handler(h)}
	}
	do := func(what string, work func(officer.DeskWork, context.Context, usecase.Officer, id.Disclosure) error) route {
		return post(what, pages.OnDisclosure(work))
	}
	return []route{
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
	}
}
