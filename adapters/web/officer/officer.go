// Package officer serves the pages of those who look after compliance: the record, each fact of
// it whole, and the proof that it is in there.
//
// Read it in this order: officer.go (what the pages need), session.go (who is in), enter.go (in
// by a link, and out), log.go with query.go (the list), fact.go, chain.go and proof.go (one
// fact), disclosures.go (requests for data from outside), attestations.go (what people sign for), audits.go (what the sentinel found), retention.go (what ends when); each page's template stands beside it, base.html holds what they share.
//
// What is sealed is shown as sealed, on every page but one: a request for data is opened for a reason,
// which is in the record before anything is shown. The pages set the site's only cookie, which browsers send to no other page. All of it
// works without JavaScript, except for checking a proof a second time in the browser.
package officer

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/merkle"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/trail"
)

//go:embed *.html
var templates embed.FS

// Config is what the pages need of the rest.
type Config struct {
	Sessions Sessions
	Rules    *Rules // may be nil: then there are no pages about the rules
	Record   Record
	Types    []event.Name // every kind of fact that there can be
	// CheckpointEvery is how long a fact waits for the next public checkpoint at most.
	CheckpointEvery time.Duration
	Signatures      Signatures // for what people sign; may be nil: then there is no page about it
	Now             func() time.Time
	Trials          *Trials   // of other rules; may be nil: then there is no page about it
	Security        *Security // may be nil: then there is no page about it
	Retention       Retention // of what ends by its time; may be nil: then there is no page about it
	Holds           *Holds    // legal ones; may be nil: then nothing is decided about them here
	Desk            *Desk     // for requests from outside; may be nil: then there are no pages about them
}

// Sessions lets officers in: usecase.OfficerSessions.
type Sessions interface {
	Opens(ctx context.Context, link string) error
	Begin(ctx context.Context, link string) (usecase.Session, error)
	Open(ctx context.Context, session string) (usecase.Officer, error)
	End(ctx context.Context, session string) error
}

// Record is the record as it is shown: the view "trail" for lists and chains, the ledger for
// whole facts, the tree for proofs.
type Record interface {
	// CaughtUp returns once the view holds everything that was in the record when it was called.
	CaughtUp(ctx context.Context) error
	List(ctx context.Context, f trail.Filter) ([]trail.Fact, error)
	Causes(ctx context.Context, fact id.Fact) ([]trail.Fact, error)
	Effects(ctx context.Context, fact id.Fact) ([]trail.Fact, error)
	// Place returns the number of the last fact that was known at a moment.
	Place(ctx context.Context, m moment.Moment) (int64, error)
	// Facts reads facts by their numbers, without what is personal. One that is not there is left out.
	Facts(ctx context.Context, seqs ...int64) (map[int64]event.Envelope, error)
	// Fact reads one fact whole, or answers ledger.ErrNoFact.
	Fact(ctx context.Context, seq int64) (Fact, error)
	// Prove proves that a fact is in the tree of the newest public checkpoint.
	Prove(ctx context.Context, seq int64) (Proof, error)
}

// Fact is one fact and the bytes that it is stored as. Its personal fields are sealed, or
// erased if their key is destroyed by now.
type Fact struct {
	event.Envelope
	Body   []byte
	Erased int64 // number of the fact that says that the key was destroyed; 0 if it was not
}

// Proof is what shows that a fact is in the record. Without a checkpoint that covers the fact
// it has no path yet.
type Proof struct {
	Leaf       merkle.Hash
	Path       []merkle.Hash
	Checkpoint merkle.Checkpoint
	Note       []byte // the checkpoint, signed; nil if there is none yet
	Verifier   string // of the key that signed it, as the log publishes it
}

// Pages are the pages for officers.
type Pages struct {
	Config
	https bool
}

// New makes the pages. https says that visitors come by https only.
func New(c Config, https bool) Pages { return Pages{c, https} }

// Where the pages are: routes.go of the site lists them all.
const (
	enterPath = "/officer/enter"
	logPath   = "/officer/log"
)

// Home leads to the record.
func Home(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, logPath, http.StatusSeeOther) }
