package opa

import (
	"context"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.Acts = (*Policy)(nil)

// Act implements [usecase.Acts].
func (p *Policy) Act(ctx context.Context, action, role string, named, second bool) (bool, event.Decision, error) {
	return p.question("access.act").decide(ctx, map[string]any{"action": action, "named": named, "role": role, "second": second})
}
