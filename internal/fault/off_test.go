//go:build !faults

package fault

import "testing"

// An ordinary build has nothing of it: had it, this test would not come to its end.
func TestOrdinaryBuildsGoOn(t *testing.T) {
	t.Setenv("BGREMOVER_FAULT", Points[0])
	if allocated := testing.AllocsPerRun(100, func() { Point(Points[0]) }); allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
