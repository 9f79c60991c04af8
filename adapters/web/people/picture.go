package people

import (
	"fmt"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/projections/images"
)

var picturePage = page.Must(templates, "picture.html")

// picture is what the page of a picture shows.
type picture struct {
	Status  image.Status
	Now     time.Time
	Due     time.Time
	Took    string         // to make the cutout; "" while there is none
	Failure *refusal.Error // nil unless no cutout can be made
	Gone    *gone          // nil until it is deleted

	Page, Events, Before, After, Result, Delete, Check, Receipt string
}

// gone is the proof of a deletion.
type gone struct {
	Because         string
	Promise         string
	PromiseID       string
	At, Due         time.Time
	Lived           string
	DeletedSeq      int64
	KeyDestroyedSeq int64
}

// Picture serves a picture's page: how far its cutout is, the cutout, or the proof that it is gone.
func Picture(view capability.View, now func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		img, token, err := capability.Of(r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		p, err := view.Open(r.Context(), img, token)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		shown := picture{
			Status: p.Status,
			Now:    now(),
			Due:    p.Due,
			Took:   spoken(p.Took),
			Page:   capability.Page(img, token),
			Events: capability.APIWithKey(img, "events", token),
			Before: capability.APIWithKey(img, "preview", token) + "&of=original",
			After:  capability.APIWithKey(img, "preview", token),
			Result: capability.PageResult(img, token),
			Delete: capability.PageDelete(img, token),
			Check:  capability.APIWithKey(img, "result", token),

			Receipt: capability.PageReceipt(img, token),
		}
		if p.Failure != "" {
			shown.Failure = image.Unusable(p.Failure)
		}
		if p.Status == image.Gone {
			shown.Gone = goneOf(p)
		}
		picturePage.Show(w, r, http.StatusOK, shown)
	}
}

func goneOf(p images.Picture) *gone {
	g := &gone{
		At:              p.DeletedAt,
		Due:             p.Due,
		Lived:           spoken(p.DeletedAt.Sub(p.UploadedAt)),
		DeletedSeq:      p.DeletedSeq,
		KeyDestroyedSeq: p.KeyDestroyedSeq,
		Promise:         "every uploaded photo and its cutout are gone at most 24 hours after the upload",
		PromiseID:       "image.delete-24h",
	}
	switch p.DeletedWhy {
	case image.BecauseDownloaded:
		g.Because = "you downloaded the cutout"
		g.Promise = "the moment the cutout has been downloaded whole, photo and cutout are deleted"
		g.PromiseID = "image.delete-on-download"
	case image.BecauseDue:
		g.Because = "their time was up"
	case image.BecauseRequested:
		g.Because = "you asked for it"
	}
	return g
}

// spoken says a duration as people do, as exactly as they care; "" when there is none.
func spoken(d time.Duration) string {
	minutes, seconds := int(d.Minutes()), d.Seconds()
	switch {
	case d <= 0:
		return ""
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f seconds", max(seconds, 0.1))
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f seconds", seconds)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", minutes)
	}
	return fmt.Sprintf("%d hours and %d minutes", minutes/60, minutes%60)
}
