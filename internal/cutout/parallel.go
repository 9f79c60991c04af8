package cutout

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// split calls f for consecutive pieces of [0, n) from up to workers goroutines,
// the caller's among them, and returns when all are done. A panic in any piece
// comes out of split, so that a guard around the caller holds for all of them.
func split(workers, n, piece int, f func(lo, hi int)) {
	if workers <= 1 || n <= piece {
		if n > 0 {
			f(0, n)
		}
		return
	}
	var (
		next   atomic.Int64
		caught atomic.Pointer[any]
		wg     sync.WaitGroup
	)
	work := func() {
		defer func() {
			if p := recover(); p != nil {
				caught.Store(&p)
			}
		}()
		for {
			hi := int(next.Add(int64(piece)))
			lo := hi - piece
			if lo >= n || caught.Load() != nil {
				return
			}
			f(lo, min(hi, n))
		}
	}
	for range min(workers, (n+piece-1)/piece) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if p := caught.Load(); p != nil {
		panic(*p)
	}
}

// together calls every f, on up to workers goroutines.
func together(workers int, fs ...func()) {
	split(workers, len(fs), 1, func(lo, hi int) {
		for _, f := range fs[lo:hi] {
			f()
		}
	})
}

// pool lends slices by size class. Pictures come in a few sizes, and a 12 MP
// picture needs 48 MB: asking the garbage collector for that every time costs
// more than the mathematics, and makes the process breathe.
type pool[T any] struct{ classes [bits.UintSize]sync.Pool }

var (
	bytesPool pool[uint8]
	wordsPool pool[uint64]
	floatPool pool[float32]
)

// get returns a slice of n elements with whatever its last user left in it.
func (p *pool[T]) get(n int) []T {
	class := sizeClass(n)
	if s, ok := p.classes[class].Get().(*[]T); ok {
		return (*s)[:n]
	}
	return make([]T, n, 1<<class)
}

// zeroed is get with every element zero.
func (p *pool[T]) zeroed(n int) []T {
	s := p.get(n)
	clear(s)
	return s
}

// put takes back a slice that get returned; nobody may use it afterwards.
func (p *pool[T]) put(s []T) {
	if cap(s) == 0 {
		return
	}
	class := bits.Len(uint(cap(s))) - 1
	p.classes[class].Put(&s)
}

func sizeClass(n int) int { return bits.Len(uint(max(n, 1) - 1)) }

// ordered calls make for 0 … n−1 on up to workers goroutines and use with every
// result in order, on the caller's, while the next are being made. At most two
// results more than workers wait to be used. The first error of use ends it. A
// panic in make comes out of ordered.
func ordered[T any](workers, n int, produce func(i int) T, use func(T) error) error {
	if workers <= 1 {
		for i := range n {
			if err := use(produce(i)); err != nil {
				return err
			}
		}
		return nil
	}
	var (
		next   atomic.Int64
		caught atomic.Pointer[any]
		wg     sync.WaitGroup
		tokens = make(chan struct{}, workers+2)
		quit   = make(chan struct{})
		made   = make([]chan T, n)
	)
	for i := range made {
		made[i] = make(chan T, 1)
	}
	work := func() {
		i := -1
		defer func() {
			if p := recover(); p != nil {
				caught.Store(&p)
				close(made[i])
			}
		}()
		for {
			// The token comes first: then the lowest piece in work always has one.
			select {
			case tokens <- struct{}{}:
			case <-quit:
				return
			}
			if i = int(next.Add(1)) - 1; i >= n {
				return
			}
			made[i] <- produce(i)
		}
	}
	for range min(workers, n) {
		wg.Go(work)
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		piece, ok := <-made[i]
		if !ok {
			break
		}
		err = use(piece)
		<-tokens
	}
	close(quit)
	wg.Wait()
	if p := caught.Load(); p != nil {
		panic(*p)
	}
	return err
}
