package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Receipter makes receipts of deleted pictures: usecase.Receipt.
type Receipter interface {
	Do(ctx context.Context, img id.Image, token string, older int64) ([]byte, error)
}

// errAgainst is the refusal of a size that is none.
var errAgainst = refusal.New(refusal.Invalid, "receipt.against",
	"What the receipt is to be compared with is no size of a record.", "Write ?against= and the second line of the checkpoint that you kept, or leave it away.")

// Receipt serves GET …/receipt: what the service signs about a deleted picture, for whoever
// holds its capability. The view forgets capabilities a month after the deletion, and then
// there is no receipt any more; the record alone would still know them.
func Receipt(view capability.View, receipt Receipter) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		img, token, err := capability.Of(r)
		if err == nil {
			_, err = view.Open(r.Context(), img, token)
		}
		var older int64
		if err == nil {
			older, err = against(r)
		}
		var signed []byte
		if err == nil {
			signed, err = receipt.Do(r.Context(), img, token, older)
		}
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="deletion-receipt.txt"`)
		h.Set("Content-Length", strconv.Itoa(len(signed)))
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(signed) //nolint:gosec // G705: plain text, and not to be sniffed. The client may be gone.
	}
}

// against is the size of the record in the query; 0 without one.
func against(r *http.Request) (int64, error) {
	asked := r.URL.Query().Get("against")
	if asked == "" {
		return 0, nil
	}
	size, err := strconv.ParseInt(asked, 10, 64)
	if err != nil || size < 1 || strconv.FormatInt(size, 10) != asked {
		return 0, errAgainst
	}
	return size, nil
}
