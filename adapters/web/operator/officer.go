package operator

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Staff lets officers in and out.
type Staff struct {
	Link interface { // usecase.LinkOfficer
		Do(ctx context.Context, name personal.Text, role event.Role) (usecase.Link, error)
	}
	End interface { // usecase.EndOfficer
		Do(ctx context.Context, name personal.Text) (sessions, links int64, err error)
	}
	// Address returns where people reach the pages; "" when only a proxy in front knows.
	Address func() string
	// Path returns where on the site a link leads that has this token.
	Path func(token string) string
}

// Person is who a command is about.
type Person struct {
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
	Site string `json:"site,omitempty"` // where people reach the pages; "" when the service is to know
}

// OfficerLink is the answer to POST /officer/link. The link is a secret until it is used.
type OfficerLink struct {
	Link    string    `json:"link"`
	Until   time.Time `json:"until"`
	Invited bool      `json:"invited"` // the record says so since now
}

// OfficerEnded is the answer to POST /officer/end: how much was ended.
type OfficerEnded struct {
	Sessions int64 `json:"sessions"`
	Links    int64 `json:"links"`
}

// linkOfficer answers with a link that opens a session for a person, who is invited if need be.
func linkOfficer(s Staff, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, name, err := readPerson(w, r)
		if p.Site == "" {
			p.Site = s.Address()
		}
		if err == nil && p.Site == "" {
			err = errNoSite
		}
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		link, err := s.Link.Do(r.Context(), name, event.Role(p.Role))
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, OfficerLink{Link: p.Site + s.Path(link.Token), Until: link.Until, Invited: link.Invited})
	}
}

// endOfficer ends everything that a person has open.
func endOfficer(s Staff, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, name, err := readPerson(w, r)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		sessions, links, err := s.End.Do(r.Context(), name)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, OfficerEnded{Sessions: sessions, Links: links})
	}
}

var errNoSite = refusal.New(refusal.Invalid, "operator.no_site",
	"The service does not know where people reach it.", "Say so with --url, such as --url https://bgremover.example.org.")

func readPerson(w http.ResponseWriter, r *http.Request) (p Person, name personal.Text, err error) {
	if err := readRequest(w, r, &p); err != nil {
		return Person{}, personal.Text{}, err
	}
	name, err = staff.NameOf(p.Name)
	return p, name, err
}
