package projector

import "time"

// Hurry makes every pause short and batches small, for tests. Only WaitFor waits long: a busy
// machine is no failure.
func (p *Projector) Hurry(facts int) {
	p.tuning = tuning{
		facts:    facts,
		takeOver: 2 * time.Millisecond,
		poll:     time.Millisecond,
		patience: time.Minute,
		firstTry: time.Millisecond,
		lastTry:  4 * time.Millisecond,
		ask:      5 * time.Millisecond,
	}
}

// Patience says how long WaitFor waits.
func (p *Projector) Patience(d time.Duration) { p.tuning.patience = d }

// Pieces says how many facts a rebuild applies at once.
func (r *Rebuild) Pieces(n int) { r.pieces = n }
