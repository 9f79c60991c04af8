//go:build browser

package browsertest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/images"
)

// world is a site over a service in memory that can be held still.
type world struct {
	url string
	// streamsAway, while true, answers event streams as an overloaded service does.
	streamsAway atomic.Bool
}

// heldUpload waits before it takes a photo.
type heldUpload struct {
	usecase.Upload
	gate <-chan struct{}
}

func (h heldUpload) Do(ctx context.Context, cmd usecase.UploadCommand) (usecase.Uploaded, error) {
	if h.gate != nil {
		select {
		case <-h.gate:
		case <-ctx.Done():
			return usecase.Uploaded{}, ctx.Err()
		}
	}
	return h.Upload.Do(ctx, cmd)
}

// start starts a site whose uploads and cutouts wait until the gates are closed; a nil gate is open.
func start(t *testing.T, uploads, cutouts chan struct{}) *world {
	t.Helper()
	service := fake.NewService(time.Now, fake.Cutter{Gate: cutouts})
	site := web.New(web.Config{
		Upload: heldUpload{service.Upload, uploads}, Watch: service.Watch, Preview: service.Preview,
		Download: service.Download, Delete: service.Delete,
		View:  capability.View{CaughtUp: func(context.Context) error { return nil }, Get: viewOf(service.Record)},
		Hours: func(context.Context, time.Time, time.Time) ([]analytics.Hour, error) { return nil, nil },
		Now:   time.Now,
		Log:   slog.New(slog.DiscardHandler),
	})
	w := &world{}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if w.streamsAway.Load() && strings.HasSuffix(r.URL.Path, "/events") {
			http.Error(out, "away", http.StatusServiceUnavailable)
			return
		}
		site.ServeHTTP(out, r)
	}))
	t.Cleanup(func() {
		site.Stop()
		server.CloseClientConnections()
		server.Close()
	})
	w.url = server.URL
	return w
}

// viewOf folds a picture's facts as the projection does.
func viewOf(r *fake.Record) func(context.Context, id.Image) (images.Picture, error) {
	return func(ctx context.Context, img id.Image) (images.Picture, error) {
		history, err := r.Load(ctx, image.Stream(img))
		if err != nil || len(history) == 0 {
			return images.Picture{}, errors.Join(err, image.ErrUnknown)
		}
		keys, err := r.Load(ctx, system.VaultStream(image.Key(img)))
		if err != nil {
			return images.Picture{}, err
		}
		p := images.Picture{Image: img, Status: image.FromRecord(history).Status(), UploadedAt: history[0].At}
		for _, env := range append(history, keys...) {
			switch f := env.Fact.(type) {
			case image.Uploaded:
				p.Due, p.Capability = f.Due, f.Capability
			case image.ProcessingFailed:
				p.Failure = f.Code
			case image.Deleted:
				p.DeletedWhy, p.DeletedAt, p.DeletedSeq = f.Why, f.Actual, env.Seq
			case system.KeyDestroyed:
				p.KeyDestroyedSeq = env.Seq
			}
		}
		return p, nil
	}
}
