package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// visitors are visits over a record in memory, with a clock that the test moves.
type visitors struct {
	*usecase.Visits
	record *fake.Record
	vault  *fake.Vault
	at     time.Time
}

func newVisitors() *visitors {
	vault := fake.NewVault()
	w := &visitors{record: fake.NewRecord(vault), vault: vault, at: noon.Add(12*time.Second + 345*time.Millisecond)}
	n := 0
	w.Visits = usecase.NewVisits(w.record, vault, func() time.Time { return w.at }, func() id.Visit {
		n++
		return id.Visit(fmt.Sprint(n))
	})
	return w
}

func (w *visitors) flush(t *testing.T) {
	t.Helper()
	if _, err := w.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// story is what the record says, in a random order of visitors.
func (w *visitors) story() (all []string) {
	for _, env := range w.record.All() {
		switch f := env.Fact.(type) {
		case visit.Began:
			address, _ := f.Address.Reveal()
			agent, _ := f.Agent.Reveal()
			at, _ := f.At.Reveal()
			all = append(all, strings.Join([]string{string(env.Stream), f.Day, address, agent, at}, " "))
		case visit.Blocked:
			all = append(all, fmt.Sprintf("%s blocked %s %s", env.Stream, f.Rule, f.At.Format(time.RFC3339)))
		}
	}
	slices.Sort(all)
	return all
}

func (w *visitors) want(t *testing.T, want ...string) {
	t.Helper()
	if got := w.story(); !slices.Equal(got, want) {
		t.Errorf("the record says\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestVisitorDays(t *testing.T) {
	w := newVisitors()
	for range 3 {
		w.Seen(from("192.0.2.1"))
		w.Seen(from("2001:db8:1:2:3:4:5:6"))
		w.Seen(from("2001:db8:1:2::1"))
		w.Seen(usecase.ThisMachine)
		w.Seen(usecase.Client{})
	}
	w.want(t) // nobody waits for it
	w.flush(t)
	today := []string{
		"visit/1 2026-03-02 192.0.2.1 curl 2026-03-02T12:00:00Z",
		"visit/2 2026-03-02 2001:db8:1:2::/64 curl 2026-03-02T12:00:00Z",
	}
	w.want(t, today...)
	w.Seen(from("192.0.2.1"))
	w.flush(t)
	w.want(t, today...)

	w.at = w.at.Add(12 * time.Hour)
	w.Seen(from("192.0.2.1"))
	w.flush(t)
	w.want(t, append(today, "visit/3 2026-03-03 192.0.2.1 curl 2026-03-03T00:00:00Z")...)
}

func TestBlockedOnceADayAndRule(t *testing.T) {
	w := newVisitors()
	w.Blocked(from("192.0.2.1"), "upload.rate") // of whom nothing is known nothing is kept
	w.Seen(from("192.0.2.1"))
	for range 3 {
		w.Blocked(from("192.0.2.1"), "upload.rate")
		w.Blocked(from("192.0.2.1"), "upload.accept")
		w.Blocked(usecase.ThisMachine, "upload.rate")
	}
	w.flush(t)
	w.Blocked(from("192.0.2.1"), "upload.rate")
	w.flush(t)
	w.want(t,
		"visit/1 2026-03-02 192.0.2.1 curl 2026-03-02T12:00:00Z",
		"visit/1 blocked upload.accept 2026-03-02T12:00:00Z",
		"visit/1 blocked upload.rate 2026-03-02T12:00:00Z")
	w.at = w.at.Add(24 * time.Hour)
	w.Blocked(from("192.0.2.1"), "upload.rate") // another day has not begun
	w.flush(t)
	if n := len(w.record.All()); n != 3 {
		t.Errorf("%d facts", n)
	}
}

func TestVisitWaitsWhileTheRecordIsAway(t *testing.T) {
	w := newVisitors()
	w.record.Refuse = func(event.Append) error { return event.ErrUnavailable }
	w.Seen(from("192.0.2.1"))
	w.Blocked(from("192.0.2.1"), "upload.rate")
	w.Seen(from("192.0.2.2"))
	if n, err := w.Record(t.Context()); n != 0 || !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("%d, %v", n, err)
	}
	w.record.Refuse = nil
	w.flush(t)
	if n := len(w.record.All()); n != 3 {
		t.Errorf("%d facts", n)
	}
}

// An append of which nobody knows whether it got through did.
func TestVisitInDoubtIsRecordedOnce(t *testing.T) {
	w := newVisitors()
	w.Seen(from("192.0.2.1"))
	record := w.record
	doubtful := usecase.NewVisits(inDoubt{record}, w.vault, func() time.Time { return w.at }, func() id.Visit { return "1" })
	doubtful.Seen(from("192.0.2.1"))
	doubtful.Blocked(from("192.0.2.1"), "upload.rate")
	for range 2 {
		if _, err := doubtful.Record(t.Context()); !errors.Is(err, event.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if n, err := doubtful.Record(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.want(t, "visit/1 2026-03-02 192.0.2.1 curl 2026-03-02T12:00:00Z", "visit/1 blocked upload.rate 2026-03-02T12:00:00Z")
}

func TestTooManyVisitsAreDroppedAndCounted(t *testing.T) {
	w := newVisitors()
	address := netip.MustParseAddr("10.0.0.1")
	for range 10_003 {
		w.Seen(usecase.NewClient(address, ""))
		address = address.Next()
	}
	if w.Dropped() != 3 {
		t.Errorf("%d were dropped", w.Dropped())
	}
	last := usecase.NewClient(address.Prev(), "")
	w.flush(t)
	w.Seen(last) // with the next upload it is tried again
	w.flush(t)
	if n := len(w.record.All()); n != 10_001 {
		t.Errorf("%d are recorded", n)
	}
}

// While the record is away, those who come during a try are no reason to hold more than there is room for.
func TestVisitsThatWaitAgainStayWithinTheirRoom(t *testing.T) {
	w := newVisitors()
	address := netip.MustParseAddr("10.0.0.1")
	come := func(n int) {
		for range n {
			w.Seen(usecase.NewClient(address, ""))
			address = address.Next()
		}
	}
	w.record.Refuse = func(event.Append) error {
		come(10_000) // as many as wait at most
		return event.ErrUnavailable
	}
	come(1)
	for try := range 3 {
		if _, err := w.Record(t.Context()); !errors.Is(err, event.ErrUnavailable) {
			t.Fatal(err)
		}
		if want := int64(1 + try*10_000); w.Dropped() != want {
			t.Errorf("after %d tries %d were dropped, want %d", try+1, w.Dropped(), want)
		}
	}
	w.record.Refuse = nil
	w.flush(t)
	if n := len(w.record.All()); n != 10_000 {
		t.Errorf("%d facts are recorded", n)
	}
	w.Seen(usecase.NewClient(address.Prev(), "")) // who was dropped begins with the next upload
	w.flush(t)
	if n := len(w.record.All()); n != 10_001 {
		t.Errorf("%d facts are recorded", n)
	}
}

// The agent is what a program says about itself, cut to what tells browsers apart.
func TestAgentIsCut(t *testing.T) {
	w := newVisitors()
	w.Seen(usecase.NewClient(netip.MustParseAddr("192.0.2.1"), strings.Repeat("ü", 300)+"\xff"))
	w.flush(t)
	agent, _ := w.record.All()[0].Fact.(visit.Began).Agent.Reveal()
	if agent != strings.Repeat("ü", 128) {
		t.Errorf("%d bytes are kept", len(agent))
	}
}

// Facts of one minute are recorded in an order that says nothing about that of the uploads.
func TestOrderOfVisitsSaysNothing(t *testing.T) {
	orders := map[string]bool{}
	for range 20 {
		w := newVisitors()
		address := netip.MustParseAddr("10.0.0.1")
		for range 10 {
			w.Seen(usecase.NewClient(address, ""))
			address = address.Next()
		}
		w.flush(t)
		order := ""
		for _, env := range w.record.All() {
			order += string(env.Stream) + " "
		}
		orders[order] = true
	}
	if len(orders) < 10 {
		t.Errorf("%d different orders of 20", len(orders))
	}
}

// inDoubt appends, and says that it knows nothing of it.
type inDoubt struct{ *fake.Record }

func (r inDoubt) Append(ctx context.Context, a event.Append) (event.Appended, error) {
	done, err := r.Record.Append(ctx, a)
	if err == nil {
		err = event.ErrUnavailable
	}
	return done, err
}
