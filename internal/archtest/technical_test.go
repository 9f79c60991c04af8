package archtest

import (
	"go/token"
	"strings"
	"testing"
)

// Technical data has one way in and none out: who may so much as name the facts that hold them, and why
// (promise tech.security-only). To give them to anybody is for the desk alone, which asks the rules of sharing.
var technical = map[string]string{
	"domain/visit":                  "defines them",
	"internal/usecase/visit.go":     "records them, sealed",
	"internal/ledger/registry.go":   "knows every fact",
	"projections/abuse":             "counts them",
	"projections/promises":          "counts them",
	"projections/custody":           "knows by when they must be gone",
	"cmd/bgremover/security.go":     "counts their keys",
	"internal/usecase/disclosure":   "gives them to whom the rules of sharing allow",
	"cmd/bgremover/visitor_days.go": "finds, for that, those of one visitor",
}

func TestTechnicalDataIsReadNowhereElse(t *testing.T) {
	found := map[string]bool{}
	for _, s := range sources(t, ".") {
		if s.isTest() {
			continue
		}
		ours, _ := s.imports()
		visits := false
		for _, folder := range ours {
			visits = visits || folder == "domain/visit"
		}
		if !visits {
			continue
		}
		s.selections(func(x, _ string, at token.Position) {
			if x != "visit" {
				return
			}
			for may := range technical {
				if strings.HasPrefix(s.name, may) {
					found[may] = true
					return
				}
			}
			t.Errorf("%s names a fact with technical data; %s is not on the list", at, s.name)
		})
	}
	for may := range technical {
		if !found[may] && may != "domain/visit" {
			t.Errorf("%s is on the list and names no such fact: take it off", may)
		}
	}
}
