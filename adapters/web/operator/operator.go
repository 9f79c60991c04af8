// Package operator serves whoever may open the unix socket in the data folder: the
// operator of this machine. The other subcommands of the program are its clients. It needs no
// password, because the socket's mode (0600) is the permission, and it is never on a network.
//
// What the record holds sealed is shown as sealed here too.
//
// operator.go shows the record, stream.go one stream of it and the state that follows,
// heads.go is about the key that signs, officer.go lets officers in, ground.go tells commands where everything is.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
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
	Place  Place
	Stream Story
	Ground func() Ground // where commands find what the service stands on
	Staff  Staff
	Vault  Vault
	Views  Projections
	Heads  Heads
	Policy Policy

	Retention Retention
	Audit     Audit
	Simulate  Simulate     // tries rules on the record
	To        *slog.Logger // our own log

	Attestations Attestations
	Now          func() time.Time
}

// Place returns the number of the last fact that was known at a moment, or a refusal.
type Place func(ctx context.Context, m moment.Moment) (seq int64, err error)

// Routes lists what the socket answers.
func Routes(c Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /log", show(c.Log, c.Place, c.To))
	mux.HandleFunc("GET /log/keys", logKeys(c.Heads, c.To))
	mux.HandleFunc("POST /log/rotate-key", rotateLogKey(c.Heads, c.To))
	mux.HandleFunc("GET /stream", stream(c.Stream, c.Place, c.To))
	mux.HandleFunc("POST /officer/link", linkOfficer(c.Staff, c.To))
	mux.HandleFunc("POST /officer/end", endOfficer(c.Staff, c.To))
	mux.HandleFunc("GET /projections", listProjections(c.Views, c.To))
	mux.HandleFunc("POST /projections/skip", skipFact(c.Views, c.To))
	mux.HandleFunc("POST /projections/certified", certify(c.Views, c.To))
	mux.HandleFunc("GET /vault", vaultStatus(c.Vault, c.To))
	mux.HandleFunc("POST /vault/rotate", rotateVault(c.Vault, c.To))
	mux.HandleFunc("POST /audit", runAudit(c.Audit, c.To))
	mux.HandleFunc("GET /retention", retentionStatus(c.Retention, c.To))
	mux.HandleFunc("POST /retention/confirm-clock", confirmClock(c.Retention, c.To))
	mux.HandleFunc("POST /policy/simulate", simulate(c.Simulate, c.To))
	mux.HandleFunc("GET /policy/decisions", decisions(c.Log, c.To))
	mux.HandleFunc("GET /attestations", listAttestations(c.Attestations, c.Now, c.To))
	mux.HandleFunc("GET /policy", listRules(c.Policy, c.To))
	mux.HandleFunc("POST /policy/store", storeRules(c.Policy, c.To))
	mux.HandleFunc("POST /policy/propose", proposeRules(c.Policy, c.To))
	mux.HandleFunc("GET /ground", ground(c.Ground))
	return mux
}

// show streams the record as JSON, one object a line:
// ?from=SEQ&follow=true&type=T&subject=S&as_of=MOMENT.
func show(log Log, place Place, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := readQuestion(r, place)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		flush := http.NewResponseController(w)
		err = log(r.Context(), asked.from, asked.follow, func(env event.Envelope) error {
			if env.Seq > asked.through {
				return errLater
			}
			if !matches(asked.kind, string(env.Fact.EventName())) || !matches(asked.subject, string(env.Stream)) {
				return nil
			}
			line, err := lineOf(env)
			if err != nil {
				return err
			}
			if err := out.Encode(line); err != nil || !asked.follow {
				return err
			}
			return flush.Flush()
		})
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errLater) {
			to.ErrorContext(r.Context(), "reading the record failed", "err", err)
			// The header is out: breaking the connection is how the client learns that this is not all.
			panic(http.ErrAbortHandler)
		}
	}
}

// errLater ends the reading of a record at what was known then.
var errLater = errors.New("the rest was not known then")

// question is which facts are asked for.
type question struct {
	from, through int64
	follow        bool
	kind, subject string
}

func readQuestion(r *http.Request, place Place) (question, error) {
	q := r.URL.Query()
	asked := question{from: 1, through: math.MaxInt64, follow: q.Get("follow") == "true", kind: q.Get("type"), subject: q.Get("subject")}
	if s := q.Get("from"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return question{}, errFrom
		}
		asked.from = n
	}
	m, err := moment.Parse(q.Get("as_of"))
	if err != nil || m.IsZero() {
		return asked, err
	}
	if asked.follow {
		return question{}, errFollowPast
	}
	asked.through, err = place(r.Context(), m)
	return asked, err
}

var (
	errFrom = refusal.New(refusal.Invalid, "operator.from",
		"A place in the record is a number from 1 on.", "Give --from such a number.")
	errFollowPast = refusal.New(refusal.Invalid, "operator.follow_past",
		"What was known then does not go on.", "Use either --as-of or --follow.")
)

var errRequest = refusal.New(refusal.Invalid, "operator.request",
	"The request is not what it should be.", "Use the same release of bgremover as the service.")

// readRequest reads the body of a request as JSON.
func readRequest(w http.ResponseWriter, r *http.Request, into any) error {
	const longest = 16 << 10
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, longest))
	body.DisallowUnknownFields()
	if err := body.Decode(into); err != nil {
		return errRequest
	}
	return nil
}

// refuse answers with what is wrong and what to do, as plain text: a command prints it as it is.
// Of an error of ours, only the service's log says more.
func refuse(w http.ResponseWriter, r *http.Request, err error, to *slog.Logger) {
	refused, ok := refusal.As(err)
	if !ok {
		to.ErrorContext(r.Context(), "a request by the socket failed", "route", r.Pattern, "err", err)
		http.Error(w, "something went wrong in the service; its log says what", http.StatusInternalServerError)
		return
	}
	status, ok := statusOfKind[refused.Kind]
	if !ok {
		status = http.StatusConflict // whoever asks reads the text
	}
	http.Error(w, refused.Text+" "+refused.Help, status)
}

var statusOfKind = map[refusal.Kind]int{
	refusal.Invalid:     http.StatusBadRequest,
	refusal.Missing:     http.StatusNotFound,
	refusal.Unavailable: http.StatusServiceUnavailable,
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
