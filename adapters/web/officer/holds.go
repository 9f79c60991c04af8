package officer

import (
	"context"
	"net/http"
	"strings"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/schedule"
)

// Holds are the legal holds, and what members of staff decide about them: usecase.HoldDesk.
type Holds struct {
	List func(ctx context.Context) ([]schedule.Hold, error)
	Desk interface {
		Propose(ctx context.Context, o usecase.Officer, kind string, fields []string, ground string) (string, error)
		Place(ctx context.Context, o usecase.Officer, hold string) error
		ProposeRelease(ctx context.Context, o usecase.Officer, hold, ground string) error
		Release(ctx context.Context, o usecase.Officer, hold string) error
	}
}

const endingPath = "/officer/retention"

// ProposeHold takes the wish for a hold from the page of retention.
func (p Pages) ProposeHold() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		if p.Holds == nil {
			answer.Fail(w, r, answer.ErrNoPage)
			return
		}
		fields := strings.FieldsFunc(r.PostFormValue("fields"), func(c rune) bool { return c == ',' || c == ' ' })
		_, err := p.Holds.Desk.Propose(r.Context(), o, r.PostFormValue("kind"), fields, r.PostFormValue("ground"))
		toHolds(w, r, err)
	})
}

// DecideHold takes what is decided about a hold.
func (p Pages) DecideHold() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		if p.Holds == nil {
			answer.Fail(w, r, answer.ErrNoPage)
			return
		}
		desk, hold := p.Holds.Desk, r.PathValue("hold")
		err := error(answer.ErrNoPage)
		switch r.PathValue("step") {
		case "place":
			err = desk.Place(r.Context(), o, hold)
		case "end":
			err = desk.ProposeRelease(r.Context(), o, hold, r.PostFormValue("ground"))
		case "release":
			err = desk.Release(r.Context(), o, hold)
		}
		toHolds(w, r, err)
	})
}

func toHolds(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, endingPath+"#holds", http.StatusSeeOther)
}

// shownHold is a hold with what it waits for.
type shownHold struct {
	schedule.Hold
	Asked, Releasing bool
}

// holds lists them for the page; nil if there is no desk.
func (p Pages) holds(ctx context.Context) (shown []shownHold, err error) {
	if p.Holds == nil {
		return nil, nil
	}
	all, err := p.Holds.List(ctx)
	for _, h := range all {
		shown = append(shown, shownHold{h, h.State == system.HoldAsked, h.State == system.HoldReleasing})
	}
	return shown, err
}
