package people

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/image"
)

var homePage = page.Must(templates, "home.html")

// Home serves the page on which a photo is chosen.
func Home() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		homePage.Show(w, r, http.StatusOK, struct{ MaxBytes, MaxMiB, MaxMegapixels int }{
			image.MaxBytes, image.MaxBytes >> 20, image.MaxPixels / 1_000_000,
		})
	}
}
