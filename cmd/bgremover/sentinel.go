package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/abuse"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/custody"
	"github.com/bgremover/bgremover/projections/images"
)

const (
	auditEvery = 10 * time.Minute
	auditAfter = time.Minute // the start is over by then
)

// openSentinel opens the sentinel's own way to the database, by a role that can only look.
func (s *service) openSentinel(ctx context.Context) error {
	look, err := postgres.OpenSentinel(ctx, s.ground.db)
	switch {
	case errors.Is(err, postgres.ErrNoSentinelRole):
		s.log.WarnContext(ctx, "the sentinel looks by the service's own role", "err", err)
		look = postgres.SentinelWithoutRole(s.ground.db, s.vault)
	case err != nil:
		return fmt.Errorf("open the sentinel: %w", err)
	default:
		s.onClose(func() error { look.Pool.Close(); return nil })
	}
	s.lookout = look
	s.sentinel = &usecase.Sentinel{
		Record: s.ledger, Custody: inCustody{s}, Keys: look, Blobs: s.blobs, Retention: s.policy,
		Tables: agedTables{look, s.retention.holdsKind}, Limits: s.policy, Files: dataFiles{s.cfg.Data, s.cfg.BlobDir()}, Checks: s.liveChecks(),
		Signer: auditSigner{s.logKeys}, Now: s.milliseconds, Wall: time.Now,
	}
	return nil
}

// auditing is the chore: one process of the service audits, the others need not.
func (s *service) auditing() chore {
	first := true
	return chore{"compare what is kept with the record", auditEvery, func(ctx context.Context) error {
		if first {
			if !sleepFor(ctx, auditAfter) {
				return nil
			}
			s.custodyMade(ctx)
			first = false
		}
		_, err := s.audit(ctx, nil)
		if errors.Is(err, operator.ErrAuditing) {
			return nil
		}
		return err
	}}
}

// custodyMade waits, for as long as audits are apart, until the view has caught up: a release that
// is the first with it makes it from the whole record.
func (s *service) custodyMade(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, auditEvery)
	defer cancel()
	for s.caughtUp(custody.Name)(ctx) != nil && sleepFor(ctx, time.Second) {
	}
}

// audit compares once, unless somebody does at the moment.
func (s *service) audit(ctx context.Context, progress func(usecase.AuditProgress)) (done usecase.Audit, err error) {
	if err := s.vaultCompared(); err != nil {
		return done, err
	}
	ok, err := postgres.Exclusive(ctx, s.ground.pool, "sentinel", func(ctx context.Context) error {
		// A view that was made anew has lost what it granted.
		if err := s.lookout.Grant(ctx, custody.Name, analytics.Name, images.Name, abuse.Name, "ledger", "work"); err != nil {
			return err
		}
		done, err = s.sentinel.Do(ctx, progress)
		if done.Seq > 0 {
			s.tellAudit(ctx, done)
		}
		return err
	})
	if err == nil && !ok {
		err = operator.ErrAuditing
	}
	return done, err
}

// tellAudit raises the alarm if a promise is broken, or if that cannot be known.
func (s *service) tellAudit(ctx context.Context, a usecase.Audit) {
	s.metrics.Audited(a.Fact.Objects, a.Broken())
	about := []any{slog.Int64("audit", a.Seq), slog.Int64("objects", a.Fact.Objects), slog.Int64("keys", a.Fact.Keys), slog.Int64("removed", a.Fact.Removed)}
	for _, f := range a.Fact.Findings {
		about = append(about, slog.Int64(f.Code, f.Count))
	}
	for _, c := range a.Checks {
		if !c.Passed() {
			about = append(about, slog.String(c.Check, c.Code))
		}
		if c.Err != nil {
			s.log.WarnContext(ctx, "a check of the live service could not run", "check", c.Check, "err", c.Err)
		}
	}
	if a.Trouble != nil {
		about = append(about, "err", a.Trouble)
	}
	switch {
	case len(a.Suspected) > 0 || !a.Fact.Whole:
		s.log.ErrorContext(ctx, "ALARM: an audit found what breaks a promise, or could not see everything; look at bgremover audit and the officers' page of audits", about...)
	case a.Broken():
		s.log.WarnContext(ctx, "what an earlier audit found still breaks a promise", about...)
	case len(a.Fact.Findings) > 0:
		s.log.WarnContext(ctx, "an audit found what should not be there", about...)
	default:
		s.log.InfoContext(ctx, "what is kept is what the record says", about...)
	}
}

// inCustody asks the sentinel's view.
type inCustody struct{ s *service }

// Through implements usecase.Custody.
func (c inCustody) Through(ctx context.Context) (seq int64, behind time.Duration, err error) {
	published, err := c.s.ledger.Published(ctx)
	if err != nil {
		return 0, 0, err
	}
	_ = c.s.views.WaitFor(ctx, custody.Name, published) // how far it came is asked now
	if seq, err = custody.Through(ctx, c.s.lookout.Pool); err != nil || seq >= published {
		return seq, 0, err
	}
	body, err := c.s.tree.Fact(ctx, seq+1)
	if err != nil {
		return seq, 0, err
	}
	env, err := sealedCodec().Decode(ctx, seq+1, body)
	if err != nil {
		return seq, 0, err
	}
	return seq, max(0, c.s.clock.Now().Sub(env.At)), nil
}

// Pictures implements usecase.Custody.
func (c inCustody) Pictures(ctx context.Context, pictures []id.Image) ([]usecase.InCustody, error) {
	return asCustody(custody.Pictures(ctx, c.s.lookout.Pool, pictures))
}

// Kept implements usecase.Custody.
func (c inCustody) Kept(ctx context.Context, after id.Image, limit int) ([]usecase.InCustody, error) {
	return asCustody(custody.Kept(ctx, c.s.lookout.Pool, after, limit))
}

// Ended implements usecase.Custody.
func (c inCustody) Ended(ctx context.Context, keys []personal.KeyID) ([]personal.KeyID, error) {
	return custody.Ended(ctx, c.s.lookout.Pool, keys)
}

func asCustody(found []custody.Picture, err error) ([]usecase.InCustody, error) {
	all := make([]usecase.InCustody, len(found))
	for i, p := range found {
		all[i] = usecase.InCustody{Image: p.Image, UploadedSeq: p.UploadedSeq, Due: p.Due, Deleted: !p.DeletedAt.IsZero()}
	}
	return all, err
}

// agedTables knows the tables whose rows have a period, and how old their oldest row is.
type agedTables struct {
	look *postgres.Sentinel
	held func(ctx context.Context, kind string) (bool, error)
}

// aged are the tables by name, each with a query for when its oldest row began. Wall marks those that
// the database's clock stamps.
var aged = []struct {
	usecase.AgedTable
	oldest string
}{
	{usecase.AgedTable{Name: "analytics.tally", Kind: "analytics", Promise: "usage.keep-12m"}, `select min(hour) from analytics.tally`},
	{usecase.AgedTable{Name: "images.picture", Kind: "capability", Promise: "right.anonymous"}, `select min(deleted_at) from images.picture where capability is not null`},
	{usecase.AgedTable{Name: "ledger.requests", Kind: "idempotency_answer", Promise: "image.no-permanent-store"}, `select min(at) from ledger.requests`},
	{usecase.AgedTable{Name: "custody.visitor_day", Kind: "technical", Promise: "tech.keep-90d"}, `select min(began_at) from custody.visitor_day`},
	{usecase.AgedTable{Name: "work.api_log", Kind: "api_log", Promise: "apilog.keep-90d"}, `select min(at) from work.api_log`},
	{usecase.AgedTable{Name: "abuse.refused", Kind: "api_log", Promise: "apilog.keep-90d"}, `select min(hour) from abuse.refused`},
	{usecase.AgedTable{Name: "abuse.visits", Kind: "api_log", Promise: "apilog.keep-90d"}, `select min(day::timestamp at time zone 'UTC') from abuse.visits`},
	{usecase.AgedTable{Name: "work.sessions", Kind: "session", Promise: "staff.least"}, `select min(until) - interval '12 hours' from work.sessions`},
	{usecase.AgedTable{Name: "work.requests", Kind: "idempotency_answer", Promise: "image.no-permanent-store", Wall: true}, `select min(begun_at) from work.requests`},
}

// Tables implements usecase.Tables.
func (t agedTables) Tables(ctx context.Context) ([]usecase.AgedTable, error) {
	var all []usecase.AgedTable
	for _, one := range aged {
		var err error
		if one.Oldest, err = t.look.Oldest(ctx, one.oldest); err != nil {
			return nil, fmt.Errorf("%s: %w", one.Name, err)
		}
		all = append(all, one.AgedTable)
	}
	visits := usecase.AgedTable{Name: "vault.keys of visits", Kind: "technical", Promise: "tech.keep-90d", Wall: true}
	var err error
	if visits.Oldest, err = t.look.OldestKey(ctx, "visit"); err != nil {
		return nil, err
	}
	all = append(all, visits)
	for i := range all {
		if all[i].Held, err = t.held(ctx, all[i].Kind); err != nil {
			return nil, fmt.Errorf("ask what is held: %w", err)
		}
	}
	return all, nil
}

// dataFiles looks for pictures in clear among the files of the service, wherever they may lie but
// in the database and the log, whose files are not written one a picture, and in the store, which is listed.
type dataFiles struct{ data, blobs string }

// Look implements usecase.Files.
func (d dataFiles) Look(ctx context.Context) ([]system.Finding, error) {
	var found int64
	for _, folder := range []string{d.data, filepath.Join(d.blobs, "unfinished")} {
		// With a separator at its end, a folder that is reached by a link is looked into, too.
		err := filepath.WalkDir(folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // gone meanwhile
				return nil
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case entry.IsDir() && (path == d.blobs || path == filepath.Join(d.data, "postgres") || path == filepath.Join(d.data, "kafka")):
				return fs.SkipDir
			case !entry.Type().IsRegular():
				return nil
			}
			is, err := isPicture(path)
			if is {
				found++
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for pictures among our files: %w", err)
		}
	}
	if found == 0 {
		return nil, nil
	}
	return []system.Finding{{Code: "file.unsealed", Promise: "image.no-permanent-store", Count: found}}, nil
}

func isPicture(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	head := make([]byte, 12)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return usecase.IsPicture(head[:n]), errors.Join(err, file.Close())
}

// auditSigner signs with the key that signs the record's heads.
type auditSigner struct{ keys *ledger.LogKeys }

// SignAudit implements usecase.AuditSigner: the signature's line of a signed note (C2SP).
func (a auditSigner) SignAudit(ctx context.Context, statement []byte) (string, error) {
	key, _, _, err := a.keys.Signer(ctx)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: string(statement)}, key)
	if err != nil {
		return "", err
	}
	_, line, _ := strings.Cut(string(signed), "\n\n")
	return strings.TrimSuffix(line, "\n"), nil
}
