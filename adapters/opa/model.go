package opa

import (
	"context"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.ModelPolicy = (*Policy)(nil)

// LoadModel implements [usecase.ModelPolicy]. A licence that the data does not know is not
// decided, which is [ErrDenied].
func (p *Policy) LoadModel(ctx context.Context, m usecase.ModelPassport) (usecase.ModelAnswer, event.Decision, error) {
	a, d, err := p.question("model.load").ask(ctx, map[string]any{
		"accepted": m.Accepted, "code": m.Code, "data": m.Data, "digest_matches": m.Matches, "weights": m.Weights,
	})
	if err != nil {
		return usecase.ModelAnswer{}, d, because(ctx, ErrDenied, err)
	}
	established, _ := a.more["established"].(bool)
	return usecase.ModelAnswer{Allow: a.allow, Established: established && a.allow, RefusedBy: a.refusedBy()}, d, nil
}
