package officer

import (
	"errors"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// frame is what every page here shows around its content.
type frame struct{ Officer *shown }

// shown is the officer in the header.
type shown struct {
	Name  string
	Role  event.Role
	Until time.Time
}

func frameOf(o usecase.Officer) frame {
	name, _ := o.Name.Reveal() // their own
	return frame{&shown{Name: name, Role: o.Role, Until: o.Until}}
}

// signedIn lets those through who have a session.
func (p Pages) signedIn(next func(http.ResponseWriter, *http.Request, usecase.Officer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, err := p.officer(r)
		switch {
		case errors.Is(err, usecase.ErrNoSession):
			p.refuse(w, r)
		case err != nil:
			answer.Fail(w, r, err)
		default:
			next(w, r, o)
		}
	})
}

func (p Pages) officer(r *http.Request) (usecase.Officer, error) {
	cookie, err := r.Cookie(p.cookieName())
	if err != nil || cookie.Value == "" {
		return usecase.Officer{}, usecase.ErrNoSession
	}
	return p.Sessions.Open(r.Context(), cookie.Value)
}

var refusedPage = page.Must(templates, "base.html", "refused.html")

// refuse says how to get in.
func (p Pages) refuse(w http.ResponseWriter, r *http.Request) {
	// Browsers ask for a password for the schemes that they know, and this is none of them.
	w.Header().Set("WWW-Authenticate", `Link realm="officers"`)
	refusedPage.Show(w, r, http.StatusUnauthorized, struct {
		frame
		Refused *refusal.Error
		Path    string
	}{frame{}, usecase.ErrNoSession, logPath})
}

// cookieName is "officer"; over https with the prefix that makes browsers insist on it.
func (p Pages) cookieName() string {
	if p.https {
		return "__Secure-officer"
	}
	return "officer"
}

// setCookie gives the browser a session; an empty one takes it away.
func (p Pages) setCookie(w http.ResponseWriter, session string) {
	cookie := &http.Cookie{ //nolint:gosec // Secure wherever the site is: on a laptop it is not.
		Name: p.cookieName(), Value: session, Path: "/officer",
		HttpOnly: true, Secure: p.https, SameSite: http.SameSiteStrictMode,
		MaxAge: int(usecase.SessionLasts.Seconds()),
	}
	if session == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
