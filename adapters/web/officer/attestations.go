package officer

import (
	"context"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Signatures is where officers sign for promises that only people can know: usecase.Attest.
type Signatures interface {
	List(ctx context.Context) ([]usecase.Attested, error)
	Sign(ctx context.Context, o usecase.Officer, promise policy.ID, seen string, looked bool, note string) error
	Withdraw(ctx context.Context, o usecase.Officer, promise policy.ID, note string) error
}

const attestationsPath = "/officer/attestations"

var attestationsPage = page.Must(templates, "base.html", "attestations.html")

// attested is a promise that people sign for, as the page shows it.
type attested struct {
	usecase.Attested
	Holds   bool
	Soon    bool
	Days    int
	Changed bool // it was signed, and its words are others now
	Over    bool // its time is over
	Mine    bool // whoever looks signs for it
}

// Attestations serves the list of what people sign for, with a form for each.
func (p Pages) Attestations() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		all, err := p.Signatures.List(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		now := p.Now()
		var shown []attested
		for _, one := range all {
			shown = append(shown, attested{
				Attested: one, Holds: one.Holds(now), Soon: one.Soon(now), Days: one.Days(now),
				Changed: one.Last.Holds(now) && !one.Last.Current(one.Statement),
				Over:    !one.Last.Made.IsZero() && one.Last.Withdrawn.IsZero() && !now.Before(one.Last.Until),
				Mine:    one.SignedBy == o.Role,
			})
		}
		attestationsPage.Show(w, r, http.StatusOK, struct {
			frame
			Path string
			All  []attested
			Now  time.Time
		}{frameOf(o), attestationsPath, shown, now})
	})
}

// Sign takes a signature.
func (p Pages) Sign() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		promise := policy.ID(r.PathValue("promise"))
		err := p.Signatures.Sign(r.Context(), o, promise, r.PostFormValue("seen"), r.PostFormValue("looked") == "yes", r.PostFormValue("note"))
		p.toAttestations(w, r, promise, err)
	})
}

// WithdrawSignature takes one back.
func (p Pages) WithdrawSignature() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		promise := policy.ID(r.PathValue("promise"))
		p.toAttestations(w, r, promise, p.Signatures.Withdraw(r.Context(), o, promise, r.PostFormValue("note")))
	})
}

// toAttestations leads back to the promise in the list, or says why nothing came of it.
func (p Pages) toAttestations(w http.ResponseWriter, r *http.Request, promise policy.ID, err error) {
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, attestationsPath+"#"+string(promise), http.StatusSeeOther) //nolint:gosec // our own path, and the id of a promise that there is
}
