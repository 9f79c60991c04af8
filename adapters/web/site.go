package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/intake"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/adapters/web/verify"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Config is what the site needs of the rest. Everything without "may" must be set.
type Config struct {
	Upload       api.Uploader
	Watch        api.Watcher
	Preview      api.Previewer
	Download     api.Downloader
	Delete       api.Deleter
	Receipt      api.Receipter
	Transform    api.Transform
	View         capability.View       // of images
	Hours        public.Hours          // of analytics
	Tree         public.Log            // over the record; may be nil: then it is not served
	Verifier     *verify.Verifier      // the check of receipts for browsers; may be nil: then the page says so
	Policy       *public.Policy        // what is promised; may be nil: then it is not published
	Models       public.Models         // and their passports; may be nil: then none is shown
	Compare      public.Contradictions // of what is said and done; may be nil: then it is not shown
	Transparency *public.Transparency  // who asked for data; may be nil: then it is not shown
	Processing   *public.Processing    // the register of processing; may be nil: then it is not shown
	Officer      *officer.Config       // may be nil: then there are no pages for officers

	Now     func() time.Time // the service's time, for countdowns and periods
	Log     *slog.Logger
	Metrics Metrics // may be nil
	Calls   Calls   // may be nil
	// Own says that a request comes from this service, which looks at itself: figures about requests and
	// the log leave it out. May be nil.
	Own   func(*http.Request) bool
	Ready []Check // may be empty; what has to work before requests are sent here

	// HTTPS says that visitors come by https only, here or at the proxy in front.
	HTTPS bool
	// BehindProxy says that every request comes by a proxy that appends to X-Forwarded-For.
	BehindProxy bool
	// Gate refuses who has sent too much already, before a photo is taken in; may be nil.
	Gate intake.Gate

	Limits Limits // the zero value stands for the defaults
}

// Metrics counts requests. Route is a pattern of the list of routes, never an address.
type Metrics interface {
	Request(route string, status int, took time.Duration)
}

// Calls keeps what the log of requests holds. It neither fails nor waits.
type Calls interface {
	Note(c usecase.Call)
}

// Check is one condition of being ready. Its name is shown, its error only logged.
type Check struct {
	Name string
	OK   func(ctx context.Context) error
}

// Limits bound what all requests together may take.
type Limits struct {
	BodyMemory int64         // bytes of request bodies held at once; default 512 MiB
	BodyWait   time.Duration // how long an upload waits for that memory; default 10 s
	BodyTotal  time.Duration // how long a body may take to arrive; default 2 min
	BodyStall  time.Duration // and to go on arriving; default 20 s
	Streams    int           // event streams open at once; default 1024
}

func (l Limits) withDefaults() Limits {
	defaults := Limits{
		BodyMemory: 512 << 20,
		BodyWait:   10 * time.Second,
		BodyTotal:  2 * time.Minute,
		BodyStall:  20 * time.Second,
		Streams:    1024,
	}
	if l.BodyMemory > 0 {
		defaults.BodyMemory = l.BodyMemory
	}
	if l.BodyWait > 0 {
		defaults.BodyWait = l.BodyWait
	}
	if l.BodyTotal > 0 {
		defaults.BodyTotal = l.BodyTotal
	}
	if l.BodyStall > 0 {
		defaults.BodyStall = l.BodyStall
	}
	if l.Streams > 0 {
		defaults.Streams = l.Streams
	}
	return defaults
}

// Site is the site and the API as one handler.
type Site struct {
	Config
	intake  *intake.Intake
	streams *api.Streams
	mux     *http.ServeMux
}

// New makes the site.
func New(c Config) *Site {
	limits := c.Limits.withDefaults()
	if c.Verifier == nil {
		c.Verifier = &verify.Verifier{}
	}
	s := &Site{
		Config: c,
		intake: &intake.Intake{
			Budget: intake.NewBudget(limits.BodyMemory, limits.BodyWait),
			Total:  limits.BodyTotal,
			Stall:  limits.BodyStall,

			Clients: intake.Clients{BehindProxy: c.BehindProxy},
			Gate:    c.Gate,
		},
		streams: api.NewStreams(limits.Streams),
		mux:     http.NewServeMux(),
	}
	for _, r := range s.routes() {
		s.mux.Handle(r.pattern, s.inside(r))
	}
	return s
}

// Stop ends the event streams, which would otherwise keep the server from stopping.
func (s *Site) Stop() { s.streams.Stop() }
