package usecase

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// Custody is what the record says must be there: a view that serves the sentinel alone.
type Custody interface {
	// Through returns up to which fact the view rests, and how old the first published fact is
	// that it lacks; 0 when it lacks none.
	Through(ctx context.Context) (seq int64, behind time.Duration, err error)
	// Pictures returns those of the pictures that the record knows, in no particular order.
	Pictures(ctx context.Context, pictures []id.Image) ([]InCustody, error)
	// Kept lists, by id, pictures after one that are not deleted.
	Kept(ctx context.Context, after id.Image, limit int) ([]InCustody, error)
	// Ended returns those of the keys, of anything but pictures, that the record says are destroyed.
	Ended(ctx context.Context, keys []personal.KeyID) ([]personal.KeyID, error)
}

// InCustody is what the record says of one picture.
type InCustody struct {
	Image       id.Image
	UploadedSeq int64     // 0: the record has no upload of it
	Due         time.Time // by when it must be gone
	Deleted     bool
}

// HeldKeys is the vault as the sentinel sees it: which keys are alive, and no key.
type HeldKeys interface {
	// LiveKeys lists live keys after a key, by id.
	LiveKeys(ctx context.Context, after personal.KeyID, limit int) ([]LiveKey, error)
	AliveKeys
}

// Sentinel compares what is kept with the record. It trusts none of what deletes in time: it has a
// view of its own, lists the stores itself, and asks the record about each thing before it calls it
// wrong. It deletes what should not be there, and only when it has seen everything.
//
// Read it in this order: sentinel.go (one audit from start to finish), sentinel_store.go (objects),
// sentinel_keys.go (keys, and pictures whose objects are missing), sentinel_tables.go (tables and
// files), sentinel_settle.go (what is confirmed and removed), sentinel_record.go (the facts),
// sentinel_checks.go; sentinel_codes.go names what can be found.
//
// One audit runs at a time, in whatever process. Its memory does not grow with the number of
// objects.
type Sentinel struct {
	Record    Record
	Custody   Custody
	Keys      HeldKeys
	Blobs     Blobs
	Retention Retention
	Tables    Tables
	Limits    RetentionLimits
	Files     Files
	Checks    []Check
	Signer    AuditSigner
	Now       Now // the service's time, by which things are due
	Wall      Now // the real time, by which the store stamps its objects

	running   sync.Mutex // held by the audit that runs in this process
	headsFrom time.Time  // objects that are older have had their heads read
}

const (
	// auditTime is how long listing and comparing may take. A store that is slower than that was
	// not listed whole.
	auditTime = 8 * time.Minute
	// auditBatch is how many objects, keys or pictures are compared with one question.
	auditBatch = 1000
	// lagAllowed is how old a published fact may be that the view lacks. With an older one, nothing is removed.
	lagAllowed = time.Minute
)

// AuditProgress is how far an audit is.
type AuditProgress struct {
	Objects int64 `json:"objects"`
	Keys    int64 `json:"keys"`
	Suspect int64 `json:"suspect"` // not confirmed yet
}

// Audit is what one audit found.
type Audit struct {
	Seq       int64                 `json:"seq"` // of the fact
	At        time.Time             `json:"at"`
	Fact      system.AuditCompleted `json:"fact"`
	Checks    []CheckResult         `json:"checks"`
	Suspected []string              `json:"suspected"` // codes of which it is the first to suspect an incident
	Trouble   error                 `json:"-"`         // why it is not whole, for our own log
}

// Broken says that a promise is broken, or that this could not be looked at.
func (a Audit) Broken() bool {
	if !a.Fact.Whole {
		return true
	}
	for _, f := range a.Fact.Findings {
		if BreaksPromise(f.Code) {
			return true
		}
	}
	for _, c := range a.Checks {
		if c.Wrong() {
			return true
		}
	}
	return false
}

// Do carries out one audit and records it. progress, which may be nil, is told now and then. It fails
// when the audit could not be recorded; whatever else goes wrong makes an audit that is not whole.
func (s *Sentinel) Do(ctx context.Context, progress func(AuditProgress)) (Audit, error) {
	s.running.Lock()
	defer s.running.Unlock()
	run := &auditRun{Sentinel: s, now: s.Now(), wall: s.Wall(), seen: newSeen(), found: map[finding]int64{}, progress: progress}
	run.compare(ctx)
	run.settle(ctx)
	if ctx.Err() != nil {
		return run.brokenOff(ctx)
	}
	if run.whole() && run.found[finding{codeUnsealed, promiseOf[codeUnsealed]}] == 0 { // or it is looked at again
		s.headsFrom = run.wall.Add(-headsAgain)
	}
	done, err := s.record(ctx, run.fact())
	if err != nil {
		return Audit{}, fmt.Errorf("record the audit: %w", err)
	}
	done.Trouble = errors.Join(append(run.trouble, run.leftover)...)
	if err := s.check(ctx, &done); err != nil {
		return done, fmt.Errorf("record checks: %w", err)
	}
	return done, nil
}

// auditRun is one audit under way.
type auditRun struct {
	*Sentinel
	now, wall time.Time
	progress  func(AuditProgress)

	through  int64 // what the view rested on before anything was listed
	seen     *seen
	objects  int64
	keys     int64
	tables   int64
	removed  int64
	found    map[finding]int64
	suspects []suspect
	trouble  []error // anything here means that not everything was seen
	leftover error   // what could not be removed
}

// brokenOff ends an audit whose process ends, or whose caller is gone. What it removed is gone, and the record has to know.
func (r *auditRun) brokenOff(ctx context.Context) (done Audit, err error) {
	if r.removed > 0 {
		lasts, cancel := lasting(ctx)
		defer cancel()
		done, err = r.record(lasts, r.fact())
	}
	return done, errors.Join(ctx.Err(), err)
}

// finding is what is counted together.
type finding struct{ code, promise string }

func (r *auditRun) note(code string, n int64) { r.noteOf(code, promiseOf[code], n) }

func (r *auditRun) noteOf(code, promise string, n int64) {
	if n > 0 {
		r.found[finding{code, promise}] += n
	}
}

// whole says that everything was seen.
func (r *auditRun) whole() bool { return len(r.trouble) == 0 }

// missed notes why not everything was seen.
func (r *auditRun) missed(code string, err error) {
	r.note(code, 1)
	r.trouble = append(r.trouble, err)
}

// compare looks at everything, and removes nothing.
func (r *auditRun) compare(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	r.look(ctx, codeLagging, "ask how far the view is", r.lag)
	for _, part := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"list the store", r.listStore},
		{"list keys", r.listKeys},
		{"look for missing objects", r.listKept},
		{"look at tables", r.lookAtTables},
		{"look at files", r.lookAtFiles},
	} {
		r.look(ctx, codeIncomplete, part.what, part.do)
	}
	r.look(ctx, codeLagging, "ask how far the view is", r.lag) // it may have stopped meanwhile
}

// look does one part. One that fails, or panics, keeps no other.
func (r *auditRun) look(ctx context.Context, code, what string, do func(context.Context) error) {
	err := func() (err error) {
		defer func() {
			if cause := recover(); cause != nil {
				err = fmt.Errorf("%w: %T", errAuditPanicked, cause)
			}
		}()
		return do(ctx)
	}()
	if err != nil {
		r.missed(code, fmt.Errorf("%s: %w", what, err))
	}
}

var (
	errAuditPanicked = errors.New("usecase: panic while listing")
	errLagging       = errors.New("usecase: the view that audits rest on is behind")
)

// lag asks how far the view is behind the record.
func (r *auditRun) lag(ctx context.Context) error {
	seq, behind, err := r.Custody.Through(ctx)
	if err != nil {
		return err
	}
	if r.through == 0 {
		r.through = seq
	}
	if behind > lagAllowed {
		return fmt.Errorf("%w by %s", errLagging, behind.Truncate(time.Second))
	}
	return nil
}

func (r *auditRun) tell() {
	if r.progress != nil {
		r.progress(AuditProgress{Objects: r.objects, Keys: r.keys, Suspect: int64(len(r.suspects))})
	}
}

// load asks the record itself about a picture. It is never behind, but may be away.
func (r *auditRun) load(ctx context.Context, stream event.Stream) ([]event.Envelope, error) {
	ctx, cancel := context.WithTimeout(ctx, dueEach)
	defer cancel()
	return r.Record.Load(ctx, stream)
}
