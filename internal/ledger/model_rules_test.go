package ledger

import (
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/policy"
)

// rest has half of the appends rest on the rules in force, some on older ones, and a few put the next in force.
func (m *model) rest(a *event.Append) {
	m.stale = false
	inForce, err := m.ledger.InForce(m.t.Context())
	check(m.t, err)
	d := event.Decision{Rule: "a.rule", Revision: inForce, Outcome: "allow", Input: []byte("{}")}
	switch n := m.rand.IntN(20); {
	case n == 0:
		a.Parts[0].Facts = append(a.Parts[0].Facts, event.Pending{Fact: image.Downloaded{}, Decision: &d},
			event.Pending{Fact: policy.Activated{Revision: inForce + 1}})
	case n == 1 && inForce > 0:
		m.stale = true
		d.Revision--
		a.Parts[0].Facts[0].Decision = &d
	case n < 10:
		a.Parts[0].Facts[0].Decision = &d
	}
}

// followed are the rules in force, as the record says it.
type followed struct{ revision int64 }

// take holds that a decision rests on the rules that were put in force last, and that none follow on higher ones.
func (f *followed) take(t testing.TB, env event.Envelope) {
	t.Helper()
	if d := env.Decision; d != nil && f.revision > 0 && d.Revision != f.revision {
		t.Fatalf("fact %d rests on revision %d, and %d is in force", env.Seq, d.Revision, f.revision)
	}
	if a, ok := env.Fact.(policy.Activated); ok {
		if a.Revision <= f.revision {
			t.Fatalf("fact %d puts revision %d in force after %d", env.Seq, a.Revision, f.revision)
		}
		f.revision = a.Revision
	}
}
