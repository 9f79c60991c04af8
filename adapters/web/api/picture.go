package api

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
)

// Picture serves GET /v1/images/{id}: where the picture stands. A deleted one is an answer
// too, with the deletion in it.
func Picture(view capability.View) http.HandlerFunc {
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
		shown := pictureOf(p, token)
		tellDeadline(w.Header(), shown)
		answer.JSON(w, http.StatusOK, shown)
	}
}
