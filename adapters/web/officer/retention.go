package officer

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/internal/usecase"
)

var retentionPage = page.Must(templates, "base.html", "retention.html")

// Retention says how it stands with everything that ends by its time.
type Retention func(ctx context.Context) (usecase.RetentionStatus, error)

// ending is what the page of retention shows.
type ending struct {
	frame
	LogPath string
	Status  usecase.RetentionStatus
	Kept    []endingKind // what there is here
	NotHere []usecase.KindStatus
	Path    string
	Desk    bool // holds are decided about here
	Holds   []shownHold
}

// endingKind is one kind with what the page adds.
type endingKind struct {
	usecase.KindStatus
	Left   string // until the first of it has to be gone; "" when it is late, or nothing waits
	LateBy string
	Alarm  bool
}

// Ending serves what waits for its end, and what is late.
func (p Pages) Ending() http.Handler { return p.signedIn(p.ending) }

func (p Pages) ending(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
	if p.Retention == nil {
		answer.Fail(w, r, answer.ErrNoPage)
		return
	}
	status, err := p.Retention(r.Context())
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	shown := ending{frame: frameOf(o), LogPath: logPath, Status: status, Path: endingPath, Desk: p.Holds != nil}
	if shown.Holds, err = p.holds(r.Context()); err != nil {
		answer.Fail(w, r, err)
		return
	}
	for _, k := range status.Kinds {
		if k.Why != "" {
			shown.NotHere = append(shown.NotHere, k)
			continue
		}
		shown.Kept = append(shown.Kept, endingOf(k, status.Now))
	}
	retentionPage.Show(w, r, http.StatusOK, shown)
}

func endingOf(k usecase.KindStatus, now time.Time) endingKind {
	e := endingKind{KindStatus: k, Alarm: k.Late >= usecase.LateAlarm}
	switch {
	case k.Late > 0:
		e.LateBy = roughly(k.Late)
	case k.Due.After(now):
		e.Left = roughly(k.Due.Sub(now))
	}
	return e
}

// roughly says how long something takes, in the two largest units that matter.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return counted(int64(d/day), "day")
	case d >= 2*time.Hour:
		return counted(int64(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return counted(int64(d/time.Minute), "minute")
	default:
		return counted(int64(d/time.Second), "second")
	}
}

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}
