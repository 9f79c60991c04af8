package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/schedule"
)

// retentionCmd is `bgremover retention`.
type retentionCmd struct {
	Show         retentionShowCmd    `cmd:"" default:"withargs" help:"Show what waits for its end, by kind: its period, when the first of it has to be gone, what is late, and what was deleted last."`
	ConfirmClock retentionConfirmCmd `cmd:"" help:"Say that a clock that jumped is right. Until then nothing but pictures is deleted because of its time."`
}

type retentionShowCmd struct {
	All  bool `help:"Also the kinds of which nothing is kept here, and why."`
	JSON bool `name:"json" help:"As JSON."`
	config.Folder
}

func (c *retentionShowCmd) run(ctx context.Context, std streams) error {
	body, err := askService(ctx, c.Data, "/retention")
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := io.Copy(std.out, body)
		return errors.Join(err, body.Close())
	}
	var status usecase.RetentionStatus
	if err := readAnswer(body, &status); err != nil {
		return err
	}
	return printRetention(std.out, status, c.All)
}

func printRetention(out io.Writer, s usecase.RetentionStatus, all bool) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "KIND\tPERIOD\tRULE\tWAITING\tDUE\tLATE\tKEPT BY\tLAST DELETED")
	for _, k := range s.Kinds {
		if k.Why != "" {
			continue
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", k.Kind, k.Lasts(), k.Rule, k.Waiting, minute(k.Due), lateness(k.Late), orNothing(strings.Join(k.KeptBy, ", ")), lastDeleted(k.Purged))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if all {
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "\nNOT KEPT HERE\tPERIOD\tBECAUSE")
		for _, k := range s.Kinds {
			if k.Why != "" {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", k.Kind, k.Lasts(), k.Why)
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\nthe engine's time is %s; the rules are revision %d\n", minute(s.Now), s.Revision)
	if s.HeldUp {
		_, _ = fmt.Fprintln(out, "no photo is taken: deletions are late")
	}
	if s.Jump != nil {
		_, err = fmt.Fprintf(out, "the clock jumped from %s to %s: look at it, then bgremover retention confirm-clock; until then nothing but pictures is deleted because of its time\n",
			minute(s.Jump.From), minute(s.Jump.To))
	}
	return err
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func lateness(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return d.Round(time.Second).String()
}

func lastDeleted(p *usecase.LastPurge) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%s: %d", minute(p.Actual), p.Count)
}

type retentionConfirmCmd struct{ config.Folder }

func (c *retentionConfirmCmd) run(ctx context.Context, std streams) error {
	body, err := tellService(ctx, c.Data, "/retention/confirm-clock", operator.ConfirmClockRequest{})
	if err != nil {
		return err
	}
	var jump usecase.Jump
	if err := readAnswer(body, &jump); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "recorded: the jump from %s to %s was right; what is due by now is deleted within minutes\n", minute(jump.From), minute(jump.To))
	return err
}

// desk is what the operator's socket can ask and do about retention.
func (r *retention) desk() operator.Retention {
	return operator.Retention{Status: r.status, Confirm: r.confirm}
}

// holds is what members of staff see of holds and decide about them.
func (r *retention) holds() *officer.Holds {
	return &officer.Holds{
		List: func(ctx context.Context) ([]schedule.Hold, error) {
			if err := r.caughtUp(ctx); err != nil {
				return nil, err
			}
			return schedule.Holds(ctx, r.s.ground.pool)
		},
		Desk: usecase.HoldDesk{Record: r.s.ledger, Vault: r.s.vault, Rules: r.s.policy, Acts: r.s.policy, Now: r.s.milliseconds, NewHold: newID},
	}
}

// status gathers how it stands with everything that ends by its time.
func (r *retention) status(ctx context.Context) (usecase.RetentionStatus, error) {
	pool := r.s.ground.pool
	standings, _, err := r.standings(ctx)
	if err != nil {
		return usecase.RetentionStatus{}, err
	}
	now := r.now()
	s := usecase.RetentionStatus{Now: now, Revision: r.s.policy.Revision(), HeldUp: r.refuses() != nil}
	_, jump, pending, err := r.Times(ctx)
	if pending {
		s.Jump = &jump
	}
	held, err2 := r.Held(ctx)
	waits, err3 := schedule.Kinds(ctx, pool, now)
	purges, err4 := schedule.Purges(ctx, pool)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return s, err
	}
	for _, kind := range slices.Sorted(maps.Keys(allKinds())) {
		k := usecase.KindStatus{Kind: kind, Rule: ruleOf(kind), By: endedBy[kind], Why: notHere[kind], Held: held[kind]}
		limit, _, err := r.s.policy.Limit(ctx, kind, now, time.Time{})
		if err != nil {
			return s, err
		}
		k.Period = limit.Sub(now)
		for _, at := range standings {
			if at.Kind == kind {
				k.Waiting, k.Due, k.Late, k.KeptBy = at.Count, at.Due, at.LateBy(now), at.KeptBy
			}
		}
		for _, w := range waits {
			if w.Kind == kind {
				k.Waiting = w.Count // of pictures, the standing counts only what is overdue
			}
		}
		for _, p := range purges {
			if p.Kind == kind {
				k.Purged = &usecase.LastPurge{Due: p.Due, Actual: p.Actual, Count: p.Count, Total: p.Total}
			}
		}
		s.Kinds = append(s.Kinds, k)
	}
	return s, nil
}

// allKinds are the kinds of both lists.
func allKinds() map[string]string {
	all := maps.Clone(endedBy)
	maps.Copy(all, notHere)
	return all
}

// ruleOf names the rule that decides when something of a kind goes.
func ruleOf(kind string) string {
	switch kind {
	case "image", "preview", "result":
		return "retention.due"
	case "disclosure", "technical":
		return "keys.due"
	}
	return "retention.deletion"
}

func orNothing(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
