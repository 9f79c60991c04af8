package opa

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.UploadPolicy = (*Policy)(nil)

// What rules are asked about uploads is rounded up to these steps: so coarse that the record tells
// nothing of a picture or of who sent which, and that a busy minute has few different questions. The limits
// are multiples of the steps (schema.json), so that a rule answers as it would for the exact figures.
const (
	bytesStep        = 5 << 20
	pixelsStep       = 10_000_000
	uploadsStep      = 5
	minutePixelsStep = 100_000_000
)

func up(n, step int64) int64 { return (n + step - 1) / step * step }

// Accept implements [usecase.UploadPolicy]. Without an answer it is [ErrDenied].
func (p *Policy) Accept(ctx context.Context, l usecase.Load) ([]string, event.Decision, error) {
	a, d, err := p.question("upload.accept").ask(ctx, map[string]any{
		"bytes": up(l.Bytes, bytesStep), "pixels": up(l.Pixels, pixelsStep), "type": l.Type,
	})
	if err != nil {
		return nil, d, because(ctx, ErrDenied, err)
	}
	reasons := a.refusedBy()
	if a.allow != (len(reasons) == 0) {
		return nil, overruled(d), fmt.Errorf("%w (ask %s: it contradicts itself)", ErrDenied, d.Rule)
	}
	return reasons, d, nil
}

// Rate implements [usecase.UploadPolicy]. Without an answer it is [ErrDenied]. The rule adds this upload to those
// before it: what is told of both is in steps together, and of this one always the same.
func (p *Policy) Rate(ctx context.Context, u usecase.Usage) (usecase.RateAnswer, event.Decision, error) {
	a, d, err := p.question("upload.rate").ask(ctx, map[string]any{
		"pixels": int64(minutePixelsStep), "pixels_minute": up(u.Pixels, minutePixelsStep) - minutePixelsStep,
		"scope": string(u.Scope), "uploads_minute": up(u.Uploads, uploadsStep) - 1,
	})
	if err != nil {
		return usecase.RateAnswer{}, d, because(ctx, ErrDenied, err)
	}
	limit, retry := a.whole("uploads_minute"), a.whole("retry_after_s")
	if limit <= 0 || retry <= 0 {
		return usecase.RateAnswer{}, overruled(d), fmt.Errorf("%w (ask %s: it named no limit)", ErrDenied, d.Rule)
	}
	return usecase.RateAnswer{Allow: a.allow, UploadsMinute: limit, RetryAfter: time.Duration(retry) * time.Second}, d, nil
}

// whole returns a number of an answer; 0 if it holds none of that name.
func (a answer) whole(name string) int64 {
	n, _ := a.more[name].(json.Number)
	whole, _ := n.Int64()
	return whole
}
