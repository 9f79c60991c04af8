package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/usecase"
)

const (
	// heartbeat is how often a silent stream shows that it is alive.
	heartbeat = 15 * time.Second
	// streamLife is how long a stream lives. A client that wants more comes back with Last-Event-ID.
	streamLife = 15 * time.Minute
	// eventStall is how long a client may take for one event.
	eventStall = 10 * time.Second
)

// Streams bounds the event streams that are open at once, and ends them all when the
// service stops.
type Streams struct {
	slots    chan struct{}
	stopping chan struct{}
	once     sync.Once
}

// NewStreams allows n streams at once.
func NewStreams(n int) *Streams {
	return &Streams{slots: make(chan struct{}, n), stopping: make(chan struct{})}
}

// Stop ends all streams, for good.
func (s *Streams) Stop() { s.once.Do(func() { close(s.stopping) }) }

// take returns false when there are too many streams, or the service stops.
func (s *Streams) take() bool {
	select {
	case <-s.stopping:
		return false
	default:
	}
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *Streams) give() { <-s.slots }

// Events serves GET …/events: server-sent events named "status", with the picture as data
// and its version as id. A client that comes back with Last-Event-ID is told what is newer. The stream
// ends after the deletion; who comes back after that gets 204, which tells an EventSource to stop.
func Events(watch Watcher, streams *Streams) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		img, token, err := capability.Of(r)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		wait := newPatience(r.Context())
		defer wait.end()
		now, err := watch.Do(wait.ctx, img, token, 0)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		wait.relax()
		seen, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64) // unreadable: everything is new
		if now.Version <= seen && now.Status == image.Gone {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Type", "text/event-stream")
			return
		}
		if !streams.take() {
			answer.Fail(w, r, answer.ErrBusy)
			return
		}
		defer streams.give()
		tellDeadline(w.Header(), pictureOfProgress(now, token))
		s := stream{watch: watch, img: img, token: token, w: w, rc: http.NewResponseController(w)}
		s.run(r.Context(), now, seen, streams.stopping)
	}
}

// stream is one client that follows one picture.
type stream struct {
	watch Watcher
	img   id.Image
	token string
	w     http.ResponseWriter
	rc    *http.ResponseController
}

func (s stream) run(ctx context.Context, now usecase.Progress, seen int64, stopping <-chan struct{}) {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if s.send("retry: 2000\n\n") != nil {
		return
	}
	if now.Version > seen {
		if s.tell(now) != nil || now.Status == image.Gone {
			return
		}
		seen = now.Version
	}
	ctx, cancel := context.WithTimeout(ctx, streamLife)
	defer cancel()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	news := s.follow(ctx, seen)
	for {
		var err error
		select {
		case p, more := <-news:
			if !more || s.tell(p) != nil || p.Status == image.Gone {
				return
			}
		case <-beat.C:
			err = s.send(": still here\n\n")
		case <-stopping:
			return
		}
		if err != nil {
			return
		}
	}
}

// follow sends what is newer than seen until the context ends. An error ends it too: the client comes
// back, and is then told what is wrong.
func (s stream) follow(ctx context.Context, seen int64) <-chan usecase.Progress {
	news := make(chan usecase.Progress)
	go func() {
		defer close(news)
		for {
			p, err := s.watch.Do(ctx, s.img, s.token, seen)
			if err != nil {
				return
			}
			select {
			case news <- p:
				seen = p.Version
			case <-ctx.Done():
				return
			}
		}
	}()
	return news
}

func (s stream) tell(p usecase.Progress) error {
	data, err := json.Marshal(pictureOfProgress(p, s.token))
	if err != nil {
		return err
	}
	var event bytes.Buffer
	fmt.Fprintf(&event, "id: %d\nevent: status\ndata: %s\n\n", p.Version, data)
	return s.send(event.String())
}

func (s stream) send(text string) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(eventStall)) // no deadlines in tests
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
