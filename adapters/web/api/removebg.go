package api

import (
	"context"
	"io"
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/intake"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Options is what a caller of /v1.0 wants of a result.
type Options struct {
	MaxPixels int  // scale down to at most so many; 0 keeps the size
	AlphaOnly bool // the matte alone, as a greyscale picture
}

// Transform reads a result, changes it as the options say, and writes it as PNG again.
type Transform func(ctx context.Context, png io.Reader, o Options, w io.Writer) (width, height int, err error)

// ReceiptHeader says where the receipt of the photo's deletion is, once it is deleted.
const ReceiptHeader = "X-Deletion-Receipt"

// RemoveBG serves POST /v1.0/removebg: upload, cutout and download in one request. Its
// caller learns the capability with the result, for the receipt, and not before. So whatever
// happens, nothing is left when it is over: a result that was not delivered whole is deleted at once.
type RemoveBG struct {
	Upload    Uploader
	Watch     Watcher
	Download  Downloader
	Delete    Deleter
	Transform Transform
	Intake    *intake.Intake
}

// ServeHTTP implements [http.Handler].
func (h RemoveBG) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	job, up, err := h.accept(w, r)
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	out := delivery{}
	defer func() {
		if !out.whole {
			h.forget(r, up.Image, up.Capability)
		}
	}()
	p, err := h.outcome(r.Context(), up)
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	_, err = h.Download.Do(r.Context(), up.Image, up.Capability, func(result usecase.Result) error {
		tellDeadline(w.Header(), picture{DeleteBy: p.DeleteBy.UTC()})
		w.Header().Set(ReceiptHeader, capability.APIWithKey(up.Image, "receipt", up.Capability))
		err := h.deliver(w, r, &out, job, result)
		if !out.began {
			w.Header().Del(ReceiptHeader) // an error is answered, and holds no capability
		}
		return err
	})
	out.finish(w, r, err)
}

// accept reads the request and uploads its photo. The memory that the photo takes is given
// back before anybody waits for its cutout.
func (h RemoveBG) accept(w http.ResponseWriter, r *http.Request) (job, usecase.Uploaded, error) {
	form, err := readForm(h.Intake, w, r)
	if err != nil {
		return job{}, usecase.Uploaded{}, err
	}
	defer form.release()
	job, err := form.job(r.Header.Get("Accept"))
	if err != nil {
		form.body.Spend()
		return job, usecase.Uploaded{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), recordPatience)
	defer cancel()
	up, err := h.Upload.Do(ctx, usecase.UploadCommand{Client: h.Intake.Clients.Of(r), FileName: form.fileName, Picture: form.picture})
	answer.TellQuota(w.Header(), up.Quota)
	return job, up, err
}

func (h RemoveBG) outcome(ctx context.Context, up usecase.Uploaded) (usecase.Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, outcomePatience)
	defer cancel()
	p, err := h.Watch.Outcome(ctx, up.Image, up.Capability)
	if err != nil {
		return p, err
	}
	return p, downloadable(p)
}

// forget deletes a picture that nobody can ask for any more, whatever happened to the request.
func (h RemoveBG) forget(r *http.Request, img id.Image, token string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), recordPatience)
	defer cancel()
	if _, err := h.Delete.Do(ctx, img, token); err != nil {
		answer.Note(r, err) // the deadline deletes it
	}
}
