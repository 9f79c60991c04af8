package people

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
)

// Delete serves POST /i/{id}/delete and leads back to the picture's page, which then proves that
// it is gone.
func Delete(del Deleter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		http.Redirect(w, r, capability.Page(img, token), http.StatusSeeOther) //nolint:gosec // a path of this site: its beginning is ours, and the token is escaped
	})
}
