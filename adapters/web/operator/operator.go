// Package operator serves whoever may open the unix socket in the data folder: the
// operator of this machine. The other subcommands of the program are its clients. It needs no
// password, because the socket's mode (0600) is the permission, and it is never on a network.
//
// What the record holds sealed is shown as sealed here too.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/domain/event"
)

// Log reads the record in order, from a place on. When it should not follow, it ends at
// what is published when it begins; an error of each ends it.
type Log func(ctx context.Context, from int64, follow bool, each func(event.Envelope) error) error

// Line is one fact as `bgremover log show --json` prints it.
type Line struct {
	Seq      int64           `json:"seq"`
	ID       string          `json:"id"`
	Type     event.Name      `json:"type"`
	Subject  event.Stream    `json:"subject"`
	Version  int64           `json:"version"`
	Time     time.Time       `json:"time"`
	Actor    event.Role      `json:"actor"`
	Cause    string          `json:"cause,omitempty"`   // the fact before it
	Request  string          `json:"request,omitempty"` // or the request
	Decision *event.Decision `json:"decision,omitempty"`
	Data     json.RawMessage `json:"data"`
}

// Config is what the socket's answers need of the service.
type Config struct {
	Log    Log
	Ground func() Ground // where commands find what the service stands on
	To     *slog.Logger // our own log
}

// Routes lists what the socket answers.
func Routes(c Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /log", show(c.Log, c.To))
	mux.HandleFunc("GET /ground", ground(c.Ground))
	return mux
}

// show streams the record as JSON, one object a line: ?from=SEQ&follow=true&type=T&subject=S.
func show(log Log, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from := int64(1)
		if s := q.Get("from"); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < 1 {
				http.Error(w, "from must be a number from 1 on", http.StatusBadRequest)
				return
			}
			from = n
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		flush := http.NewResponseController(w)
		follow := q.Get("follow") == "true"
		err := log(r.Context(), from, follow, func(env event.Envelope) error {
			if !matches(q.Get("type"), string(env.Fact.EventName())) || !matches(q.Get("subject"), string(env.Stream)) {
				return nil
			}
			line, err := lineOf(env)
			if err != nil {
				return err
			}
			if err := out.Encode(line); err != nil || !follow {
				return err
			}
			return flush.Flush()
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			to.ErrorContext(r.Context(), "reading the record failed", "err", err)
			// The header is out: breaking the connection is how the client learns that this is not all.
			panic(http.ErrAbortHandler)
		}
	}
}

func matches(want, got string) bool { return want == "" || want == got }

func lineOf(env event.Envelope) (Line, error) {
	line := Line{
		Seq:      env.Seq,
		ID:       string(env.ID),
		Type:     env.Fact.EventName(),
		Subject:  env.Stream,
		Version:  env.Version,
		Time:     env.At,
		Actor:    env.Actor.Role,
		Cause:    string(env.Cause.Fact),
		Request:  string(env.Cause.Request),
		Decision: env.Decision,
	}
	if unknown, ok := env.Fact.(event.Unknown); ok {
		line.Data = unknown.Body
		return line, nil
	}
	data, err := json.Marshal(env.Fact) // personal fields print as what they are: sealed
	line.Data = data
	return line, err
}
