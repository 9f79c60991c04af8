package operator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bgremover/bgremover/adapters/web/decisionlog"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Simulate tries rules on the record. progress is called from one goroutine or another, now and then.
type Simulate func(ctx context.Context, asked SimulationRequest, progress func(seq, of int64)) (Simulation, error)

// SimulationRequest says what is tried, and on what.
type SimulationRequest struct {
	Archive  []byte // of a bundle; empty: the one that was stored as Revision
	Revision int64
	From, To int64 // of the record; 0: its beginning, its end
}

// Simulation is what came of it.
type Simulation struct {
	Digest   string          `json:"digest"` // of the report
	Recorded bool            `json:"recorded"`
	Report   json.RawMessage `json:"report"` // in its one form, of which Digest is made
	Text     string          `json:"text"`   // the same for people
}

// SimulationLine is one line of the answer to POST /policy/simulate: how far it is, and in the
// end what came of it, or why nothing did.
type SimulationLine struct {
	Seq     int64       `json:"seq,omitempty"`
	Of      int64       `json:"of,omitempty"`
	Refused string      `json:"refused,omitempty"`
	Done    *Simulation `json:"done,omitempty"`
}

const (
	// maxBundle is how large an archive may be; what is too large for the record is refused by whoever reads it.
	maxBundle = 1 << 20
	tellEvery = 200 * time.Millisecond
)

// simulate answers with lines, because it takes its time: ?from=SEQ&to=SEQ&revision=N, the body is the archive.
func simulate(try Simulate, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := readSimulation(w, r)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		out := lines{to: json.NewEncoder(w), flush: http.NewResponseController(w)}
		out.to.SetEscapeHTML(false)
		done, err := try(r.Context(), asked, out.progress)
		if err == nil {
			out.say(SimulationLine{Done: &done})
			return
		}
		refused, ok := refusal.As(err)
		if ok {
			out.say(SimulationLine{Refused: refused.Text + " " + refused.Help})
			return
		}
		if !errors.Is(err, context.Canceled) {
			to.ErrorContext(r.Context(), "a simulation failed", "err", err)
		}
		out.say(SimulationLine{Refused: "something went wrong in the service; its log says what"})
	}
}

func readSimulation(w http.ResponseWriter, r *http.Request) (asked SimulationRequest, err error) {
	q := r.URL.Query()
	for name, into := range map[string]*int64{"from": &asked.From, "to": &asked.To, "revision": &asked.Revision} {
		s := q.Get(name)
		if s == "" {
			continue
		}
		if *into, err = strconv.ParseInt(s, 10, 64); err != nil || *into < 1 {
			return asked, errFrom
		}
	}
	asked.Archive, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBundle))
	if err != nil {
		return asked, errRequest
	}
	return asked, nil
}

// lines writes an answer line by line.
type lines struct {
	mu    sync.Mutex
	to    *json.Encoder
	flush *http.ResponseController
	last  time.Time
}

func (l *lines) progress(seq, of int64) {
	l.mu.Lock()
	late := time.Since(l.last) >= tellEvery
	if late {
		l.last = time.Now()
	}
	l.mu.Unlock()
	if late {
		l.say(SimulationLine{Seq: seq, Of: of})
	}
}

// say writes a line. Whoever asked may be gone: then the request's context ends as well.
func (l *lines) say(line SimulationLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to.Encode(line) == nil {
		_ = l.flush.Flush()
	}
}

// decisions streams the decisions of the record in the format of OPA's decision logs: ?from=SEQ&to=SEQ.
func decisions(log Log, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := readSimulation(w, r)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		w.Header().Set("Content-Type", decisionlog.ContentType)
		err = log(r.Context(), max(asked.From, 1), false, func(env event.Envelope) error {
			if asked.To > 0 && env.Seq > asked.To {
				return errLater
			}
			return decisionlog.Write(w, env)
		})
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errLater) {
			to.ErrorContext(r.Context(), "reading the record failed", "err", err)
			panic(http.ErrAbortHandler) // the header is out; so the client learns that this is not all
		}
	}
}
