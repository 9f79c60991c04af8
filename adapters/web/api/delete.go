package api

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
)

// deleted is the answer to a deletion.
type deleted struct {
	ID       id.Image     `json:"id"`
	Status   image.Status `json:"status"`
	Deletion *deletion    `json:"deletion"`
}

// Delete serves DELETE /v1/images/{id}. Deleting again gets the same answer.
func Delete(del Deleter, view capability.View) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		img, token, err := capability.Of(r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		done, err := del.Do(r.Context(), img, token)
		if err != nil && done.DeletedSeq == 0 {
			answer.Fail(w, r, err)
			return
		}
		if err != nil {
			answer.Note(r, err) // it is deleted; what is left of the sealed copies is swept
		}
		shown := picture{Deletion: deletionOf(done)}
		if done.KeySeq == 0 {
			// It was deleted before: the view knows the place of both facts.
			if p, err := view.Open(r.Context(), img, token); err == nil && p.Status == image.Gone {
				shown = pictureOf(p, token)
			}
		}
		tellDeadline(w.Header(), shown)
		answer.JSON(w, http.StatusOK, deleted{ID: img, Status: image.Gone, Deletion: shown.Deletion})
	}
}
