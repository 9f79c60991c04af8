package api

import (
	"context"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/intake"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// ErrBadKey refuses an Idempotency-Key that cannot be one.
var ErrBadKey = refusal.New(refusal.Invalid, "request.bad_idempotency_key",
	"The Idempotency-Key is not usable.", "Send one header with 1 to 255 printable ASCII characters, such as a UUID.")

// accepted is the answer to an upload: the only one that holds the capability.
type accepted struct {
	ID         id.Image     `json:"id"`
	Status     image.Status `json:"status"`
	DeleteBy   time.Time    `json:"delete_by"`
	Capability string       `json:"capability"`
	Links      links        `json:"links"`
}

// Upload serves POST /v1/images: a form with the photo in the field "image". Accepted
// means that the photo is sealed and in the record; the cutout follows.
func Upload(up Uploader, in *intake.Intake) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, err := idempotencyKey(r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		photo, err := in.Photo(w, r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		defer photo.Release()
		ctx, cancel := context.WithTimeout(r.Context(), recordPatience)
		defer cancel()
		done, err := up.Do(ctx, usecase.UploadCommand{
			Client: in.Clients.Of(r), IdempotencyKey: key, FileName: photo.FileName, Picture: photo.Bytes,
		})
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		answer.TellQuota(w.Header(), done.Quota)
		tellDeadline(w.Header(), picture{DeleteBy: done.DeleteBy.UTC()})
		w.Header().Set("Location", capability.API(done.Image, ""))
		answer.JSON(w, http.StatusAccepted, accepted{
			ID:         done.Image,
			Status:     image.Waiting,
			DeleteBy:   done.DeleteBy.UTC(),
			Capability: done.Capability,
			Links:      linksOf(done.Image, done.Capability),
		})
	}
}

// idempotencyKey returns what the client calls its request; "" when it calls it nothing.
func idempotencyKey(r *http.Request) (string, error) {
	const longest = 255
	switch sent := r.Header.Values("Idempotency-Key"); {
	case len(sent) == 0:
		return "", nil
	case len(sent) > 1 || sent[0] == "" || len(sent[0]) > longest:
		return "", ErrBadKey
	default:
		for _, c := range []byte(sent[0]) {
			if c < ' ' || c > '~' {
				return "", ErrBadKey
			}
		}
		return sent[0], nil
	}
}
