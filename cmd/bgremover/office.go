package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/trail"
)

// office is what officers and the operator look at: the record by way of the view "trail",
// and its tree. It opens nothing that is sealed.
type office struct {
	s    *service
	tree *ledger.Tree
}

var _ officer.Record = office{}

func (s *service) office() office { return office{s, ledger.NewTree(s.ground.pool)} }

// officerPages wires the pages for officers.
func (s *service) officerPages() *officer.Config {
	return &officer.Config{
		Sessions: usecase.OfficerSessions{
			Record: s.ledger, Links: postgres.NewLinks(s.ground.pool), Sessions: postgres.NewSessions(s.ground.pool),
			Secrets: s.vault, Now: s.milliseconds,
		},
		Record:          s.office(),
		Rules:           &officer.Rules{List: s.listRules(), Propose: s.proposeActivation(), Approve: s.approveActivation()},
		Types:           ledger.Facts().Names(),
		CheckpointEvery: s.cfg.Heads.Every + signingTakes,
		Trials:          s.trialPages(),
		Signatures:      s.uses.attest,
		Now:             s.clock.Now,
		Security:        s.securityFigures(),
		Retention:       s.retention.status,
		Holds:           s.retention.holds(),
		Desk:            s.disclosureDesk(),
	}
}

// signingTakes is what passes between the time for a checkpoint and its being public, and more.
const signingTakes = 2 * time.Second

// staffDesk wires what the operator can do about officers.
func (s *service) staffDesk() operator.Staff {
	members, sessions := s.office(), postgres.NewSessions(s.ground.pool)
	return operator.Staff{
		Link: usecase.LinkOfficer{
			Record: s.ledger, Vault: s.vault, Staff: members, Links: postgres.NewLinks(s.ground.pool),
			Leases: postgres.NewLeases(s.ground.pool), Secrets: s.vault, Now: s.milliseconds,
			NewMember: func() id.Member { return id.Member(newID()) },
		},
		End:     usecase.EndOfficer{Record: s.ledger, Staff: members, Sessions: sessions},
		Address: s.publicAddress,
		Path:    officer.LinkPath,
	}
}

// publicAddress is where people reach the pages; "" when that cannot be known from here: behind a
// proxy, or when listening on every address.
func (s *service) publicAddress() string {
	host, _, err := net.SplitHostPort(s.cfg.Listen.Addr)
	if err != nil || s.cfg.Listen.BehindTLSProxy || host == "" || net.ParseIP(host).IsUnspecified() {
		return ""
	}
	return s.address
}

// CaughtUp implements officer.Record.
func (o office) CaughtUp(ctx context.Context) error { return o.s.caughtUp(trail.Name)(ctx) }

// List implements officer.Record.
func (o office) List(ctx context.Context, f trail.Filter) ([]trail.Fact, error) {
	return trail.List(ctx, o.s.ground.pool, f)
}

// Causes implements officer.Record.
func (o office) Causes(ctx context.Context, fact id.Fact) ([]trail.Fact, error) {
	return trail.Causes(ctx, o.s.ground.pool, fact)
}

// Effects implements officer.Record.
func (o office) Effects(ctx context.Context, fact id.Fact) ([]trail.Fact, error) {
	return trail.Effects(ctx, o.s.ground.pool, fact)
}

// Place implements officer.Record.
func (o office) Place(ctx context.Context, m moment.Moment) (int64, error) {
	return moment.Record{Published: o.s.ledger.Published, LastBy: o.lastBy, Now: o.s.clock.Now}.Place(ctx, m)
}

func (o office) lastBy(ctx context.Context, t time.Time) (int64, error) {
	if err := o.CaughtUp(ctx); err != nil {
		return 0, err
	}
	// The record's times are whole milliseconds, and To is exclusive.
	last, err := o.List(ctx, trail.Filter{To: t.Truncate(time.Millisecond).Add(time.Millisecond), Limit: 1})
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return last[0].Seq, nil
}

// Facts implements officer.Record.
func (o office) Facts(ctx context.Context, seqs ...int64) (map[int64]event.Envelope, error) {
	bodies, err := o.tree.Facts(ctx, seqs...)
	if err != nil {
		return nil, err
	}
	found, codec := make(map[int64]event.Envelope, len(bodies)), sealedCodec()
	for seq, body := range bodies {
		if found[seq], err = codec.Decode(ctx, seq, body); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Fact implements officer.Record.
func (o office) Fact(ctx context.Context, seq int64) (f officer.Fact, err error) {
	if f.Body, err = o.tree.Fact(ctx, seq); err != nil {
		return f, err
	}
	if f.Envelope, err = sealedCodec().Decode(ctx, seq, f.Body); err != nil {
		return f, err
	}
	end, err := o.ending(ctx, f.Stream)
	if err != nil || end == nil {
		return f, err
	}
	f.Erased = end.Seq
	f.Envelope, err = erasedCodec().Decode(ctx, seq, f.Body)
	return f, err
}

// ending returns the published fact that says that a stream's key was destroyed; nil if there is none.
func (o office) ending(ctx context.Context, stream event.Stream) (*event.Envelope, error) {
	found, err := o.s.ledger.Destroyed(ctx, []personal.KeyID{personal.KeyID(stream)})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if err := o.CaughtUp(ctx); err != nil {
		return nil, err
	}
	place, err := trail.ByID(ctx, o.s.ground.pool, found[0].ID)
	if errors.Is(err, trail.ErrUnknown) { // it waits for its number
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the fact that ends a key: %w", err)
	}
	found[0].Seq = place.Seq
	return &found[0], nil
}

// erasedCodec decodes facts whose key is destroyed, without asking the vault.
func erasedCodec() *ledger.Codec { return ledger.NewCodec("", ledger.Facts(), destroyedKeys{}) }

type destroyedKeys struct{}

// Key implements ledger.Keys.
func (destroyedKeys) Key(context.Context, personal.KeyID) (personal.Key, error) {
	return nil, personal.ErrDestroyed
}

// Prove implements officer.Record.
func (o office) Prove(ctx context.Context, seq int64) (officer.Proof, error) {
	p, err := o.tree.Prove(ctx, seq)
	switch {
	case errors.Is(err, ledger.ErrNoCheckpoint), errors.Is(err, ledger.ErrNotCovered):
		return officer.Proof{Leaf: p.Leaf}, nil // the next checkpoint will do
	case err != nil:
		return officer.Proof{}, err
	}
	return officer.Proof{Leaf: p.Leaf, Path: p.Path, Checkpoint: p.Checkpoint, Note: p.Note, Verifier: p.Verifier}, nil
}

// Story implements operator.Story.
func (o office) Story(ctx context.Context, stream event.Stream) (h operator.History, err error) {
	if err := o.CaughtUp(ctx); err != nil {
		return h, err
	}
	if h.Erased, err = o.ending(ctx, stream); err != nil {
		return h, err
	}
	codec := sealedCodec()
	if h.Erased != nil {
		codec = erasedCodec()
	}
	for next := (trail.Filter{Subject: stream, Oldest: true}); ; {
		page, err := o.List(ctx, next)
		if err != nil {
			return h, err
		}
		for _, f := range page {
			body, err := o.tree.Fact(ctx, f.Seq)
			if err != nil {
				return h, err
			}
			env, err := codec.Decode(ctx, f.Seq, body)
			if err != nil {
				return h, err
			}
			h.Facts = append(h.Facts, env)
		}
		if len(page) < trail.Most {
			return h, nil
		}
		next.After = page[len(page)-1].Seq
	}
}

// Members implements usecase.Staff.
func (o office) Members(ctx context.Context) (all []id.Member, err error) {
	if err := o.CaughtUp(ctx); err != nil {
		return nil, err
	}
	known := map[id.Member]bool{}
	for next := (trail.Filter{Type: staff.InvitedName, Oldest: true}); ; {
		page, err := o.List(ctx, next)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			if m, ok := staff.OfStream(f.Stream); ok && !known[m] {
				known[m] = true
				all = append(all, m)
			}
		}
		if len(page) < trail.Most {
			return all, nil
		}
		next.After = page[len(page)-1].Seq
	}
}
