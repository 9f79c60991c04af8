package opa

import (
	"context"
	"errors"

	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.TransferPolicy = (*Policy)(nil)

// Move implements [usecase.TransferPolicy].
func (p *Policy) Move(ctx context.Context, q usecase.TransferQuestion) (usecase.TransferAnswer, error) {
	a, d, err := p.question("transfer.move").ask(ctx, map[string]any{
		"assessed": q.Assessed, "encrypted": q.Encrypted, "expires": text(q.Expires), "from": q.From, "now": text(q.Now),
		"safeguard": q.Safeguard, "to": q.To,
	})
	switch {
	case errors.Is(err, errUndecided):
		return usecase.TransferAnswer{RefusedBy: []string{usecase.Undecided}, Decision: d}, nil
	case err != nil:
		return usecase.TransferAnswer{Decision: d}, because(ctx, ErrDenied, err)
	}
	return usecase.TransferAnswer{Allow: a.allow, RefusedBy: a.refusedBy(), Decision: d}, nil
}
