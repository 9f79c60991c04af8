package usecase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
)

// Codes of checks that could not tell.
const (
	codeLookedAtNothing = "check.looked_at_nothing"
	codeFailedToRun     = "check.failed_to_run"
)

const (
	// checkTime is how long one check may take.
	checkTime = 30 * time.Second
	// checkAgain is how soon the same outcome is recorded again.
	checkAgain = time.Hour
)

// CheckResult is what one check found.
type CheckResult struct {
	Check    string   `json:"check"`
	Promises []string `json:"promises"`
	Looked   int64    `json:"looked"`
	Found    int64    `json:"found"`
	Code     string   `json:"code,omitempty"` // of what is wrong; "" if nothing is
	Err      error    `json:"-"`              // why it could not run, for our own log
}

// Passed says that the check looked at something and found nothing wrong.
func (c CheckResult) Passed() bool { return c.Code == "" }

// Wrong says that it found something wrong. A check that could not tell did not pass either.
func (c CheckResult) Wrong() bool {
	return c.Code != "" && c.Code != codeLookedAtNothing && c.Code != codeFailedToRun
}

// check runs every check, and records each outcome that is new or an hour old.
func (s *Sentinel) check(ctx context.Context, done *Audit) error {
	var failed []error
	for _, c := range s.Checks {
		result := c.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done.Checks = append(done.Checks, result)
		fresh, err := s.recordCheck(ctx, result)
		if fresh {
			done.Suspected = append(done.Suspected, result.Code)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	return errors.Join(failed...)
}

// run looks once. What panics has failed, and so has what saw nothing.
func (c Check) run(ctx context.Context) (result CheckResult) {
	result = CheckResult{Check: c.Name, Promises: c.Promises}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			result.Code, result.Err = codeFailedToRun, fmt.Errorf("%w: %T", errAuditPanicked, cause)
		}
	}()
	looked, err := c.Look(ctx)
	result.Looked, result.Found, result.Code = looked.At, looked.Found, looked.Code
	switch {
	case err != nil:
		result.Code, result.Err = codeFailedToRun, err
	case looked.At == 0:
		result.Code = codeLookedAtNothing
	case looked.Found > 0 && looked.Code == "":
		result.Code = c.Name
	}
	return result
}

// fact is the outcome as the record holds it.
func (c CheckResult) fact() event.Fact {
	if c.Passed() {
		return system.AuditCheckPassed{Check: c.Check, Promises: c.Promises, Looked: c.Looked}
	}
	return system.AuditCheckFailed{Check: c.Check, Promises: c.Promises, Looked: c.Looked, Code: c.Code, Found: c.Found}
}

// outcome is what makes one fact of a check say the same as another.
func outcome(f event.Fact) (code string, ok bool) {
	switch f := f.(type) {
	case system.AuditCheckPassed:
		return "", true
	case system.AuditCheckFailed:
		return f.Code, true
	}
	return "", false
}

// recordCheck records an outcome, if it is news, and what it makes suspect. fresh says that nobody had suspected it.
func (s *Sentinel) recordCheck(ctx context.Context, result CheckResult) (fresh bool, err error) {
	streamOf := func(day time.Time) event.Stream { return system.CheckStream(result.Check, day) }
	now := s.Now()
	history, first, err := s.twoDays(ctx, streamOf, now)
	if err != nil {
		return false, err
	}
	if len(history) == 0 || s.newsTo(history[len(history)-1], result, now) {
		env, err := s.appendTo(ctx, streamOf, result.fact())
		if err != nil {
			return false, err
		}
		history = append(history, env)
	}
	if !result.Wrong() {
		return false, nil
	}
	begin, ok := beginning(history, first, func(env event.Envelope) (found, counts bool) {
		code, ok := outcome(env.Fact)
		return ok && code == result.Code, ok && code != codeFailedToRun && code != codeLookedAtNothing
	})
	if !ok {
		return false, nil
	}
	for _, promise := range slices.Sorted(slices.Values(result.Promises)) {
		one, err := s.suspectIncident(ctx, begin, result.Code, promise)
		if err != nil {
			return fresh, err
		}
		fresh = fresh || one
	}
	return fresh, nil
}

// newsTo says whether an outcome is to be recorded after the last one.
func (s *Sentinel) newsTo(last event.Envelope, result CheckResult, now time.Time) bool {
	code, ok := outcome(last.Fact)
	return !ok || code != result.Code || now.Sub(last.At) >= checkAgain
}
