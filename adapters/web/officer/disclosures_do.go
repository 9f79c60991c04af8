package officer

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// makingLasts is how long putting an export together may take.
const makingLasts = 10 * time.Minute

// refusedAt answers what was tried with a request and does not go: on its page, where the officer goes on.
func (p Pages) refusedAt(w http.ResponseWriter, r *http.Request, o usecase.Officer, which id.Disclosure, err error) {
	refused, ok := refusal.As(err)
	if !ok || r.Context().Err() != nil {
		answer.Fail(w, r, err)
		return
	}
	shown, missing := p.storyOf(r.Context(), which)
	if missing != nil { // the page cannot be shown: then what was refused is said without it
		answer.Fail(w, r, err)
		return
	}
	shown.frame, shown.Problem = frameOf(o), refused
	_, status := answer.Refusal(r, err)
	disclosurePage.Show(w, r, status, shown)
}

// ReadDisclosure opens what is sealed in a request, for a reason.
func (p Pages) ReadDisclosure() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		opened, err := p.Desk.Work.Read(r.Context(), o, idOf(r), r.PostFormValue("reason"))
		if err != nil {
			p.refusedAt(w, r, o, idOf(r), err)
			return
		}
		u := &unsealed{FirstDay: opened.Scope.FirstDay, LastDay: opened.Scope.LastDay}
		u.Sender, _ = opened.Scope.Sender.Reveal() // what is erased stays empty, and the page says so
		u.Reference, _ = opened.Request.Reference.Reveal()
		u.Text, _ = opened.Request.Text.Reveal()
		u.Key, _ = opened.Scope.Key.Reveal()
		u.Address, _ = opened.Scope.Address.Reveal()
		p.disclosure(w, r, o, u)
	})
}

// OnDisclosure does one thing with a request and shows what became of it.
func (p Pages) OnDisclosure(do func(DeskWork, context.Context, usecase.Officer, id.Disclosure) error) http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		which := idOf(r)
		if err := do(p.Desk.Work, r.Context(), o, which); err != nil {
			p.refusedAt(w, r, o, which, err)
			return
		}
		seeAlso(w, r, which)
	})
}

// DeferDisclosure records until which day, inclusive, nobody may be told.
func (p Pages) DeferDisclosure() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		which := idOf(r)
		if err := p.Desk.Work.Defer(r.Context(), o, which, endOf(r.PostFormValue("until"))); err != nil {
			p.refusedAt(w, r, o, which, err)
			return
		}
		seeAlso(w, r, which)
	})
}

// MakeDisclosure hands the sealed export out, once.
func (p Pages) MakeDisclosure() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		which := idOf(r)
		ctx, cancel := context.WithTimeout(r.Context(), makingLasts)
		defer cancel()
		sealed, err := p.Desk.Work.Make(ctx, o, which)
		if err != nil {
			p.refusedAt(w, r, o, which, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="disclosure-`+string(which)+`.json.age"`)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Length", strconv.Itoa(len(sealed)))              // so that who has half of it knows
		_ = answer.Send(w, bytes.NewReader(sealed), int64(len(sealed))) // the client may be gone, and that it was made is in the record
	})
}
