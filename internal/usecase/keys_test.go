package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// keyStore is a vault in memory, as the comparison sees it.
type keyStore struct {
	live     map[personal.KeyID]usecase.LiveKey
	dead     map[personal.KeyID]string
	due      map[personal.KeyID]time.Time
	compared int64
}

func newKeyStore() *keyStore {
	return &keyStore{live: map[personal.KeyID]usecase.LiveKey{}, dead: map[personal.KeyID]string{}, due: map[personal.KeyID]time.Time{}}
}

func (s *keyStore) add(id personal.KeyID, age time.Duration) {
	s.live[id] = usecase.LiveKey{ID: id, Age: age}
}

func (s *keyStore) destroy(id personal.KeyID, why string) {
	delete(s.live, id)
	s.dead[id] = why
}

func (s *keyStore) LiveKeys(_ context.Context, after personal.KeyID, limit int) (page []usecase.LiveKey, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.live)) {
		if id > after && len(page) < limit {
			page = append(page, s.live[id])
		}
	}
	return page, nil
}

func (s *keyStore) Alive(_ context.Context, keys []personal.KeyID) (alive []personal.KeyID, err error) {
	for _, id := range keys {
		if _, ok := s.live[id]; ok {
			alive = append(alive, id)
		}
	}
	return alive, nil
}

func (s *keyStore) Bury(_ context.Context, graves []usecase.Grave) (buried int, err error) {
	for _, g := range graves {
		_, live := s.live[g.ID]
		if _, dead := s.dead[g.ID]; !live && !dead {
			s.dead[g.ID] = g.Why
			buried++
		}
	}
	return buried, nil
}

func (s *keyStore) EndForgotten(_ context.Context, keys []personal.KeyID, why string) (int, error) {
	for _, id := range keys {
		s.destroy(id, why)
	}
	return len(keys), nil
}

func (s *keyStore) Compared(context.Context) (int64, error) { return s.compared, nil }

func (s *keyStore) SetCompared(_ context.Context, seq int64) error {
	s.compared = max(s.compared, seq)
	return nil
}

func (s *keyStore) DueKeys(_ context.Context, now time.Time, limit int, but ...string) (due []usecase.DueKey, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.due)) {
		if _, live := s.live[id]; live && !slices.Contains(but, system.KeyKind(id)) && !s.due[id].After(now) && len(due) < limit {
			due = append(due, usecase.DueKey{ID: id, Kind: system.KeyKind(id), Due: s.due[id]})
		}
	}
	return due, nil
}

// keyRecord is a record whose appends destroy keys of a store, and what it knows of ends of keys.
type keyRecord struct {
	*fake.Record
	keys *keyStore
	page int64 // how many facts a comparison looks at in one query

	meanwhile *func() // what somebody else does right before the next append
}

func newKeyRecord() keyRecord {
	return keyRecord{Record: fake.NewRecord(nil), keys: newKeyStore(), page: 3, meanwhile: new(func())}
}

func (r keyRecord) Append(ctx context.Context, a event.Append) (event.Appended, error) {
	if other := *r.meanwhile; other != nil {
		*r.meanwhile = nil
		other()
	}
	done, err := r.Record.Append(ctx, a)
	for _, id := range a.Destroy {
		if err == nil {
			r.keys.destroy(id, "recorded")
		}
	}
	return done, err
}

func (r keyRecord) Published(context.Context) (int64, error) {
	return int64(len(r.All())), nil
}

func (r keyRecord) Destroyed(_ context.Context, keys []personal.KeyID) (found []event.Envelope, err error) {
	for _, env := range r.All() {
		if d, ok := env.Fact.(system.KeyDestroyed); ok && slices.Contains(keys, d.Key) {
			found = append(found, env)
		}
	}
	return found, nil
}

func (r keyRecord) DestroyedIn(_ context.Context, after, through int64) (found []event.Envelope, err error) {
	for _, env := range r.All() {
		if _, ok := env.Fact.(system.KeyDestroyed); ok && env.Seq > after && env.Seq <= through {
			found = append(found, env)
		}
	}
	return found, nil
}

func (r keyRecord) Unheard(_ context.Context, streams []event.Stream) (unheard []event.Stream, err error) {
	for _, s := range streams {
		if !slices.ContainsFunc(r.All(), func(env event.Envelope) bool { return env.Stream == s }) {
			unheard = append(unheard, s)
		}
	}
	return unheard, nil
}

// begin records the first fact of a subject with a key.
func (r keyRecord) begin(t testing.TB, id personal.KeyID) {
	t.Helper()
	r.keys.add(id, 2*time.Hour)
	r.fact(t, event.Stream(id), 0, system.KeyResurrectionFound{}) // any fact will do
}

// end records the end of a key, in its vault or not.
func (r keyRecord) end(t testing.TB, id personal.KeyID) {
	t.Helper()
	r.fact(t, system.VaultStream(id), 0, system.KeyDestroyed{Key: id, Why: "image.deleted"})
}

func (r keyRecord) fact(t testing.TB, stream event.Stream, expected int64, fact event.Fact) {
	t.Helper()
	_, err := r.Record.Append(context.Background(), event.Append{
		At: noon, Parts: []event.Part{{Stream: stream, Expected: expected, Facts: []event.Pending{{Fact: fact}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (r keyRecord) compare() (usecase.Comparison, error) {
	return usecase.CompareKeys{
		Record: r, Endings: r, Keys: r.keys, Policy: keyPolicy{}, Now: func() time.Time { return noon }, Page: r.page,
	}.Do(context.Background())
}

// keyPolicy knows pictures, visits and credentials; those have no stream of their own.
type keyPolicy struct{ never bool }

func (keyPolicy) Lifetime(_ context.Context, kind string, _ time.Time) (usecase.Lifetime, error) {
	switch kind {
	case "image", "visit":
		return usecase.Lifetime{OwnStream: true}, nil
	case "credential":
		return usecase.Lifetime{}, nil
	}
	return usecase.Lifetime{}, usecase.ErrKeyKind
}

func (p keyPolicy) KeyDue(context.Context, string, time.Time, time.Time) (bool, event.Decision, error) {
	return !p.never, event.Decision{Rule: "keys.due"}, nil
}

func (keyPolicy) WrappingDue(context.Context, time.Time, time.Time) (bool, error) { return false, nil }

func (r keyRecord) findings(key personal.KeyID) (n int) {
	for _, env := range r.All() {
		if f, ok := env.Fact.(system.KeyResurrectionFound); ok && f.Key == key {
			n++
		}
	}
	return n
}

func TestCompareKeys(t *testing.T) {
	tests := map[string]struct {
		given func(t *testing.T, r keyRecord)
		then  usecase.Comparison
		dead  []personal.KeyID
	}{
		"nothing": {given: func(*testing.T, keyRecord) {}},
		"alive":   {given: func(t *testing.T, r keyRecord) { r.begin(t, "image/1") }, then: usecase.Comparison{Live: 1}},
		"destroyed in both": {
			given: func(t *testing.T, r keyRecord) {
				r.begin(t, "image/1")
				r.end(t, "image/1")
				r.keys.destroy("image/1", "x")
			},
			dead: []personal.KeyID{"image/1"},
		},
		"come back since the last comparison": {
			given: func(t *testing.T, r keyRecord) { r.begin(t, "image/1"); r.end(t, "image/1") },
			then:  usecase.Comparison{Resurrected: 1},
			dead:  []personal.KeyID{"image/1"},
		},
		"come back although it was compared": {
			given: func(t *testing.T, r keyRecord) { r.begin(t, "image/1"); r.end(t, "image/1"); r.keys.compared = 2 },
			then:  usecase.Comparison{Live: 1, Resurrected: 1},
			dead:  []personal.KeyID{"image/1"},
		},
		"made and destroyed after the backup": {
			given: func(t *testing.T, r keyRecord) {
				r.begin(t, "image/1")
				r.end(t, "image/1")
				delete(r.keys.live, "image/1")
			},
			then: usecase.Comparison{Buried: 1},
			dead: []personal.KeyID{"image/1"},
		},
		"of the same name, and another kind": {
			given: func(t *testing.T, r keyRecord) {
				r.begin(t, "image/1")
				r.begin(t, "visit/1")
				r.end(t, "image/1")
				r.keys.destroy("image/1", "x")
			},
			then: usecase.Comparison{Live: 1},
			dead: []personal.KeyID{"image/1"},
		},
		"displaced": {
			given: func(t *testing.T, r keyRecord) { r.keys.add("image/1", time.Hour); r.begin(t, "image/2") },
			then:  usecase.Comparison{Live: 2, Forgotten: 1},
			dead:  []personal.KeyID{"image/1"},
		},
		"a record that is empty": {
			given: func(_ *testing.T, r keyRecord) { r.keys.add("image/1", time.Hour) },
			then:  usecase.Comparison{Live: 1, Doubtful: 1},
		},
		"young, and not heard of yet": {
			given: func(_ *testing.T, r keyRecord) { r.keys.add("image/1", time.Hour-1) },
			then:  usecase.Comparison{Live: 1},
		},
		"without a stream of its own": {
			given: func(_ *testing.T, r keyRecord) { r.keys.add("credential/1", 10*time.Hour) },
			then:  usecase.Comparison{Live: 1},
		},
		"of a newer release": {
			given: func(_ *testing.T, r keyRecord) { r.keys.add("hologram/1", 10*time.Hour) },
			then:  usecase.Comparison{Live: 1},
		},
		"a record that lost facts": {
			given: func(t *testing.T, r keyRecord) {
				r.begin(t, "image/1")
				r.keys.compared = 5
				r.keys.add("image/2", 10*time.Hour)
			},
			then: usecase.Comparison{Live: 2, Doubtful: 1, Missing: 4},
		},
		"a record that lost everything": {
			given: func(_ *testing.T, r keyRecord) {
				for n := range 101 {
					r.keys.add(personal.KeyID(fmt.Sprintf("image/%d", n)), 10*time.Hour)
				}
			},
			then: usecase.Comparison{Live: 101, Doubtful: 101},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newKeyRecord()
			tt.given(t, r)
			compared := r.keys.compared
			found, err := r.compare()
			if err != nil || found != tt.then {
				t.Errorf("found %+v, %v; want %+v", found, err, tt.then)
			}
			if dead := slices.Sorted(maps.Keys(r.keys.dead)); !slices.Equal(dead, tt.dead) {
				t.Errorf("dead are %v; want %v", dead, tt.dead)
			}
			if r.keys.compared < compared {
				t.Errorf("compared up to %d, and before to %d", r.keys.compared, compared)
			}
			// Each finding is recorded once, and the next comparison finds nothing new.
			for id := range r.keys.dead {
				if n := r.findings(id); n != tt.then.Resurrected {
					t.Errorf("%s was found %d times", id, n)
				}
			}
			again, err := r.compare()
			if want := (usecase.Comparison{Live: len(r.keys.live), Doubtful: tt.then.Doubtful, Missing: tt.then.Missing}); err != nil || again != want {
				t.Errorf("the next time it found %+v, %v; want %+v", again, err, want)
			}
		})
	}
}

// manyKeys is a vault of so many old keys that they are gone through in very many pages.
type manyKeys struct {
	*keyStore
	n int
}

func (m manyKeys) LiveKeys(_ context.Context, after personal.KeyID, limit int) (page []usecase.LiveKey, err error) {
	next := 0
	if after != "" {
		if _, err := fmt.Sscanf(string(after), "image/%d", &next); err != nil {
			return nil, err
		}
		next++
	}
	for ; next < m.n && len(page) < limit; next++ {
		page = append(page, usecase.LiveKey{ID: personal.KeyID(fmt.Sprintf("image/%08d", next)), Age: 2 * time.Hour})
	}
	return page, nil
}

func (manyKeys) Alive(context.Context, []personal.KeyID) ([]personal.KeyID, error) { return nil, nil }

// However many keys there are: if the record knows none of them, none is touched.
func TestAnotherRecordEndsNoKeys(t *testing.T) {
	r := newKeyRecord()
	r.begin(t, "image/of another vault")
	many := manyKeys{newKeyStore(), 1_010_000}
	found, err := usecase.CompareKeys{
		Record: r, Endings: r, Keys: many, Policy: keyPolicy{}, Now: func() time.Time { return noon },
	}.Do(t.Context())
	if want := (usecase.Comparison{Live: many.n, Doubtful: many.n}); err != nil || found != want {
		t.Errorf("found %+v, %v; want %+v", found, err, want)
	}
	if len(many.dead) != 0 {
		t.Errorf("%d keys were destroyed", len(many.dead))
	}
}

// A key may come back again and again: each time it is destroyed, and said.
func TestEveryResurrectionIsRecorded(t *testing.T) {
	r := newKeyRecord()
	r.begin(t, "image/1")
	r.end(t, "image/1")
	for n := range 3 {
		r.keys.add("image/1", time.Hour)
		delete(r.keys.dead, "image/1")
		if found, err := r.compare(); err != nil || found.Resurrected != 1 {
			t.Errorf("found %+v, %v", found, err)
		}
		if got := r.findings("image/1"); got != n+1 {
			t.Errorf("%d findings after %d", got, n+1)
		}
	}
}

func TestComparisonThatCannotRecord(t *testing.T) {
	r := newKeyRecord()
	r.begin(t, "image/1")
	r.end(t, "image/1")
	r.Refuse = func(event.Append) error { return event.ErrUnavailable }
	if _, err := r.compare(); !errors.Is(err, event.ErrUnavailable) || r.keys.compared != 0 {
		t.Errorf("got %v, compared up to %d", err, r.keys.compared)
	}
	r.Refuse = nil
	if found, err := r.compare(); err != nil || found.Resurrected != 1 {
		t.Errorf("then found %+v, %v", found, err)
	}
}

// Whatever state of the vault comes back: afterwards it says of every key what the record says.
func TestComparisonHealsAnyBackup(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newKeyRecord()
		r.page = rapid.Int64Range(1, 50).Draw(rt, "page")
		backup, mark := map[personal.KeyID]usecase.LiveKey{}, int64(0)
		dead := map[personal.KeyID]string{}
		n := rapid.IntRange(1, 250).Draw(rt, "keys")
		backupAt := rapid.IntRange(0, 2*n).Draw(rt, "backup at")
		want := map[personal.KeyID]bool{} // alive?
		for step := range 2 * n {
			if step == backupAt {
				backup, dead = maps.Clone(r.keys.live), maps.Clone(r.keys.dead)
				mark = rapid.Int64Range(0, int64(len(r.All()))).Draw(rt, "mark")
			}
			id := personal.KeyID(fmt.Sprintf("image/%03d", rapid.IntRange(0, n-1).Draw(rt, "key")))
			alive, begun := want[id]
			switch {
			case !begun:
				r.begin(t, id)
				want[id] = true
			case alive:
				r.end(t, id)
				r.keys.destroy(id, "x")
				want[id] = false
			}
		}
		r.keys.live, r.keys.dead, r.keys.compared = backup, dead, mark
		if rapid.Bool().Draw(rt, "from a file") {
			r.keys.compared = 0
		}
		if _, err := r.compare(); err != nil {
			rt.Fatal(err)
		}
		for id, alive := range want {
			_, isLive := r.keys.live[id]
			_, isDead := r.keys.dead[id]
			if isLive && !alive {
				rt.Fatalf("%s is back", id)
			}
			if !alive && !isDead {
				rt.Fatalf("%s has no tombstone", id)
			}
		}
	})
}

func TestEndKeys(t *testing.T) {
	r := newKeyRecord()
	for n := range 250 {
		id := personal.KeyID(fmt.Sprintf("visit/%03d", n))
		r.begin(t, id)
		r.keys.due[id] = noon.Add(time.Duration(n-230) * time.Minute)
	}
	// Somebody else has said something in the stream of one of them.
	r.fact(t, "vault/007", 0, system.KeyResurrectionFound{Key: "image/007"})
	end := r.endKeys()
	n, err := end.Do(t.Context())
	if err != nil || n != 231 || len(r.keys.live) != 19 {
		t.Errorf("ended %d, %v; %d are left", n, err, len(r.keys.live))
	}
	facts, err := r.Destroyed(t.Context(), []personal.KeyID{"visit/007", "visit/008", "visit/240"})
	if err != nil || len(facts) != 2 {
		t.Fatalf("recorded %+v, %v", facts, err)
	}
	d := facts[1].Fact.(system.KeyDestroyed)
	if d.Why != "retention.visit" || facts[0].Decision == nil || facts[0].Decision.Rule != "keys.due" || facts[0].Actor.Role != event.Clock {
		t.Errorf("recorded %+v", facts[0])
	}
	if n, err := end.Do(t.Context()); n != 0 || err != nil {
		t.Errorf("and again %d, %v", n, err)
	}
	end.Policy = keyPolicy{never: true}
	end.Now = func() time.Time { return noon.Add(24 * time.Hour) }
	if n, err := end.Do(t.Context()); n != 0 || err != nil {
		t.Errorf("against the policy: %d, %v", n, err)
	}
}

// A hold stops the keys of its kind, however many are due, and no others.
func TestEndKeysUnderAHold(t *testing.T) {
	r := newKeyRecord()
	for n := range 150 {
		id := personal.KeyID(fmt.Sprintf("disclosure/%03d", n))
		r.begin(t, id)
		r.keys.due[id] = noon
	}
	r.begin(t, "visit/1")
	r.keys.due["visit/1"] = noon
	end := r.endKeys()
	end.Held = func(context.Context) ([]string, error) { return []string{"disclosure"}, nil }
	if n, err := end.Do(t.Context()); n != 1 || err != nil {
		t.Errorf("under a hold: %d, %v", n, err)
	}
	broken := errors.New("the view is away")
	end.Held = func(context.Context) ([]string, error) { return nil, broken }
	if n, err := end.Do(t.Context()); n != 0 || !errors.Is(err, broken) {
		t.Errorf("not knowing what is held: %d, %v", n, err)
	}
	end.Held = nil
	if n, err := end.Do(t.Context()); n != 150 || err != nil {
		t.Errorf("when it is released: %d, %v", n, err)
	}
}

// A clock that went ahead by years ends nothing.
func TestNoKeyEndsByAClockThatJumped(t *testing.T) {
	r := newKeyRecord()
	r.begin(t, "visit/1")
	r.keys.due["visit/1"] = noon
	end, broken := r.endKeys(), errors.New("the record is away")
	for _, tt := range []struct {
		sure bool
		err  error
		n    int
	}{{false, nil, 0}, {true, broken, 0}, {true, nil, 1}} {
		end.Sure = func(context.Context) (bool, error) { return tt.sure, tt.err }
		if n, err := end.Do(t.Context()); n != tt.n || !errors.Is(err, tt.err) {
			t.Errorf("sure %v, %v: %d keys ended, %v", tt.sure, tt.err, n, err)
		}
	}
}

func (r keyRecord) endKeys() usecase.EndKeys {
	return usecase.EndKeys{Record: r, Keys: r.keys, Policy: keyPolicy{}, Now: func() time.Time { return noon }}
}

// Two services find the same at the same time: it is recorded once.
func TestTwoServicesAtOnce(t *testing.T) {
	const keys = 5
	r := newKeyRecord()
	for n := range keys {
		id := personal.KeyID(fmt.Sprintf("image/%d", n))
		r.begin(t, id)
		r.end(t, id)
	}
	*r.meanwhile = func() {
		if found, err := r.compare(); err != nil || found.Resurrected != keys {
			t.Errorf("the other found %+v, %v", found, err)
		}
	}
	if found, err := r.compare(); err != nil || found.Resurrected != 0 {
		t.Errorf("after the other, it found %+v, %v", found, err)
	}
	for n := range keys {
		if got := r.findings(personal.KeyID(fmt.Sprintf("image/%d", n))); got != 1 {
			t.Errorf("key %d was found %d times", n, got)
		}
	}

	for n := range keys {
		id := personal.KeyID(fmt.Sprintf("visit/1%d", n))
		r.begin(t, id)
		r.keys.due[id] = noon
	}
	*r.meanwhile = func() {
		if n, err := r.endKeys().Do(t.Context()); err != nil || n != keys {
			t.Errorf("the other ended %d, %v", n, err)
		}
	}
	if n, err := r.endKeys().Do(t.Context()); err != nil || n != 0 {
		t.Errorf("after the other, it ended %d, %v", n, err)
	}
	facts := 0
	for _, env := range r.All() {
		if d, ok := env.Fact.(system.KeyDestroyed); ok && system.KeyKind(d.Key) == "visit" {
			facts++
		}
	}
	if facts != keys {
		t.Errorf("%d ends were recorded of %d", facts, keys)
	}
}
