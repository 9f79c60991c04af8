package projector

import "time"

// Hurry makes every pause short and batches small, for tests.
func (p *Projector) Hurry(facts int) {
	p.tuning = tuning{
		facts:    facts,
		takeOver: 2 * time.Millisecond,
		poll:     time.Millisecond,
		patience: 100 * time.Millisecond,
		firstTry: time.Millisecond,
		lastTry:  4 * time.Millisecond,
		ask:      5 * time.Millisecond,
	}
}

// Patient makes WaitFor wait as long as its caller.
func (p *Projector) Patient() { p.tuning.patience = time.Minute }

// Pieces says how many facts a rebuild applies at once.
func (r *Rebuild) Pieces(n int) { r.pieces = n }
