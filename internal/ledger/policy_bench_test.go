package ledger_test

import (
	"slices"
	"testing"
)

// BenchmarkDecided compares appends that rest on a decision, which share a lock and look up the rules in
// force, with the same facts without one: in turns, because the machine is not quiet. The aim: at least 0.97.
func BenchmarkDecided(b *testing.B) {
	const rounds, each = 21, 600
	w := fsynced(b)
	w.sequencer()
	must(b, func() error { _, err := w.ledger.Append(b.Context(), activation(4)); return err }())
	bare := func() error { _, err := w.ledger.Append(b.Context(), processed(newImage(), 0)); return err }
	asked := func() error { _, err := w.ledger.Append(b.Context(), decided(4)); return err }
	share(b, each, bare)
	share(b, each, asked)
	for b.Loop() {
		var ratios []float64
		for round := range rounds {
			first, second := bare, asked
			if round%2 == 1 {
				first, second = asked, bare
			}
			ratio := share(b, each, second) / share(b, each, first)
			if round%2 == 1 {
				ratio = 1 / ratio
			}
			ratios = append(ratios, ratio)
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[rounds/2], "decided/bare")
	}
}
