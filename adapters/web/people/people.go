// Package people serves the pages on which people cut out their photos.
//
// Read it in this order: home.go (choose a photo), upload.go, picture.go (one photo, from
// waiting to the proof that it is gone), delete.go; each page's template stands beside it.
//
// Every path works without JavaScript: a page says what there is, and a form changes it.
// The modules in page/assets only save reloading. No page sets a cookie or asks another
// site for anything.
package people

import (
	"context"
	"embed"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

//go:embed *.html
var templates embed.FS

// Uploader accepts pictures: usecase.Upload.
type Uploader interface {
	Do(ctx context.Context, cmd usecase.UploadCommand) (usecase.Uploaded, error)
}

// Deleter deletes pictures: usecase.Delete.
type Deleter interface {
	Do(ctx context.Context, img id.Image, token string) (usecase.Deletion, error)
}
