package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// perScope lets a visitor upload so often a minute, and a network so often.
type perScope struct {
	fake.Uploads
	visitor, network int64
	fails            error
}

func (p perScope) Rate(ctx context.Context, u usecase.Usage) (usecase.RateAnswer, event.Decision, error) {
	limit := p.visitor
	if u.Scope == usecase.ScopeNetwork {
		limit = p.network
	}
	a, d, _ := fake.Uploads{PerMinute: limit}.Rate(ctx, u)
	return a, d, p.fails
}

// gateWorld is a gate over fakes, with a clock that the test moves.
type gateWorld struct {
	usecase.Gate
	told *fake.Decisions
	at   time.Time
}

func newGateWorld(p usecase.UploadPolicy) *gateWorld {
	w := &gateWorld{told: &fake.Decisions{}, at: noon}
	now := func() time.Time { return w.at }
	vault := fake.NewVault()
	w.Gate = fake.NewGate(p, w.told, fake.NewRecord(vault), vault, now)
	w.Rates = usecase.NewRates(now)
	return w
}

func (w *gateWorld) enter(t testing.TB, c usecase.Client) (usecase.Quota, error) {
	t.Helper()
	a, err := w.Enter(t.Context(), c, usecase.Load{Type: "jpeg", Bytes: 1, Pixels: 1})
	return a.Quota, err
}

func from(address string) usecase.Client {
	return usecase.NewClient(netip.MustParseAddr(address), "curl")
}

func TestRates(t *testing.T) {
	w := newGateWorld(perScope{visitor: 3, network: 5})
	enters := func(who string, left int64, want error) {
		t.Helper()
		q, err := w.enter(t, from(who))
		if !errors.Is(err, want) || want == nil && q.Left != left {
			t.Errorf("%s: %+v, %v; want %d left, %v", who, q, err, left, want)
		}
	}
	enters("192.0.2.1", 2, nil)
	w.at = w.at.Add(30 * time.Second)
	enters("192.0.2.1", 1, nil)
	enters("192.0.2.1", 0, nil)
	enters("192.0.2.1", 0, usecase.ErrTooManyUploads)
	enters("192.0.2.2", 1, nil) // the network has 5, 4 of which are taken
	enters("192.0.2.3", 0, nil)
	enters("192.0.2.4", 0, usecase.ErrNetworkUploads)
	enters("192.0.3.1", 2, nil) // the next network
	w.at = w.at.Add(30*time.Second - time.Nanosecond)
	enters("192.0.2.1", 0, usecase.ErrTooManyUploads)
	w.at = w.at.Add(time.Nanosecond)
	enters("192.0.2.1", 0, nil) // the first is a minute old
	enters("192.0.2.1", 0, usecase.ErrTooManyUploads)

	refused, _ := w.told.Told()
	if len(refused) != 4 || refused[0].Rule != "upload.rate" || refused[0].Outcome != "deny" {
		t.Errorf("the record is told of %+v", refused)
	}
}

func TestVisitorsOfIPv6(t *testing.T) {
	w := newGateWorld(perScope{visitor: 1, network: 2})
	for _, one := range []struct {
		who  string
		want error
	}{
		{"2001:db8:1:1::1", nil},
		{"2001:db8:1:1:ffff::1", usecase.ErrTooManyUploads}, // the same /64
		{"2001:db8:1:2::1", nil},                            // another, in the same /48
		{"2001:db8:1:3::1", usecase.ErrNetworkUploads},
		{"2001:db8:2:1::1", nil},
	} {
		if _, err := w.enter(t, from(one.who)); !errors.Is(err, one.want) {
			t.Errorf("%s: %v, want %v", one.who, err, one.want)
		}
	}
}

func TestWhoIsNotKnownCountsAsOne(t *testing.T) {
	w := newGateWorld(perScope{visitor: 1, network: 9})
	for _, want := range []error{nil, usecase.ErrTooManyUploads} {
		if _, err := w.enter(t, usecase.Client{}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for range 10 { // the operator is not counted
		if q, err := w.enter(t, usecase.ThisMachine); err != nil || q != (usecase.Quota{}) {
			t.Errorf("from this machine: %+v, %v", q, err)
		}
	}
}

func TestGateSaysWhenToComeBack(t *testing.T) {
	w := newGateWorld(perScope{visitor: 1, network: 9})
	if q, err := w.enter(t, from("192.0.2.1")); err != nil || q != (usecase.Quota{Scope: "visitor", Limit: 1, Reset: time.Minute, At: noon.Add(time.Minute)}) {
		t.Errorf("%+v, %v", q, err)
	}
	_, err := w.enter(t, from("192.0.2.1"))
	limited, ok := errors.AsType[*usecase.Limited](err)
	if !ok || limited.RetryAfter != time.Minute || limited.Quota != (usecase.Quota{Scope: "visitor", Limit: 1, Reset: time.Minute, At: noon.Add(time.Minute)}) {
		t.Errorf("%+v", err)
	}
	if r, ok := refusal.As(err); !ok || r != usecase.ErrTooManyUploads {
		t.Errorf("%v is no refusal", err)
	}
}

// Who is at the limit is told so before a picture is here; and asking takes nobody's room.
func TestFullBeforeThePictureIsHere(t *testing.T) {
	w := newGateWorld(perScope{visitor: 2, network: 3})
	full := func(who string, want error) {
		t.Helper()
		if err := w.Full(t.Context(), from(who)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", who, err, want)
		}
	}
	for _, want := range []error{nil, nil, usecase.ErrTooManyUploads} {
		for range 3 {
			full("192.0.2.1", want)
		}
		if _, err := w.enter(t, from("192.0.2.1")); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	full("192.0.2.2", nil)
	if _, err := w.enter(t, from("192.0.2.2")); err != nil {
		t.Error(err)
	}
	full("192.0.2.3", usecase.ErrNetworkUploads)
	full("192.0.3.1", nil)
	if err := w.Full(t.Context(), usecase.ThisMachine); err != nil {
		t.Error(err)
	}
	if refused, _ := w.told.Told(); len(refused) != 5 {
		t.Errorf("the record is told of %d refusals", len(refused))
	}
	w.at = w.at.Add(time.Minute)
	full("192.0.2.1", nil)
}

func TestGateRefusesWhatTheRulesDoNotTake(t *testing.T) {
	broken := errors.New("the rule did not decide")
	for name, tt := range map[string]struct {
		policy usecase.UploadPolicy
		want   error
	}{
		"too many bytes":    {fake.Uploads{Refuse: []string{"bytes", "pixels"}}, image.ErrTooLarge},
		"too many pixels":   {fake.Uploads{Refuse: []string{"pixels"}}, image.ErrTooManyPixels},
		"no answer of rate": {perScope{visitor: 9, network: 9, fails: broken}, broken},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGateWorld(tt.policy)
			if _, err := w.enter(t, from("192.0.2.1")); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if refused, _ := w.told.Told(); len(refused) != 1 {
				t.Errorf("the record is told of %+v", refused)
			}
		})
	}
	w := newGateWorld(perScope{visitor: 1, network: 1, fails: broken})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := w.Enter(gone, from("192.0.2.1"), usecase.Load{Pixels: 1}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if refused, _ := w.told.Told(); len(refused) != 0 {
		t.Errorf("somebody who left was refused: %+v", refused)
	}
}

// However uploads are spread over time and addresses, no minute has more of a visitor than the
// limit, and whoever stays below it is never refused.
func TestNoMinuteHasMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const limit = 4
		w := newGateWorld(perScope{visitor: limit, network: 1 << 30})
		entered := map[string][]time.Time{}
		for range rapid.IntRange(1, 60).Draw(rt, "uploads") {
			w.at = w.at.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(rt, "ms")) * time.Millisecond)
			who := fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 3).Draw(rt, "who"))
			recent := 0
			for _, at := range entered[who] {
				if w.at.Sub(at) < time.Minute {
					recent++
				}
			}
			_, err := w.enter(t, from(who))
			if (err == nil) != (recent < limit) {
				rt.Fatalf("after %d in a minute: %v", recent, err)
			}
			if err == nil {
				entered[who] = append(entered[who], w.at)
			}
		}
	})
}

func TestOfManyAtOnceNoneSlipsThrough(t *testing.T) {
	w := newGateWorld(perScope{visitor: 5, network: 100})
	var entered sync.Map
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if _, err := w.enter(t, from("192.0.2.1")); err == nil {
				entered.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	entered.Range(func(any, any) bool { n++; return true })
	if n == 0 || n > 5 {
		t.Errorf("%d of 50 entered", n)
	}
}

// listening is a policy that remembers what it was asked last, and takes every picture.
type listening struct {
	fake.Uploads
	last map[usecase.Scope]usecase.Usage
}

func (l listening) Rate(ctx context.Context, u usecase.Usage) (usecase.RateAnswer, event.Decision, error) {
	l.last[u.Scope] = u
	return l.Uploads.Rate(ctx, u)
}

// What lets a picture in is told when it is about to be recorded, and only then; a check before the picture is here lets nothing in.
func TestWhatLetsAPictureInIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		client usecase.Client
		then   func(usecase.Admission)
		want   string
	}{
		"used":              {from("192.0.2.1"), usecase.Admission.Use, "upload.accept upload.rate upload.rate"},
		"used by operators": {usecase.ThisMachine, usecase.Admission.Use, "upload.accept"},
		"a repetition":      {from("192.0.2.1"), usecase.Admission.Repeat, ""},
		"not recorded":      {from("192.0.2.1"), usecase.Admission.Leave, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGateWorld(fake.Uploads{PerMinute: 2})
			a, err := w.Enter(t.Context(), tt.client, usecase.Load{Type: "jpeg", Bytes: 1, Pixels: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Full(t.Context(), tt.client); err != nil {
				t.Fatal(err)
			}
			tt.then(a)
			refused, allowed := w.told.Told()
			var told []string
			for _, d := range allowed {
				if d.Outcome != "allow" {
					t.Errorf("told %+v", d)
				}
				told = append(told, d.Rule)
			}
			if got := strings.Join(told, " "); got != tt.want || len(refused) > 0 {
				t.Errorf("told %q and %d refusals, want %q", got, len(refused), tt.want)
			}
		})
	}
	w := newGateWorld(perScope{visitor: 5, network: 1})
	if _, err := w.enter(t, from("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.enter(t, from("192.0.2.2")); !errors.Is(err, usecase.ErrNetworkUploads) {
		t.Fatal(err) // the visitor has room, the network has none
	}
	if _, allowed := w.told.Told(); len(allowed) != 0 {
		t.Errorf("told of a yes to somebody who was refused: %+v", allowed)
	}
}

// A repeated request is answered as before. It costs a request, so that a loop of them ends, and no pixels.
func TestRepeatedRequestCostsARequest(t *testing.T) {
	w := newWorld()
	up := w.upload()
	asked := listening{fake.Uploads{PerMinute: 4}, map[usecase.Scope]usecase.Usage{}}
	up.Gate = fake.NewGate(asked, w.told, w.record, w.vault, w.now)
	up.Inspect = func([]byte) (usecase.Head, error) { return usecase.Head{Type: "jpeg", Pixels: 100}, nil }
	cmd := usecase.UploadCommand{Client: from("192.0.2.1"), IdempotencyKey: "mine", Picture: []byte("pixels")}
	first, err := up.Do(t.Context(), cmd)
	if err != nil || first.Quota.Left != 3 {
		t.Fatalf("%+v, %v", first.Quota, err)
	}
	if again, err := up.Do(t.Context(), cmd); err != nil || again.Image != first.Image || again.Quota.Left != 2 {
		t.Fatalf("again: %+v, %v", again, err)
	}
	other := cmd
	other.Picture = []byte("another")
	if _, err := up.Do(t.Context(), other); !errors.Is(err, usecase.ErrOtherBody) {
		t.Fatalf("another photo: %v", err)
	}
	last, err := up.Do(t.Context(), usecase.UploadCommand{Client: cmd.Client, Picture: []byte("other")})
	if err != nil || last.Quota.Left != 0 {
		t.Errorf("the last: %+v, %v", last, err)
	}
	for scope, usage := range asked.last {
		if usage.Uploads != 4 || usage.Pixels != 2*100 {
			t.Errorf("%s: asked for %+v", scope, usage)
		}
	}
	before := w.stored(t)
	if _, err := up.Do(t.Context(), cmd); !errors.Is(err, usecase.ErrTooManyUploads) || w.stored(t) != before {
		t.Errorf("too many repetitions: %v", err)
	}
	if _, allowed := w.told.Told(); len(allowed) != 2*3 {
		t.Errorf("two photos were let in, and %d decisions are told", len(allowed))
	}
}

// What cannot be taken costs a request as well: reading it cost us something.
func TestRequestsWithoutAPhotoCount(t *testing.T) {
	w := newWorld()
	up := w.upload()
	up.Gate = fake.NewGate(fake.Uploads{PerMinute: 3}, w.told, w.record, w.vault, w.now)
	up.Inspect = func(b []byte) (usecase.Head, error) {
		if string(b) == "text" {
			return usecase.Head{}, image.ErrNotAnImage
		}
		return usecase.Head{Type: "jpeg", Pixels: 100}, nil
	}
	do := func(picture string) error {
		_, err := up.Do(t.Context(), usecase.UploadCommand{Client: from("192.0.2.1"), Picture: []byte(picture)})
		return err
	}
	if err := do("text"); !errors.Is(err, image.ErrNotAnImage) {
		t.Fatal(err)
	}
	if err := do(""); !errors.Is(err, image.ErrEmpty) {
		t.Fatal(err)
	}
	up.Gate.Policy = fake.Uploads{PerMinute: 3, Refuse: []string{"pixels"}}
	if err := do("too large"); !errors.Is(err, image.ErrTooManyPixels) {
		t.Fatal(err)
	}
	up.Gate.Policy = fake.Uploads{PerMinute: 3}
	if err := up.Gate.Full(t.Context(), from("192.0.2.1")); !errors.Is(err, usecase.ErrTooManyUploads) {
		t.Errorf("before the fourth: %v", err)
	}
	if err := do("photo"); !errors.Is(err, usecase.ErrTooManyUploads) {
		t.Errorf("the fourth: %v", err)
	}
}
