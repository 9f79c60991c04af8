package usecase

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/incident"
	"github.com/bgremover/bgremover/domain/system"
)

// AuditSigner signs what an audit found, with the key that signs the record's heads.
type AuditSigner interface {
	// SignAudit returns the signature of a statement of [AuditStatement].
	SignAudit(ctx context.Context, statement []byte) (signature string, err error)
}

// auditHeading begins every statement: nothing else that the same key signs begins so.
const auditHeading = "bgremover audit v1\n"

// AuditStatement is what is signed of an audit: a heading, and a line with the canonical JSON (RFC 8785:
// members by name, no space) of the fact without its signature.
func AuditStatement(fact system.AuditCompleted) ([]byte, error) {
	fact.Signature = ""
	body, err := json.Marshal(fact)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	delete(members, "signature")
	var findings []map[string]any // a map is written by name
	if err := json.Unmarshal(members["findings"], &findings); err != nil {
		return nil, err
	}
	if members["findings"], err = json.Marshal(findings); err != nil {
		return nil, err
	}
	exact, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(auditHeading), exact, []byte("\n")), nil
}

// fact is what an audit says, not signed yet.
func (r *auditRun) fact() system.AuditCompleted {
	fact := system.AuditCompleted{
		Through: r.through, Whole: r.whole(), Objects: r.objects, Keys: r.keys, Tables: r.tables,
		Findings: []system.Finding{}, Removed: r.removed,
	}
	for of, n := range r.found {
		fact.Findings = append(fact.Findings, system.Finding{Code: of.code, Promise: of.promise, Count: n})
	}
	slices.SortFunc(fact.Findings, func(a, b system.Finding) int {
		return cmp.Or(strings.Compare(a.Code, b.Code), strings.Compare(a.Promise, b.Promise))
	})
	return fact
}

// record puts an audit into the record, and what it makes suspect.
func (s *Sentinel) record(ctx context.Context, fact system.AuditCompleted) (Audit, error) {
	statement, err := AuditStatement(fact)
	if err != nil {
		return Audit{}, err
	}
	if fact.Signature, err = s.Signer.SignAudit(ctx, statement); err != nil {
		return Audit{}, fmt.Errorf("sign: %w", err)
	}
	env, err := s.appendTo(ctx, system.AuditStream, fact)
	if err != nil {
		return Audit{}, err
	}
	done := Audit{Seq: env.Seq, At: env.At, Fact: fact, Checks: []CheckResult{}, Suspected: []string{}}
	history, first, err := s.twoDays(ctx, system.AuditStream, env.At)
	if err != nil {
		return done, err
	}
	for _, f := range fact.Findings {
		if !BreaksPromise(f.Code) {
			continue
		}
		begin, ok := beginning(history, first, func(env event.Envelope) (found, counts bool) {
			a, ok := env.Fact.(system.AuditCompleted)
			found = slices.ContainsFunc(a.Findings, func(g system.Finding) bool { return g.Code == f.Code && g.Promise == f.Promise })
			return found, ok && (found || a.Whole) // what was not whole does not say that it is over
		})
		if !ok {
			continue
		}
		fresh, err := s.suspectIncident(ctx, begin, f.Code, f.Promise)
		if err != nil {
			return done, err
		}
		if fresh {
			done.Suspected = append(done.Suspected, f.Code)
		}
	}
	return done, nil
}

// appendTo appends a fact to a day's stream.
func (s *Sentinel) appendTo(ctx context.Context, streamOf func(day time.Time) event.Stream, fact event.Fact) (event.Envelope, error) {
	for range conflictRetries {
		at := s.Now()
		stream := streamOf(at)
		before, err := s.Record.Load(ctx, stream)
		if err != nil {
			return event.Envelope{}, err
		}
		done, err := s.Record.Append(ctx, event.Append{
			At:    at,
			Actor: event.Actor{Role: event.Clock},
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		if err != nil {
			return event.Envelope{}, err
		}
		return done.Facts[0], nil
	}
	return event.Envelope{}, event.ErrConflict
}

// twoDays returns what a stream by day holds of yesterday and today, the oldest first; first says that there is
// nothing of yesterday, so that the first of it is the first in a while.
func (s *Sentinel) twoDays(ctx context.Context, streamOf func(day time.Time) event.Stream, now time.Time) (history []event.Envelope, first bool, err error) {
	yesterday, err := s.Record.Load(ctx, streamOf(now.AddDate(0, 0, -1)))
	if err != nil {
		return nil, false, err
	}
	today, err := s.Record.Load(ctx, streamOf(now))
	if err != nil {
		return nil, false, err
	}
	return slices.Concat(yesterday, today), len(yesterday) == 0, nil
}

// beginning returns the fact with which something began that the last fact still says. ok is false when it goes
// back further than the history: then it was suspected long ago. says tells whether a fact says it, and
// whether it says anything about it at all.
func beginning(history []event.Envelope, first bool, says func(event.Envelope) (found, counts bool)) (begin event.Envelope, ok bool) {
	for _, env := range slices.Backward(history) {
		found, counts := says(env)
		switch {
		case found:
			begin = env
		case counts:
			return begin, begin.ID != ""
		}
	}
	return begin, first && begin.ID != ""
}

// suspectIncident records a suspicion, unless it is recorded. That makes up for one that was cut off, too.
func (s *Sentinel) suspectIncident(ctx context.Context, cause event.Envelope, code, promise string) (fresh bool, err error) {
	stream := incident.SuspicionStream(cause.ID)
	for range conflictRetries {
		before, err := s.Record.Load(ctx, stream)
		if err != nil {
			return false, err
		}
		for _, env := range before {
			if f, ok := env.Fact.(incident.Suspected); ok && f.Code == code && f.Promise == promise {
				return false, nil
			}
		}
		_, err = s.Record.Append(ctx, event.Append{
			At:    s.Now(),
			Actor: event.Actor{Role: event.Clock},
			Cause: cause.ID,
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{
				Fact: incident.Suspected{Source: sentinelSource, Code: code, Promise: promise, Cause: cause.ID},
			}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		return err == nil, err
	}
	return false, event.ErrConflict
}

const sentinelSource = "sentinel"
