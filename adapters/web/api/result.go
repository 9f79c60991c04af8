package api

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Result serves GET …/result: the cutout, once. When its last byte is handed to the
// connection, original and result are deleted; a connection that breaks before that
// leaves both until their deadline. A Range is ignored: there are no partial downloads, because only a
// whole one ends the picture's life. HEAD says whether there is something to download, and is none.
func Result(watch Watcher, download Downloader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		img, token, err := capability.Of(r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		wait := newPatience(r.Context())
		defer wait.end()
		p, err := watch.Do(wait.ctx, img, token, 0)
		if err == nil {
			err = downloadable(p)
		}
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		if r.Method == http.MethodHead {
			resultHeaders(w.Header(), p)
			return
		}
		var out delivery
		_, err = download.Do(wait.ctx, img, token, func(result usecase.Result) error {
			wait.relax()
			resultHeaders(w.Header(), p)
			return out.send(w, result, result.Size)
		})
		out.finish(w, r, err)
	}
}

func resultHeaders(h http.Header, p usecase.Progress) {
	h.Set("Content-Type", "image/png")
	h.Set("Content-Disposition", `attachment; filename="cutout.png"`)
	h.Set("Cache-Control", "no-store")
	h.Set("Accept-Ranges", "none")
	h.Set("X-Delete-By", p.DeleteBy.UTC().Format(time.RFC3339))
}

// delivery is how far the sending of a result got.
type delivery struct{ began, whole bool }

func (d *delivery) send(w http.ResponseWriter, result io.Reader, size int64) error {
	d.began = true
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	err := answer.Send(w, result, size)
	d.whole = err == nil
	return err
}

// finish ends a download with the error that it ended with.
func (d *delivery) finish(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err == nil:
	case d.whole:
		answer.Note(r, err) // the client has everything; what failed came after it
	case d.began:
		answer.BreakOff(r, err)
	default:
		answer.Fail(w, r, err)
	}
}

// downloadable says whether a picture in this state has a result to hand out.
func downloadable(p usecase.Progress) error {
	switch p.Status {
	case image.Ready:
		return nil
	case image.Failed:
		return p.Failure
	case image.Gone:
		return image.ErrGone
	case image.Waiting:
		return image.ErrNotReady
	case image.Unknown:
	}
	return image.ErrUnknown
}

// patience is a context that ends when the record lets us wait too long, unless that is
// relaxed before: once bytes flow, they have limits of their own.
type patience struct {
	ctx   context.Context
	end   context.CancelFunc
	timer *time.Timer
}

func newPatience(parent context.Context) *patience {
	ctx, cancel := context.WithCancel(parent)
	return &patience{ctx: ctx, end: cancel, timer: time.AfterFunc(recordPatience, cancel)}
}

func (p *patience) relax() { p.timer.Stop() }
