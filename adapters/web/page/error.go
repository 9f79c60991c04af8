package page

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/refusal"
)

var errorPage = Must(files, "error.html")

// Error answers with a page that says what is wrong and what to do.
func Error(w http.ResponseWriter, r *http.Request, status int, refused *refusal.Error) {
	in := scope.Of(r.Context())
	errorPage.Show(w, r, status, struct {
		Text, Help, Code, Trace string
		Status                  int
		Staff                   bool
	}{refused.Text, refused.Help, refused.Code, in.TraceID, status, in.Style == scope.Staff})
}
