package api

import (
	"errors"
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrNoSuchCopy refuses a preview of something else than the two copies there are.
var ErrNoSuchCopy = refusal.New(refusal.Invalid, "request.no_such_copy",
	"There is no such copy of a photo.", `Ask with "of=result" or "of=original".`)

// Preview serves GET /v1/images/{id}/preview: a PNG of at most 1600 pixels a side. It is no download.
func Preview(preview Previewer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		img, token, err := capability.Of(r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		copyOf := r.URL.Query().Get("of")
		switch copyOf {
		case "":
			copyOf = image.Result
		case image.Original, image.Result:
		default:
			answer.Fail(w, r, ErrNoSuchCopy)
			return
		}
		out := &lazyPNG{w: w}
		if err := preview.Do(r.Context(), img, token, copyOf, out); err != nil {
			if !out.began {
				answer.Fail(w, r, err)
				return
			}
			answer.BreakOff(r, err)
		}
	}
}

// lazyPNG sends the headers with the first bytes, so that an error before them can still be answered.
type lazyPNG struct {
	w     http.ResponseWriter
	began bool
}

func (l *lazyPNG) Write(p []byte) (int, error) {
	if !l.began {
		l.began = true
		l.w.Header().Set("Content-Type", "image/png")
		l.w.Header().Set("Cache-Control", "no-store")
	}
	n, err := l.w.Write(p)
	if err != nil {
		err = errors.Join(answer.ErrClientGone, err)
	}
	return n, err
}
