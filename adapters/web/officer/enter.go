package officer

import (
	"net/http"
	"net/url"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
)

var (
	enterPage = page.Must(templates, "base.html", "enter.html")
	leftPage  = page.Must(templates, "base.html", "left.html")
)

// LinkPath returns where a link with this token leads.
func LinkPath(token string) string { return enterPath + "?" + url.Values{"link": {token}}.Encode() }

// Door serves the page that a link leads to. It uses nothing up: mail programs and messengers
// open links to show what is behind them.
func (p Pages) Door() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		link := r.URL.Query().Get("link")
		if err := p.Sessions.Opens(r.Context(), link); err != nil {
			answer.Fail(w, r, err)
			return
		}
		enterPage.Show(w, r, http.StatusOK, struct {
			frame
			Link, Path string
		}{frame{}, link, enterPath})
	}
}

// Enter uses the link up and begins a session. One that this browser had ends: nobody could end
// it from there any more.
func (p Pages) Enter() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, err := p.Sessions.Begin(r.Context(), r.PostFormValue("link"))
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		if err := p.endOf(r); err != nil {
			answer.Note(r, err) // it ends by itself
		}
		p.setCookie(w, session.Token)
		http.Redirect(w, r, logPath, http.StatusSeeOther)
	}
}

// Leave ends the session. Whoever has none is out already.
func (p Pages) Leave() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := p.endOf(r); err != nil {
			answer.Fail(w, r, err)
			return
		}
		p.setCookie(w, "")
		leftPage.Show(w, r, http.StatusOK, frame{})
	}
}

// endOf ends the session that the browser has, if it has one.
func (p Pages) endOf(r *http.Request) error {
	cookie, err := r.Cookie(p.cookieName())
	if err != nil || cookie.Value == "" {
		return nil
	}
	return p.Sessions.End(r.Context(), cookie.Value)
}
