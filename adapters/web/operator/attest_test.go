package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

var signedAt = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// standing returns a promise for which the words were signed at a time, for 100 days.
func standing(change func(*usecase.Attested)) usecase.Attested {
	a := usecase.Attested{Statement: system.Statement{Promise: "x.y", Words: "So it is.", SignedBy: event.Officer, HoldsDays: 100}}
	a.Last = system.Attestation{Made: signedAt, Until: signedAt.AddDate(0, 0, 100), Digest: a.Digest(), Seq: 7}
	change(&a)
	return a
}

func TestHowAPromiseStandsThatPeopleSignFor(t *testing.T) {
	tests := map[string]struct {
		given usecase.Attested
		days  int // since it was signed
		state string
		left  int
	}{
		"fresh":     {standing(func(*usecase.Attested) {}), 1, "signed", 99},
		"soon over": {standing(func(*usecase.Attested) {}), 70, "expiring", 30},
		"over":      {standing(func(*usecase.Attested) {}), 100, "expired", 0},
		"withdrawn": {standing(func(a *usecase.Attested) { a.Last.Withdrawn = signedAt }), 1, "withdrawn", 0},
		"reworded":  {standing(func(a *usecase.Attested) { a.Words = "So it is, mostly." }), 1, "words changed", 0},
		"never":     {standing(func(a *usecase.Attested) { a.Last = system.Attestation{} }), 1, "missing", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := operator.AttestationOf(tt.given, signedAt.AddDate(0, 0, tt.days))
			if got.State != tt.state || got.Days != tt.left || (got.Until == nil) != (tt.state == "missing") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// signatures are what a service would list.
type signatures struct {
	all []usecase.Attested
	err error
}

func (s signatures) List(context.Context) ([]usecase.Attested, error) { return s.all, s.err }

func TestAttestationsAreListed(t *testing.T) {
	ask := func(s signatures) *httptest.ResponseRecorder {
		routes := operator.Routes(operator.Config{
			Attestations: s, Now: func() time.Time { return signedAt }, To: slog.New(slog.DiscardHandler),
		})
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/attestations", nil))
		return w
	}
	var got []operator.Attestation
	answer := ask(signatures{all: []usecase.Attested{standing(func(*usecase.Attested) {})}})
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || len(got) != 1 || got[0].Promise != "x.y" || got[0].State != "signed" {
		t.Errorf("got %s, %v", answer.Body, err)
	}
	if answer := ask(signatures{}); answer.Body.String() != "[]\n" {
		t.Errorf("of nothing: %s", answer.Body)
	}
	if answer := ask(signatures{err: errors.New("away")}); answer.Code != http.StatusInternalServerError {
		t.Errorf("when it cannot be read: %d", answer.Code)
	}
}
