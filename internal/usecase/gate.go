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

// Load is what a picture costs us, in steps so coarse that they tell nothing about the picture: the
// rules' input can become part of the record.
type Load struct {
	Type   string // jpeg, png, webp, gif
	Bytes  int64  // whole MiB, rounded up
	Pixels int64  // whole megapixels, rounded up
}

const (
	mebibyte, megapixel = 1 << 20, 1_000_000
	smallestLoad        = megapixel
)

// LoadOf rounds up what is known of a picture.
func LoadOf(bytes int, h Head) Load {
	up := func(n, step int64) int64 { return (n + step - 1) / step * step }
	return Load{Type: h.Type, Bytes: up(int64(bytes), mebibyte), Pixels: up(h.Pixels, megapixel)}
}

// Usage is one more picture, and what was taken within the last minute before it.
type Usage struct {
	Scope         Scope
	Pixels        int64
	UploadsMinute int64
	PixelsMinute  int64
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
// [Decisions], and once a day in the stream of the visitor whom it held up.
type Gate struct {
	Policy    UploadPolicy
	Decisions Decisions
	Visits    *Visits
	Rates     *Rates
}

// Enter counts one picture, if the rules take it and have room for it, and returns how to take it out
// of the counts again. Otherwise it counts nothing, and the error is a refusal, by [Limited] if it is one
// for now. A refusal costs three questions at most, and no decoding.
func (g Gate) Enter(ctx context.Context, c Client, p Load) (_ Quota, leave func(), err error) {
	reasons, d, err := g.Policy.Accept(ctx, p)
	if err != nil {
		return Quota{}, nil, fmt.Errorf("ask whether a picture is taken: %w", g.refuse(ctx, c, d, err))
	}
	if len(reasons) > 0 {
		return Quota{}, nil, g.refuse(ctx, c, d, refusedLoad(reasons))
	}
	if c.from == machine {
		return Quota{}, func() {}, nil
	}
	leave = func() {}
	var least Quota
	for _, scope := range scopes {
		// Counted before it is asked, so that of many at once none slips through.
		before, back := g.Rates.add(scope.name, scope.of(c), p.Pixels)
		inner := leave
		leave = func() { back(); inner() }
		answer, err := g.ask(ctx, c, scope, before, p.Pixels)
		if err != nil {
			leave()
			return Quota{}, nil, err
		}
		least = tighter(least, quotaOf(scope.name, answer, before))
	}
	return least, leave, nil
}

// Full refuses somebody for whom even the smallest picture would be too much now, before the picture is
// here; it counts nothing. Whoever has sent nothing in the last minute costs no question.
func (g Gate) Full(ctx context.Context, c Client) error {
	if c.from == machine {
		return nil
	}
	for _, scope := range scopes {
		before := g.Rates.look(scope.name, scope.of(c))
		if before.uploads == 0 {
			continue
		}
		if _, err := g.ask(ctx, c, scope, before, smallestLoad); err != nil {
			return err
		}
	}
	return nil
}

// ask asks whether a scope has room for a picture beside what was counted before it.
func (g Gate) ask(ctx context.Context, c Client, s scope, before counted, pixels int64) (RateAnswer, error) {
	answer, d, err := g.Policy.Rate(ctx, Usage{
		Scope: s.name, Pixels: pixels, UploadsMinute: before.uploads, PixelsMinute: before.pixels,
	})
	switch {
	case err != nil:
		return answer, fmt.Errorf("ask whether there is room for an upload: %w", g.refuse(ctx, c, d, err))
	case !answer.Allow:
		return answer, g.refuse(ctx, c, d, &Limited{
			Refused: s.refused, RetryAfter: answer.RetryAfter,
			Quota: Quota{Scope: s.name, Limit: answer.UploadsMinute, Reset: answer.RetryAfter},
		})
	}
	return answer, nil
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

func quotaOf(scope Scope, a RateAnswer, before counted) Quota {
	if a.UploadsMinute <= 0 {
		return Quota{}
	}
	return Quota{Scope: scope, Limit: a.UploadsMinute, Left: max(0, a.UploadsMinute-before.uploads-1), Reset: before.reset}
}

// tighter returns the quota that leaves less.
func tighter(a, b Quota) Quota {
	if a.Scope == "" || b.Scope != "" && b.Left < a.Left {
		return b
	}
	return a
}
