package opa

import (
	"context"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.Access = (*Policy)(nil)

// Blob implements [usecase.Access].
func (p *Policy) Blob(ctx context.Context, reader, purpose string, own bool) (bool, event.Decision, error) {
	return p.question("access.blob").decide(ctx, map[string]any{"own": own, "purpose": purpose, "reader": reader})
}
