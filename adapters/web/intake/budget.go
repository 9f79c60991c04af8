package intake

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/bgremover/bgremover/adapters/web/answer"
)

// Budget is the memory that all bodies together may hold.
type Budget struct {
	size int64
	wait time.Duration
	sem  *semaphore.Weighted
}

// NewBudget returns a budget of size bytes. Who asks for more than is free waits, in turn, for as long as wait.
func NewBudget(size int64, wait time.Duration) *Budget {
	return &Budget{size: size, wait: wait, sem: semaphore.NewWeighted(size)}
}

// Reserve takes n bytes, or the whole budget if that is less. It returns [answer.ErrBusy]
// when there was not enough for too long. Giving back twice has no further effect.
func (b *Budget) Reserve(ctx context.Context, n int64) (release func(), err error) {
	n = min(max(n, 1), b.size)
	waiting, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	if err := b.sem.Acquire(waiting, n); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, answer.ErrBusy
	}
	return sync.OnceFunc(func() { b.sem.Release(n) }), nil
}
