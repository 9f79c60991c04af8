package officer

import (
	"context"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/abuse"
)

// Security is what the page about security asks for. None of it names anybody.
type Security struct {
	// CaughtUp returns once the view of refusals holds everything that was in the record when it was called.
	CaughtUp func(ctx context.Context) error
	// Refusals lists what rules refused from a time on, the newest hour first.
	Refusals func(ctx context.Context, from time.Time, limit int) ([]abuse.Refused, error)
	// Days counts visitor-days from a day on, the newest first.
	Days func(ctx context.Context, from time.Time) ([]abuse.Day, error)
	// Answers counts requests by hour and class of status from a time on, the newest hour first.
	Answers func(ctx context.Context, from time.Time) ([]Answers, error)
	// Kept says what there is of technical data.
	Kept func(ctx context.Context) (TechnicalData, error)
	Now  func() time.Time
}

// Answers is how often requests of an hour were answered with each class of status.
type Answers struct {
	Hour time.Time
	N    [6]int64 // by the class: 2, 3, 4 or 5
}

// TechnicalData is what there is of it, and since when. Zero times: there is nothing.
type TechnicalData struct {
	Requests time.Time // first day of the log of requests
	Visits   int64     // visitor-days whose key lives
	EndsNext time.Time // when the first of these keys ends
}

const (
	securityPath  = "/officer/security"
	securityHours = 48
	securityDays  = 14
	securityRows  = 200
)

var securityPage = page.Must(templates, "base.html", "security.html")

// security is what the page shows.
type security struct {
	frame
	Hours, Most int
	DaysShown   int
	Refusals    []abuse.Refused
	Days        []abuse.Day
	Answers     []Answers
	Kept        TechnicalData
	Log         string
}

// Security serves the figures about security.
func (p Pages) Security() http.Handler { return p.signedIn(p.security) }

func (p Pages) security(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
	if p.Config.Security == nil {
		answer.Fail(w, r, answer.ErrNoPage)
		return
	}
	shown := security{frame: frameOf(o), Hours: securityHours, DaysShown: securityDays, Most: securityRows, Log: logPath}
	if err := p.Config.Security.fill(r.Context(), &shown); err != nil {
		answer.Fail(w, r, err)
		return
	}
	securityPage.Show(w, r, http.StatusOK, shown)
}

func (s *Security) fill(ctx context.Context, shown *security) (err error) {
	if err := behind(ctx, s.CaughtUp); err != nil {
		return err
	}
	now := s.Now().UTC()
	hours := now.Truncate(time.Hour).Add(-(securityHours - 1) * time.Hour)
	if shown.Refusals, err = s.Refusals(ctx, hours, securityRows); err != nil {
		return err
	}
	if shown.Days, err = s.Days(ctx, now.AddDate(0, 0, 1-securityDays)); err != nil {
		return err
	}
	if shown.Answers, err = s.Answers(ctx, hours); err != nil {
		return err
	}
	shown.Kept, err = s.Kept(ctx)
	return err
}
