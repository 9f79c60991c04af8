package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// shelf is a store whose objects have the ages that a test gives them, and whose listing can be
// anything.
type shelf struct {
	fake.Blobs
	gone   func() // called when an object was removed
	wall   time.Time
	ages   map[string]time.Duration
	listed func(context.Context, []usecase.Blob, func(usecase.Blob) error) error // nil: honestly
	opened int
}

func (s *shelf) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	s.opened++
	return s.Blobs.Open(ctx, name)
}

func (s *shelf) Delete(ctx context.Context, name string) error {
	err := s.Blobs.Delete(ctx, name)
	if s.gone != nil {
		s.gone()
	}
	return err
}

func (s *shelf) List(ctx context.Context, each func(usecase.Blob) error) error {
	var all []usecase.Blob
	err := s.Blobs.List(ctx, func(b usecase.Blob) error {
		b.Stored = s.wall.Add(-s.ages[b.Name])
		all = append(all, b)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b usecase.Blob) int { return strings.Compare(a.Name, b.Name) })
	if s.listed != nil {
		return s.listed(ctx, all, each)
	}
	return honestly(ctx, all, each)
}

func honestly(_ context.Context, all []usecase.Blob, each func(usecase.Blob) error) error {
	for _, b := range all {
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) names(t interface{ Fatal(...any) }) []string {
	var names []string
	if err := s.Blobs.List(context.Background(), func(b usecase.Blob) error { names = append(names, b.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// post is a sentinel's world.
type post struct {
	*world
	shelf    *shelf
	custody  *fake.Custody
	tables   tables
	limits   limits
	files    files
	checks   []usecase.Check
	sentinel *usecase.Sentinel
}

func newPost() *post {
	w := newWorld()
	p := &post{
		world: w, shelf: &shelf{wall: noon, ages: map[string]time.Duration{}}, custody: &fake.Custody{Record: w.record},
		limits: limits{"analytics": 365 * 24 * time.Hour},
	}
	p.sentinel = &usecase.Sentinel{
		Record: w.record, Custody: p.custody, Keys: fake.HeldKeys{Vault: w.vault, Age: 2 * time.Hour}, Blobs: p.shelf, Retention: w.policy,
		Tables: &p.tables, Limits: p.limits, Files: &p.files, Signer: signer{}, Now: w.now, Wall: func() time.Time { return p.shelf.wall },
	}
	return p
}

type tables []usecase.AgedTable

func (t *tables) Tables(context.Context) ([]usecase.AgedTable, error) { return *t, nil }

type limits map[string]time.Duration

func (l limits) Limit(_ context.Context, kind string, started, _ time.Time) (time.Time, event.Decision, error) {
	period, ok := l[kind]
	if !ok {
		return time.Time{}, event.Decision{}, errors.New("no such kind")
	}
	return started.Add(period), event.Decision{}, nil
}

type files []system.Finding

func (f *files) Look(context.Context) ([]system.Finding, error) { return *f, nil }

type signer struct{}

func (signer) SignAudit(_ context.Context, statement []byte) (string, error) {
	return fmt.Sprintf("signed %d bytes", len(statement)), nil
}

func (p *post) audit(t interface {
	Helper()
	Fatalf(string, ...any)
},
) usecase.Audit {
	t.Helper()
	p.sentinel.Checks = p.checks
	done, err := p.sentinel.Do(context.Background(), nil)
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	return done
}

// put stores an object of an age.
func (p *post) put(t interface{ Fatal(...any) }, name string, age time.Duration) {
	if err := p.shelf.Put(context.Background(), name, strings.NewReader("\x28sealed, for all that is known")); err != nil {
		t.Fatal(err)
	}
	p.shelf.ages[name] = age
}

// happens puts facts into the record, as if they had been put there by whoever may.
func (p *post) happens(t interface{ Fatal(...any) }, stream event.Stream, make []personal.Key, facts ...event.Fact) {
	before, err := p.record.Load(context.Background(), stream)
	if err != nil {
		t.Fatal(err)
	}
	a := event.Append{At: p.at, Make: make, Parts: []event.Part{{Stream: stream, Expected: int64(len(before))}}}
	for _, f := range facts {
		a.Parts[0].Facts = append(a.Parts[0].Facts, event.Pending{Fact: f})
	}
	if _, err := p.record.Append(context.Background(), a); err != nil {
		t.Fatal(err)
	}
}

func (p *post) key(t interface{ Fatal(...any) }, img id.Image) []personal.Key {
	key, err := p.vault.New(image.Key(img))
	if err != nil {
		t.Fatal(err)
	}
	return []personal.Key{key}
}

// kept is a picture that is uploaded, with its photo in the store.
func (p *post) kept(t interface{ Fatal(...any) }, due time.Time) id.Image {
	img := p.newImage()
	p.happens(t, image.Stream(img), p.key(t, img), image.Uploaded{Due: due})
	p.put(t, original(img), time.Minute)
	return img
}

func original(img id.Image) string { return string(img) + "/original" }
func result(img id.Image) string   { return string(img) + "/result" }

// counts are findings by code.
func counts(a usecase.Audit) map[string]int64 {
	all := map[string]int64{}
	for _, f := range a.Fact.Findings {
		all[f.Code] += f.Count
	}
	return all
}

func TestSentinelFinds(t *testing.T) {
	tomorrow, before := noon.Add(24*time.Hour), noon.Add(-time.Second)
	tests := map[string]struct {
		given   func(t *testing.T, p *post)
		found   map[string]int64
		removed int64
		broken  bool
	}{
		"nothing at all": {given: func(*testing.T, *post) {}},
		"a picture that may be there": {given: func(t *testing.T, p *post) {
			p.put(t, result(p.kept(t, tomorrow)), 0)
		}},
		"the moment before its time": {given: func(t *testing.T, p *post) { p.kept(t, noon.Add(time.Millisecond)) }},
		"its time": {
			given: func(t *testing.T, p *post) { p.kept(t, noon) },
			found: map[string]int64{"object.overdue": 1}, removed: 1, broken: true,
		},
		"past its time, photo and cutout": {
			given: func(t *testing.T, p *post) { p.put(t, result(p.kept(t, before)), 0) },
			found: map[string]int64{"object.overdue": 2}, removed: 2, broken: true,
		},
		"past its time, and the rule says no": {
			given: func(t *testing.T, p *post) { p.kept(t, before); p.sentinel.Retention = never{} },
			found: map[string]int64{"object.overdue": 1}, removed: 1, broken: true,
		},
		"nobody's, on its way": {given: func(t *testing.T, p *post) { p.kept(t, tomorrow); p.put(t, original(p.newImage()), 9*time.Minute) }},
		"nobody's": {
			given: func(t *testing.T, p *post) { p.kept(t, tomorrow); p.put(t, original(p.newImage()), 59*time.Minute) },
			found: map[string]int64{"object.unknown": 1},
		},
		"nobody's for an hour": {
			given: func(t *testing.T, p *post) { p.kept(t, tomorrow); p.put(t, original(p.newImage()), time.Hour) },
			found: map[string]int64{"object.unknown": 1}, removed: 1,
		},
		"nobody's, not even by its name": {
			given: func(t *testing.T, p *post) { p.kept(t, tomorrow); p.put(t, "lost+found", time.Hour) },
			found: map[string]int64{"object.unknown": 1}, removed: 1,
		},
		"nobody's, in an empty record": {
			given: func(t *testing.T, p *post) { p.put(t, original(p.newImage()), time.Hour) },
			found: map[string]int64{"object.unknown": 1},
		},
		"a kind of copy that there is not": {
			given: func(t *testing.T, p *post) { p.put(t, string(p.kept(t, tomorrow))+"/thumbnail", time.Hour) },
			found: map[string]int64{"object.unknown": 1},
		},
		"of a deleted picture": {
			given: func(t *testing.T, p *post) {
				img := p.newImage()
				p.happens(t, image.Stream(img), nil, image.Uploaded{Due: tomorrow}, image.Deleted{Actual: before})
				p.put(t, result(img), 0)
			},
			found: map[string]int64{"object.of_deleted": 1}, removed: 1,
		},
		"nobody can read it": {
			given: func(t *testing.T, p *post) {
				img := p.newImage()
				p.happens(t, image.Stream(img), nil, image.Uploaded{Due: tomorrow})
				p.put(t, original(img), 48*time.Hour)
			},
			found: map[string]int64{"object.without_key": 1},
		},
		"a key without photo or cutout": {
			given: func(t *testing.T, p *post) {
				img := p.newImage()
				p.happens(t, image.Stream(img), p.key(t, img), image.Uploaded{Due: tomorrow})
			},
			found: map[string]int64{"key.without_object": 1},
		},
		"the same, past its time": {
			given: func(t *testing.T, p *post) {
				img := p.newImage()
				p.happens(t, image.Stream(img), p.key(t, img), image.Uploaded{Due: before})
			},
			found: map[string]int64{"key.overdue": 1}, broken: true,
		},
		"a key of a deleted picture": {
			given: func(t *testing.T, p *post) {
				img := p.newImage()
				p.happens(t, image.Stream(img), p.key(t, img), image.Uploaded{Due: tomorrow}, image.Deleted{Actual: before})
			},
			found: map[string]int64{"key.of_deleted": 1}, broken: true,
		},
		"another key that came back": {
			given: func(t *testing.T, p *post) {
				visit, err := p.vault.New("visit/01900000-0000-7000-8000-0000000000aa")
				if err != nil {
					t.Fatal(err)
				}
				p.happens(t, "vault/01900000-0000-7000-8000-0000000000aa", []personal.Key{visit}, system.KeyDestroyed{Key: visit.ID()})
			},
			found: map[string]int64{"key.of_deleted": 1}, broken: true,
		},
		"a key of a picture that nobody knows": {
			given: func(t *testing.T, p *post) {
				p.happens(t, "audit/01900000-0000-7000-8000-0000000000aa", p.key(t, p.newImage()), event.Unknown{Name: "a.b.v1"})
			},
			found: map[string]int64{"key.unknown": 1},
		},
		"a picture in clear": {
			given: func(t *testing.T, p *post) {
				if err := p.shelf.Put(t.Context(), original(p.kept(t, tomorrow)), strings.NewReader("\xff\xd8\xff\xe0 a photo")); err != nil {
					t.Fatal(err)
				}
			},
			found: map[string]int64{"object.unsealed": 1}, broken: true,
		},
		"a table in time": {given: func(_ *testing.T, p *post) {
			p.tables = tables{{Kind: "analytics", Oldest: noon.Add(-365*24*time.Hour - 2*time.Hour)}, {Kind: "analytics"}}
		}},
		"a table past its period": {
			given: func(_ *testing.T, p *post) {
				p.tables = tables{{Kind: "analytics", Promise: "usage.keep-12m", Oldest: noon.Add(-365*24*time.Hour - 2*time.Hour - time.Second)}}
			},
			found: map[string]int64{"table.overdue": 1}, broken: true,
		},
		"a table past its period, on hold": {
			given: func(_ *testing.T, p *post) {
				p.tables = tables{
					{Kind: "analytics", Promise: "usage.keep-12m", Oldest: noon.Add(-365*24*time.Hour - 2*time.Hour - time.Second), Held: true},
					{Kind: "analytics", Promise: "usage.keep-12m", Oldest: noon, Held: true},
				}
			},
			found: map[string]int64{"table.held": 1},
		},
		"files where none may be": {
			given: func(_ *testing.T, p *post) { p.files = files{{Code: "file.unsealed", Promise: "x", Count: 3}} },
			found: map[string]int64{"file.unsealed": 3}, broken: true,
		},
		"things that are no objects": {
			given: func(_ *testing.T, p *post) {
				p.shelf.listed = func(context.Context, []usecase.Blob, func(usecase.Blob) error) error {
					return fmt.Errorf("list: %w", usecase.ForeignError{Count: 2})
				}
			},
			found: map[string]int64{"file.foreign": 2},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPost()
			tt.given(t, p)
			done := p.audit(t)
			if got := counts(done); !maps.Equal(got, tt.found) {
				t.Errorf("found %v, want %v", got, tt.found)
			}
			if done.Fact.Removed != tt.removed || !done.Fact.Whole || done.Broken() != tt.broken {
				t.Errorf("removed %d, want %d; broken %v; %+v, %v", done.Fact.Removed, tt.removed, done.Broken(), done.Fact, done.Trouble)
			}
		})
	}
}

// never is a rule that deletes nothing.
type never struct{ fake.Retention }

func (never) Due(context.Context, time.Time, time.Time) (bool, event.Decision, error) {
	return false, event.Decision{Rule: "retention.due", Outcome: "deny"}, nil
}

// What is overdue gets its fact and loses its key, by the one way in which pictures are deleted.
func TestSentinelDeletesInTheRecordToo(t *testing.T) {
	p := newPost()
	img := p.kept(t, noon.Add(-time.Minute))
	p.audit(t)
	history, err := p.record.Load(t.Context(), image.Stream(img))
	if err != nil || image.FromRecord(history).Status() != image.Gone {
		t.Fatalf("the record says %v, %v", history, err)
	}
	last := history[len(history)-1]
	if f := last.Fact.(image.Deleted); f.Why != image.BecauseDue || last.Actor.Role != event.Clock {
		t.Errorf("deleted %+v by %s", f, last.Actor.Role)
	}
	if _, err := p.vault.Key(t.Context(), image.Key(img)); !errors.Is(err, personal.ErrDestroyed) {
		t.Errorf("the key: %v", err)
	}
	if again := p.audit(t); len(again.Fact.Findings) != 0 || again.Fact.Removed != 0 {
		t.Errorf("the next audit: %+v", again.Fact)
	}
}

// A fault of a store, a view or the record makes an audit that is not whole, and deletes nothing.
func TestSentinelDeletesNothingThatItDidNotSeeWhole(t *testing.T) {
	broken := errors.New("broken")
	half := func(end func() error) func(context.Context, []usecase.Blob, func(usecase.Blob) error) error {
		return func(_ context.Context, all []usecase.Blob, each func(usecase.Blob) error) error {
			for _, b := range all[:len(all)/2] {
				if err := each(b); err != nil {
					return err
				}
			}
			return end()
		}
	}
	tests := map[string]struct {
		given func(p *post)
		code  string
	}{
		"the listing breaks off": {func(p *post) { p.shelf.listed = half(func() error { return broken }) }, "listing.incomplete"},
		"the listing panics":     {func(p *post) { p.shelf.listed = half(func() error { panic("a store's") }) }, "listing.incomplete"},
		"it lists nothing": {func(p *post) {
			p.shelf.listed = func(context.Context, []usecase.Blob, func(usecase.Blob) error) error { return nil }
		}, "object.unlisted"},
		"it lists fewer": {func(p *post) { p.shelf.listed = half(func() error { return nil }) }, "object.unlisted"},
		"damage and foreign things": {func(p *post) {
			p.shelf.listed = half(func() error { return errors.Join(broken, errors.New("3 foreign")) })
		}, "listing.incomplete"},
		"the view lags":              {func(p *post) { p.custody.Behind = 61 * time.Second }, "record.lagging"},
		"the view cannot be asked":   {func(p *post) { p.sentinel.Custody = failing{p.custody} }, "listing.incomplete"},
		"the vault cannot be asked":  {func(p *post) { p.sentinel.Keys = failingKeys{p.sentinel.Keys} }, "listing.incomplete"},
		"a table without a period":   {func(p *post) { p.tables = tables{{Kind: "unheard of", Promise: "x", Oldest: noon}} }, "table.without_period"},
		"the record cannot be asked": {func(p *post) { p.sentinel.Record = away{p.record} }, "listing.incomplete"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPost()
			p.kept(t, noon.Add(time.Hour))
			p.kept(t, noon.Add(-time.Hour)) // would be deleted
			p.put(t, "lost+found", 2*time.Hour)
			p.kept(t, noon.Add(time.Hour))
			there := p.shelf.names(t)
			tt.given(p)
			done := p.audit(t)
			if done.Fact.Whole || done.Trouble == nil || !done.Broken() {
				t.Errorf("it says that it saw everything: %+v", done.Fact)
			}
			if counts(done)[tt.code] == 0 {
				t.Errorf("found %v, want %s", counts(done), tt.code)
			}
			if left := p.shelf.names(t); done.Fact.Removed != 0 || !slices.Equal(left, there) {
				t.Errorf("removed %d; left %v of %v", done.Fact.Removed, left, there)
			}
		})
	}
}

type failing struct{ usecase.Custody }

func (failing) Pictures(context.Context, []id.Image) ([]usecase.InCustody, error) {
	return nil, errors.New("away")
}

type failingKeys struct{ usecase.HeldKeys }

func (failingKeys) LiveKeys(context.Context, personal.KeyID, int) ([]usecase.LiveKey, error) {
	return nil, errors.New("away")
}

// away is a record that can be written and not asked about pictures.
type away struct{ *fake.Record }

func (a away) Load(ctx context.Context, stream event.Stream) ([]event.Envelope, error) {
	if _, ok := image.OfStream(stream); ok {
		return nil, event.ErrUnavailable
	}
	return a.Record.Load(ctx, stream)
}

// A store that never comes to its end is given up.
func TestSentinelDoesNotWaitForASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost()
		p.put(t, "lost+found", 2*time.Hour)
		p.shelf.listed = func(ctx context.Context, all []usecase.Blob, each func(usecase.Blob) error) error {
			if err := each(all[0]); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		done := p.audit(t)
		if took := time.Since(began); took > 10*time.Minute || done.Fact.Whole || done.Fact.Removed != 0 {
			t.Errorf("after %s: %+v", took, done.Fact)
		}
	})
}

func TestSentinelCountsOnceWhatIsListedTwice(t *testing.T) {
	p := newPost()
	p.kept(t, noon.Add(time.Hour))
	p.put(t, "lost+found", 2*time.Hour)
	p.shelf.listed = func(ctx context.Context, all []usecase.Blob, each func(usecase.Blob) error) error {
		return honestly(ctx, append(all, all...), each)
	}
	done := p.audit(t)
	if done.Fact.Objects != 2 || counts(done)["object.unknown"] != 1 || done.Fact.Removed != 1 || !done.Fact.Whole {
		t.Errorf("got %+v", done.Fact)
	}
}

// The store stamps by the real clock, however far ahead the service's is.
func TestSentinelKeepsTwoClocksApart(t *testing.T) {
	p := newPost()
	p.at = noon.Add(90 * 24 * time.Hour)
	p.kept(t, p.at.Add(time.Hour))
	p.put(t, original(p.newImage()), time.Minute)
	if done := p.audit(t); len(done.Fact.Findings) != 0 {
		t.Errorf("found %+v", done.Fact.Findings)
	}
	p.at = p.at.Add(2 * time.Hour)
	if done := p.audit(t); counts(done)["object.overdue"] != 1 || len(done.Fact.Findings) != 1 {
		t.Errorf("found %+v", done.Fact.Findings)
	}
}

// A view that is behind by less than is allowed calls nothing wrong that the record does not.
func TestSentinelAsksTheRecordItself(t *testing.T) {
	p := newPost()
	img := p.kept(t, noon.Add(time.Hour))
	p.shelf.ages[original(img)] = 2 * time.Hour // by a clock that went astray
	p.custody.Lacks, p.custody.Behind = len(p.record.All()), 59*time.Second
	if done := p.audit(t); len(done.Fact.Findings) != 0 || done.Fact.Removed != 0 {
		t.Errorf("found %+v", done.Fact)
	}
}

func TestSentinelConfirmsAtMostSoManyAtOnce(t *testing.T) {
	p := newPost()
	p.kept(t, noon.Add(time.Hour))
	const all = 10_050
	for i := range all {
		p.put(t, fmt.Sprintf("noise-%d", i), 2*time.Hour)
	}
	first, second := p.audit(t), p.audit(t)
	if counts(first)["object.unknown"] != all || first.Fact.Removed != 10_000 || second.Fact.Removed != all-10_000 {
		t.Errorf("%+v, then %+v", first.Fact, second.Fact)
	}
}

// Whatever the record, the vault and the store hold, the findings are those of a model that has all of it
// in mind at once, and nothing that the record knows alive and not due is removed.
func TestSentinelAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPost()
		p.happens(t, "audit/01900000-0000-7000-8000-0000000000ff", nil, event.Unknown{Name: "a.b.v1"})
		want, removed, sacred := map[string]int64{}, []string{}, []string{}
		for range rapid.IntRange(0, 12).Draw(t, "pictures") {
			img := p.newImage()
			known, deleted, live := rapid.Bool().Draw(t, "known"), rapid.Bool().Draw(t, "deleted"), rapid.Bool().Draw(t, "live key")
			due := noon.Add(rapid.SampledFrom([]time.Duration{-time.Hour, 0, time.Hour}).Draw(t, "due"))
			var keys []personal.Key
			if live {
				keys = p.key(t, img)
			}
			switch {
			case known && deleted:
				p.happens(t, image.Stream(img), keys, image.Uploaded{Due: due}, image.Deleted{Actual: noon})
			case known:
				p.happens(t, image.Stream(img), keys, image.Uploaded{Due: due})
			default:
				p.happens(t, event.Stream("other/"+string(img)), keys, event.Unknown{Name: "a.b.v1"})
			}
			objects := 0
			for _, name := range []string{original(img), result(img)} {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				objects++
				age := rapid.SampledFrom([]time.Duration{0, 30 * time.Minute, 2 * time.Hour}).Draw(t, "age")
				p.put(t, name, age)
				switch {
				case !known:
					if age >= 10*time.Minute {
						want["object.unknown"]++
					}
					if age >= time.Hour && !live {
						removed = append(removed, name)
					}
				case deleted:
					want["object.of_deleted"]++
					removed = append(removed, name)
				case !noon.Before(due):
					want["object.overdue"]++
					removed = append(removed, name)
				default:
					sacred = append(sacred, name)
					if !live {
						want["object.without_key"]++
					}
				}
			}
			switch {
			case !live:
			case !known:
				want["key.unknown"]++
			case deleted:
				want["key.of_deleted"]++
			case objects > 0:
			case !noon.Before(due):
				want["key.overdue"]++
			default:
				want["key.without_object"]++
			}
		}
		there := p.shelf.names(t)
		done := p.audit(t)
		if got := counts(done); !maps.Equal(got, want) || !done.Fact.Whole || done.Fact.Removed != int64(len(removed)) {
			t.Fatalf("found %v, want %v; removed %d, want %v; %v", got, want, done.Fact.Removed, removed, done.Trouble)
		}
		left := p.shelf.names(t)
		for _, name := range there {
			gone := !slices.Contains(left, name)
			if gone != slices.Contains(removed, name) || gone && slices.Contains(sacred, name) {
				t.Fatalf("%s is gone: %v", name, gone)
			}
		}
	})
}

// The head of an object is read once, when it is new; as long as one is found in clear, all are read again.
func TestSentinelReadsHeadsOnce(t *testing.T) {
	p := newPost()
	old := p.kept(t, noon.Add(24*time.Hour))
	p.shelf.ages[original(old)] = time.Hour
	p.kept(t, noon.Add(24*time.Hour)) // a minute old: perhaps stored after the listing began
	for i, want := range []int{2, 1} {
		p.shelf.opened = 0
		if p.audit(t); p.shelf.opened != want {
			t.Errorf("audit %d opened %d objects, want %d", i+1, p.shelf.opened, want)
		}
	}
	plain := p.kept(t, noon.Add(24*time.Hour))
	if err := p.shelf.Put(t.Context(), original(plain), strings.NewReader("GIF89a, in clear")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if done := p.audit(t); counts(done)["object.unsealed"] != 1 {
			t.Errorf("found %v", counts(done))
		}
		p.shelf.wall = p.shelf.wall.Add(time.Minute)
	}
}

// A clock that goes back makes nothing overdue and brings nothing back.
func TestSentinelWithAClockThatGoesBack(t *testing.T) {
	p := newPost()
	p.kept(t, noon.Add(-time.Hour))
	p.kept(t, noon.Add(time.Hour))
	p.audit(t)
	p.at = noon.Add(-48 * time.Hour)
	if done := p.audit(t); len(done.Fact.Findings) != 0 || done.Fact.Objects != 1 {
		t.Errorf("found %+v", done.Fact)
	}
}

// A record that takes its time costs no more than the time there is: what was confirmed by then is removed.
func TestSentinelRemovesWhatItHadTimeToConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost()
		for range 200 {
			p.kept(t, noon.Add(-time.Hour))
		}
		p.sentinel.Record = slow{p.record, 2 * time.Second}
		done := p.audit(t)
		if !done.Fact.Whole || done.Fact.Removed < 50 || done.Fact.Removed > 150 || counts(done)["object.overdue"] != 200 {
			t.Errorf("found %+v", done.Fact)
		}
	})
}

// slow is a record that answers about pictures after a while.
type slow struct {
	*fake.Record
	after time.Duration
}

func (s slow) Load(ctx context.Context, stream event.Stream) ([]event.Envelope, error) {
	if _, ok := image.OfStream(stream); ok {
		select {
		case <-time.After(s.after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Record.Load(ctx, stream)
}
