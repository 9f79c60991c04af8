// Package api serves programs: our own interface under /v1, and remove.bg's under /v1.0.
//
// Read it in this order: api.go (what it needs of the rest, and how a picture looks in
// JSON), then /v1 in the order of a picture's life: upload.go, picture.go, events.go,
// preview.go, result.go, delete.go, receipt.go; then /v1.0: removebg.go, removebg_form.go,
// removebg_options.go, removebg_answer.go.
//
// Every picture is opened by its capability, and unknown, wrong and missing ones are
// answered alike. Nothing here keeps a picture, or says who asked for one.
package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/images"
)

// Uploader accepts pictures: usecase.Upload.
type Uploader interface {
	Do(ctx context.Context, cmd usecase.UploadCommand) (usecase.Uploaded, error)
}

// Watcher follows one picture in the record: usecase.Watch.
type Watcher interface {
	Do(ctx context.Context, img id.Image, token string, after int64) (usecase.Progress, error)
	Outcome(ctx context.Context, img id.Image, token string) (usecase.Progress, error)
}

// Previewer shows pictures: usecase.Preview.
type Previewer interface {
	Do(ctx context.Context, img id.Image, token, copyOf string, w io.Writer) error
}

// Downloader hands results out, once: usecase.Download.
type Downloader interface {
	Do(ctx context.Context, img id.Image, token string, deliver func(usecase.Result) error) (usecase.Deletion, error)
}

// Deleter deletes pictures: usecase.Delete.
type Deleter interface {
	Do(ctx context.Context, img id.Image, token string) (usecase.Deletion, error)
}

// How long a request waits for the record, or for a cutout.
const (
	recordPatience  = 30 * time.Second
	outcomePatience = 2 * time.Minute
)

// picture is where a picture stands, in JSON.
type picture struct {
	ID       id.Image     `json:"id"`
	Status   image.Status `json:"status"`
	Uploaded time.Time    `json:"uploaded"`
	DeleteBy time.Time    `json:"delete_by"`
	Failure  *failure     `json:"failure,omitempty"`
	Deletion *deletion    `json:"deletion,omitempty"`
	Links    links        `json:"links"`
}

// failure is why no cutout can be made.
type failure struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// deletion is what the record says of a deleted picture.
type deletion struct {
	Why    image.Why `json:"why"`
	Due    time.Time `json:"due"`
	Actual time.Time `json:"actual"`
	Record record    `json:"record"`
}

// record says where in the record the facts of a deletion stand.
type record struct {
	Deleted      int64 `json:"image.deleted"`
	KeyDestroyed int64 `json:"vault.key_destroyed,omitempty"`
}

// links are where a picture's parts are. They hold no capability, except for the page.
type links struct {
	Self    string `json:"self"`
	Events  string `json:"events"`
	Preview string `json:"preview"`
	Result  string `json:"result"`
	Receipt string `json:"receipt"` // once it is deleted
	Page    string `json:"page"`
}

func linksOf(img id.Image, token string) links {
	return links{
		Self:    capability.API(img, ""),
		Events:  capability.API(img, "events"),
		Preview: capability.API(img, "preview"),
		Result:  capability.API(img, "result"),
		Receipt: capability.API(img, "receipt"),
		Page:    capability.Page(img, token),
	}
}

func pictureOf(p images.Picture, token string) picture {
	shown := picture{
		ID:       p.Image,
		Status:   p.Status,
		Uploaded: p.UploadedAt.UTC(),
		DeleteBy: p.Due.UTC(),
		Links:    linksOf(p.Image, token),
	}
	if p.Failure != "" {
		shown.Failure = failureOf(image.Unusable(p.Failure))
	}
	if p.Status == image.Gone {
		shown.Deletion = &deletion{
			Why:    p.DeletedWhy,
			Due:    p.Due.UTC(),
			Actual: p.DeletedAt.UTC(),
			Record: record{Deleted: p.DeletedSeq, KeyDestroyed: p.KeyDestroyedSeq},
		}
	}
	return shown
}

func pictureOfProgress(p usecase.Progress, token string) picture {
	shown := picture{
		ID:       p.Image,
		Status:   p.Status,
		Uploaded: p.Uploaded.UTC(),
		DeleteBy: p.DeleteBy.UTC(),
		Links:    linksOf(p.Image, token),
	}
	if p.Failure != nil {
		shown.Failure = failureOf(p.Failure)
	}
	if p.Deletion != nil {
		shown.Deletion = deletionOf(*p.Deletion)
	}
	return shown
}

func failureOf(r *refusal.Error) *failure {
	return &failure{Code: r.Code, Title: r.Text, Detail: r.Help}
}

func deletionOf(d usecase.Deletion) *deletion {
	return &deletion{
		Why:    d.Why,
		Due:    d.Due.UTC(),
		Actual: d.Actual.UTC(),
		Record: record{Deleted: d.DeletedSeq, KeyDestroyed: d.KeySeq},
	}
}

// tellDeadline sets the header that an answer about a picture carries: by when it is gone, or when it went.
func tellDeadline(h http.Header, p picture) {
	if p.Deletion != nil {
		h.Set("X-Deleted-At", p.Deletion.Actual.Format(time.RFC3339))
		return
	}
	h.Set("X-Delete-By", p.DeleteBy.Format(time.RFC3339))
}
