package people

import (
	"context"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/intake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// recordPatience is how long an upload waits for the record.
const recordPatience = 30 * time.Second

// Upload serves POST /i, the home page's form, and leads to the picture's page.
func Upload(up Uploader, in *intake.Intake) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		photo, err := in.Photo(w, r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		defer photo.Release()
		ctx, cancel := context.WithTimeout(r.Context(), recordPatience)
		defer cancel()
		done, err := up.Do(ctx, usecase.UploadCommand{Client: in.Clients.Of(r), FileName: photo.FileName, Picture: photo.Bytes})
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, capability.Page(done.Image, done.Capability), http.StatusSeeOther)
	})
}
