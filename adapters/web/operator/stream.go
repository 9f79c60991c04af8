package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
)

// History is everything that the record says about one thing, up to now. Personal fields are
// sealed, or erased if the key of the stream is destroyed by now.
type History struct {
	Facts  []event.Envelope // oldest first
	Erased *event.Envelope  // says that the stream's key was destroyed; nil: it was not
}

// Story returns the history of a stream; one without facts for a stream that is not there.
type Story func(ctx context.Context, stream event.Stream) (History, error)

// Stream is one stream as `bgremover stream show --json` prints it.
type Stream struct {
	Subject event.Stream `json:"subject"`
	AsOf    int64        `json:"as_of"` // the last fact of the record that was known
	Facts   []Line       `json:"facts"`
	Erased  *Erased      `json:"erased,omitempty"` // today, whatever was known then
	State   *ImageState  `json:"state,omitempty"`  // of pictures
}

// Erased says that the personal fields of a stream can be read by nobody any more.
type Erased struct {
	Seq  int64     `json:"seq"` // of the fact that says so
	Time time.Time `json:"time"`
}

// ImageState is what the facts about a picture add up to.
type ImageState struct {
	Status     image.Status `json:"status"`
	UploadedAt time.Time    `json:"uploaded_at,omitzero"`
	Due        time.Time    `json:"due,omitzero"` // gone by then at the latest
	Failure    string       `json:"failure,omitempty"`
	BrokenOff  bool         `json:"broken_off,omitempty"` // a download began and did not end
	DeletedAt  time.Time    `json:"deleted_at,omitzero"`
	DeletedWhy image.Why    `json:"deleted_why,omitempty"`
}

var (
	errNoStream = refusal.New(refusal.Missing, "operator.stream",
		"The record says nothing about it.", "Name what it is about as log show prints it, such as image/0190…")
	errNotYet = refusal.New(refusal.Missing, "operator.stream_later",
		"Nothing was known about it then.", "Ask for a later moment.")
)

// stream answers with one stream: ?subject=S&as_of=MOMENT.
func stream(story Story, place Place, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		shown, err := streamAt(r.Context(), event.Stream(q.Get("subject")), q.Get("as_of"), story, place)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, shown)
	}
}

func streamAt(ctx context.Context, subject event.Stream, asOf string, story Story, place Place) (Stream, error) {
	m, err := moment.Parse(asOf)
	if err != nil {
		return Stream{}, err
	}
	shown := Stream{Subject: subject}
	if shown.AsOf, err = place(ctx, m); err != nil {
		return Stream{}, err
	}
	history, err := story(ctx, subject)
	if err != nil {
		return Stream{}, err
	}
	known := history.Facts
	for i, env := range known {
		if env.Seq > shown.AsOf {
			known = known[:i]
			break
		}
	}
	switch {
	case len(history.Facts) == 0:
		return Stream{}, errNoStream
	case len(known) == 0:
		return Stream{}, notYet(history.Facts[0])
	}
	for _, env := range known {
		line, err := lineOf(env)
		if err != nil {
			return Stream{}, err
		}
		shown.Facts = append(shown.Facts, line)
	}
	if e := history.Erased; e != nil {
		shown.Erased = &Erased{Seq: e.Seq, Time: e.At}
	}
	shown.State = imageState(subject, known)
	return shown, nil
}

// notYet is [errNotYet], with when it began.
func notYet(first event.Envelope) error {
	e := *errNotYet
	e.Text = fmt.Sprintf("Nothing was known about it then: its first fact is number %d, of %s.",
		first.Seq, first.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	return &e
}

// imageState replays a picture's facts; nil for what is no picture.
func imageState(subject event.Stream, known []event.Envelope) *ImageState {
	if _, ok := image.OfStream(subject); !ok {
		return nil
	}
	img := image.FromRecord(known)
	state := &ImageState{Status: img.Status(), Due: img.Due(), BrokenOff: img.BrokenOff()}
	for _, env := range known {
		switch f := env.Fact.(type) {
		case image.Uploaded:
			state.UploadedAt = env.At
		case image.ProcessingFailed:
			state.Failure = f.Code
		case image.Deleted:
			state.DeletedAt, state.DeletedWhy = f.Actual, f.Why
		}
	}
	return state
}

// reply answers with a value that encodes without error.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // the client may be gone
}
