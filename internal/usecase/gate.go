package usecase

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Refusals of somebody who uploads more than there is room for. Both are wrapped in [Limited].
var (
	ErrTooManyUploads = refusal.New(refusal.TooMany, "upload.too_many",
		"You have sent as many photos as one visitor may in a minute.", "Wait a minute, then go on.")
	ErrNetworkUploads = refusal.New(refusal.TooMany, "upload.too_many_from_network",
		"Your network has sent as many photos as one network may in a minute.", "Wait a minute, then go on.")
)

// UploadPolicy is the policy about what is taken in, and how much of it.
type UploadPolicy interface {
	// Accept answers for which reasons a picture is not taken: "bytes", "pixels"; none, and it is.
	Accept(ctx context.Context, p Load) (refusedBy []string, d event.Decision, err error)
	// Rate answers whether there is room for one more picture.
	Rate(ctx context.Context, u Usage) (RateAnswer, event.Decision, error)
}

// Load is what a picture costs us. Neither it nor a [Usage] leaves memory as it is: whoever asks a rule
// rounds them, because what a rule is asked can become part of the record.
type Load struct {
	Type   string // jpeg, png, webp, gif
	Bytes  int64
	Pixels int64
}

// Usage is what somebody has sent within the last minute, with the picture that is asked about.
type Usage struct {
	Scope   Scope
	Uploads int64
	Pixels  int64
}

// Scope is whose uploads are counted together, as rules and headers name it.
type Scope string

// The scopes that are counted. Rules know "api_key" as well; no key has been issued yet.
const (
	ScopeVisitor Scope = "visitor"
	ScopeNetwork Scope = "network"
)

// RateAnswer is what the rule says of a usage.
type RateAnswer struct {
	Allow         bool
	UploadsMinute int64 // the limit
	RetryAfter    time.Duration
}

// Quota is what a limit leaves somebody, after the request that asks.
type Quota struct {
	Scope Scope // "" if nothing is limited
	Limit int64 // uploads in Window
	Left  int64
	Reset time.Duration // until there is room for more than Left
	At    time.Time     // when that is, by the machine's clock
}

// Window is what uploads are counted over.
const Window = time.Minute

// Limited is a refusal for now.
type Limited struct {
	Refused    *refusal.Error
	Quota      Quota
	RetryAfter time.Duration
}

// Error implements error.
func (l *Limited) Error() string { return l.Refused.Error() }

// Unwrap implements the errors package's convention.
func (l *Limited) Unwrap() error { return l.Refused }

// Gate lets uploads in, as far as the rules allow. Every no becomes part of the record: counted by
// [Decisions], and once a day in the stream of the visitor whom it held up; and so does every yes by which a
// picture is taken.
type Gate struct {
	Policy    UploadPolicy
	Decisions Decisions
	Visits    *Visits
	Rates     *Rates
}

// Admission is a picture that the rules let in and that is counted. Who has it calls one of [Admission.Use],
// [Admission.Repeat] and [Admission.Leave].
type Admission struct {
	Quota Quota

	gate      Gate
	client    Client
	decisions []event.Decision
	counted   []*taken
}

// Enter counts one picture, if the rules take it and have room for it. Otherwise the error is a refusal, by
// [Limited] if it is one for now. A refusal costs three questions at most, and no decoding; a picture that is never
// taken counts as a request without pixels, and what there is no room for does not count.
func (g Gate) Enter(ctx context.Context, c Client, p Load) (a Admission, err error) {
	reasons, d, err := g.Policy.Accept(ctx, p)
	if err != nil {
		return a, fmt.Errorf("ask whether a picture is taken: %w", g.refuse(ctx, c, d, err))
	}
	if len(reasons) > 0 {
		g.Spend(c)
		return a, g.refuse(ctx, c, d, refusedLoad(reasons))
	}
	a = Admission{gate: g, client: c, decisions: []event.Decision{d}}
	for _, scope := range scopesOf(c) {
		// Counted before it is asked, so that of many at once none slips through.
		before, one := g.Rates.add(scope.name, scope.of(c), p.Pixels)
		a.counted = append(a.counted, one)
		answer, d, err := g.ask(ctx, c, scope, before, p.Pixels)
		if err != nil {
			a.Leave()
			return Admission{}, err
		}
		a.decisions = append(a.decisions, d)
		a.Quota = tighter(a.Quota, g.quotaOf(scope.name, answer, before))
	}
	return a, nil
}

// Use is called before the picture is recorded: what let it in is told, and who sent it was here.
func (a Admission) Use() {
	for _, d := range a.decisions {
		a.gate.Decisions.Allowed(d)
	}
	a.gate.Visits.Seen(a.client)
}

// Repeat says that the picture was taken before, or cannot be: its request counts, its pixels do not.
func (a Admission) Repeat() { a.gate.Rates.lighten(a.counted) }

// Leave takes the picture out of the counts: that it is not taken is no matter of who sent it.
func (a Admission) Leave() { a.gate.Rates.drop(a.counted) }

// Spend counts a request that held nothing to be taken.
func (g Gate) Spend(c Client) {
	for _, scope := range scopesOf(c) {
		g.Rates.add(scope.name, scope.of(c), 0)
	}
}

// Full refuses somebody for whom even the smallest picture would be too much now, before the picture is
// here; it counts nothing, and a yes lets nothing in. Whoever has sent nothing in the last minute costs no question.
func (g Gate) Full(ctx context.Context, c Client) error {
	for _, scope := range scopesOf(c) {
		before := g.Rates.look(scope.name, scope.of(c))
		if before.uploads == 0 {
			continue
		}
		if _, _, err := g.ask(ctx, c, scope, before, 1); err != nil {
			return err
		}
	}
	return nil
}

// ask asks whether a scope has room for a picture beside what was counted before it.
func (g Gate) ask(ctx context.Context, c Client, s scope, before counted, pixels int64) (RateAnswer, event.Decision, error) {
	answer, d, err := g.Policy.Rate(ctx, Usage{Scope: s.name, Uploads: before.uploads + 1, Pixels: before.pixels + pixels})
	switch {
	case err != nil:
		return answer, d, fmt.Errorf("ask whether there is room for an upload: %w", g.refuse(ctx, c, d, err))
	case !answer.Allow:
		wait := answer.RetryAfter
		return answer, d, g.refuse(ctx, c, d, &Limited{
			Refused: s.refused, RetryAfter: wait,
			Quota: Quota{Scope: s.name, Limit: answer.UploadsMinute, Reset: wait, At: g.Rates.wall().Add(wait)},
		})
	}
	return answer, d, nil
}

type scope struct {
	name    Scope
	of      func(Client) netip.Prefix
	refused *refusal.Error
}

// scopes are asked in this order.
var scopes = []scope{
	{ScopeVisitor, Client.visitor, ErrTooManyUploads},
	{ScopeNetwork, Client.network, ErrNetworkUploads},
}

// scopesOf are the scopes that a client is counted in: none for the operator.
func scopesOf(c Client) []scope {
	if c.from == machine {
		return nil
	}
	return scopes
}

// refuse tells the record of a no and returns the error. Who has gone was refused nothing.
func (g Gate) refuse(ctx context.Context, c Client, d event.Decision, err error) error {
	if ctx.Err() == nil {
		g.Decisions.Refused(d)
		g.Visits.Blocked(c, d.Rule)
	}
	return err
}

// refusedLoad is what a picture is refused for that the rules do not take.
func refusedLoad(reasons []string) *refusal.Error {
	if slices.Contains(reasons, "bytes") {
		return image.ErrTooLarge
	}
	return image.ErrTooManyPixels
}

func (g Gate) quotaOf(scope Scope, a RateAnswer, before counted) Quota {
	if a.UploadsMinute <= 0 {
		return Quota{}
	}
	left := max(0, a.UploadsMinute-before.uploads-1)
	return Quota{Scope: scope, Limit: a.UploadsMinute, Left: left, Reset: before.reset, At: g.Rates.wall().Add(before.reset)}
}

// tighter returns the quota that leaves less.
func tighter(a, b Quota) Quota {
	if a.Scope == "" || b.Scope != "" && b.Left < a.Left {
		return b
	}
	return a
}
