package usecase

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// few is enough to see that the bound holds, whatever it is.
const few = 100

func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// Counts live in memory alone, for a minute (data kind abuse_counter: a day at most), and there are never more than so many.
func TestCountsAreForgotten(t *testing.T) {
	at := time.Unix(0, 0)
	r := NewRates(func() time.Time { return at })
	if r.counts.most != ratesKept {
		t.Errorf("%d are counted at once", r.counts.most)
	}
	r.counts.most = few
	for n := range uint32(3 * few) {
		r.add(ScopeVisitor, NewClient(address(n), "").visitor(), 1)
	}
	if r.counts.len() != few || r.counts.order.Len() != few {
		t.Errorf("%d are counted at once", r.counts.len())
	}
	at = at.Add(Window - 1)
	if r.Forget(); r.counts.len() != few {
		t.Errorf("%d are remembered for a minute", r.counts.len())
	}
	at = at.Add(1)
	r.add(ScopeVisitor, NewClient(address(1), "").visitor(), 1)
	if r.counts.len() != 1 {
		t.Errorf("%d are remembered for more than a minute", r.counts.len())
	}
	at = at.Add(Window)
	if r.Forget(); r.counts.len() != 0 {
		t.Errorf("%d are remembered while nobody uploads", r.counts.len())
	}
}

func TestVisitorsAreForgotten(t *testing.T) {
	v := NewVisits(nil, nil, func() time.Time { return time.Unix(0, 0) }, nil)
	v.turn()
	if v.today.most != visitsKept {
		t.Errorf("%d are remembered at once", v.today.most)
	}
	v.today.most = few
	for n := range uint32(3 * few) {
		v.today.add(v.blind.of("", NewClient(address(n), "").visitor()), &visitor{})
	}
	if v.today.len() != few {
		t.Errorf("%d are remembered at once", v.today.len())
	}
}
