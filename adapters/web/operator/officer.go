package operator

import (
	"context"
	"encoding/json"
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
}

// OfficerLink is the answer to POST /officer/link. Its path is a secret until it is used.
type OfficerLink struct {
	Address string    `json:"address"`
	Path    string    `json:"path"`
	Until   time.Time `json:"until"`
	Invited bool      `json:"invited"`
}

// OfficerEnded is the answer to POST /officer/end: how much was ended.
type OfficerEnded struct {
	Sessions int64 `json:"sessions"`
	Links    int64 `json:"links"`
}

// linkOfficer answers with a link that opens a session for a person, who is invited if need be.
func linkOfficer(s Staff, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, role, err := readPerson(w, r)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		link, err := s.Link.Do(r.Context(), name, role)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, OfficerLink{Address: s.Address(), Path: s.Path(link.Token), Until: link.Until, Invited: link.Invited})
	}
}

// endOfficer ends everything that a person has open.
func endOfficer(s Staff, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, _, err := readPerson(w, r)
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

var errPerson = refusal.New(refusal.Invalid, "operator.person", "The request is not what it should be.", "Use the same release of bgremover as the service.")

func readPerson(w http.ResponseWriter, r *http.Request) (name personal.Text, role event.Role, err error) {
	const longest = 16 << 10
	var p Person
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, longest)).Decode(&p); err != nil {
		return personal.Text{}, "", errPerson
	}
	name, err = staff.NameOf(p.Name)
	return name, event.Role(p.Role), err
}
