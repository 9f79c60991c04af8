package usecase_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is a service in memory, with a clock that the test moves.
type world struct {
	record   *fake.Record
	vault    *fake.Vault
	blobs    *fake.Blobs
	attempts *fake.Attempts
	leases   *fake.Leases
	requests *fake.Requests
	sent     *fake.Deliveries
	told     *fake.Decisions
	readers  fake.Readers
	crowded  bool
	holdup   usecase.Holdup
	policy   fake.Retention
	at       time.Time
	next     int
}

func newWorld() *world {
	vault := fake.NewVault()
	return &world{
		record:   fake.NewRecord(vault),
		vault:    vault,
		blobs:    &fake.Blobs{},
		attempts: &fake.Attempts{},
		leases:   &fake.Leases{},
		requests: &fake.Requests{},
		sent:     &fake.Deliveries{},
		told:     &fake.Decisions{},
		policy:   fake.Retention{Period: 24 * time.Hour},
		at:       noon,
	}
}

func (w *world) reads() usecase.Reads { return usecase.Reads{Access: w.readers, Decisions: w.told} }

func (w *world) now() time.Time { return w.at }

func (w *world) newImage() id.Image {
	w.next++
	return id.Image(fmt.Sprintf("01900000-0000-7000-8000-%012d", w.next))
}

func (w *world) upload() usecase.Upload {
	return usecase.Upload{
		Record: w.record, Vault: w.vault, Blobs: w.blobs, Retention: w.policy, Secrets: fake.Secrets{}, Requests: w.requests,
		Inspect: inspected, Gate: fake.NewGate(fake.Uploads{}, w.told, w.record, w.vault, w.now), Crowded: func() bool { return w.crowded }, Holdup: w.holdup.Refuses, Now: w.now, NewImage: w.newImage,
	}
}

func inspected([]byte) (usecase.Head, error) { return usecase.Head{Type: "jpeg", Pixels: 1}, nil }

func (w *world) download() usecase.Download {
	return usecase.Download{
		Record: w.record, Vault: w.vault, Blobs: w.blobs, Retention: w.policy, Leases: w.leases, Deliveries: w.sent, Reads: w.reads(), Now: w.now,
	}
}

func (w *world) delete() usecase.Delete {
	return usecase.Delete{Record: w.record, Blobs: w.blobs, Retention: w.policy, Decisions: w.told, Now: w.now}
}

func (w *world) process(c usecase.Cutter) usecase.Process {
	return usecase.Process{Record: w.record, Vault: w.vault, Blobs: w.blobs, Cutter: c, Attempts: w.attempts, Reads: w.reads(), Now: w.now}
}

func (w *world) deleteDue() usecase.DeleteDue {
	return usecase.DeleteDue{
		Record: w.record, Blobs: w.blobs, Retention: w.policy, Images: dueIn{w.record}, Leases: w.leases, Deliveries: w.sent, Now: w.now,
	}
}

// story is the record as a list of short names.
func (w *world) story() string {
	var names []string
	for _, env := range w.record.All() {
		name, _ := strings.CutSuffix(string(env.Fact.EventName()), ".v1")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (w *world) stored(t *testing.T) int {
	t.Helper()
	n := 0
	if err := w.blobs.List(t.Context(), func(usecase.Blob) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// dueIn folds the record as the projection does, and lists a minute ahead.
type dueIn struct{ record *fake.Record }

func (d dueIn) Due(_ context.Context, now time.Time, limit int) ([]id.Image, error) {
	due := map[id.Image]bool{}
	var order []id.Image
	for _, env := range d.record.All() {
		img, _ := image.OfStream(env.Stream)
		switch f := env.Fact.(type) {
		case image.Uploaded:
			if due[img] = !now.Add(time.Minute).Before(f.Due); due[img] {
				order = append(order, img)
			}
		case image.Deleted:
			due[img] = false
		}
	}
	var found []id.Image
	for _, img := range order {
		if due[img] && len(found) < limit {
			found = append(found, img)
		}
	}
	return found, nil
}

// cutter answers with what it was given, upper case, as a picture would be cut out.
type cutter struct {
	fails  []error // one for each try, then success
	mu     sync.Mutex
	tries  int
	during func() // called while the picture is cut out
}

func (c *cutter) Cut(_ context.Context, load func() ([]byte, error)) (usecase.Cutout, error) {
	plain, err := load()
	if err != nil {
		return usecase.Cutout{}, err
	}
	c.mu.Lock()
	try := c.tries
	c.tries++
	c.mu.Unlock()
	if c.during != nil {
		c.during()
	}
	if try < len(c.fails) && c.fails[try] != nil {
		return usecase.Cutout{}, c.fails[try]
	}
	return usecase.Cutout{
		Model: "test", Width: 3, Height: 2,
		Encode:  func(w io.Writer) (int64, error) { _, err := w.Write(bytes.ToUpper(plain)); return 7, err },
		Release: func() {},
	}, nil
}

func (w *world) uploaded(t *testing.T) usecase.Uploaded {
	t.Helper()
	up, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("pixels"), FileName: personal.Of("me.jpg")})
	if err != nil {
		t.Fatal(err)
	}
	return up
}

func (w *world) ready(t *testing.T) usecase.Uploaded {
	t.Helper()
	up := w.uploaded(t)
	if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	return up
}

func TestFromUploadToGone(t *testing.T) {
	w := newWorld()
	up := w.ready(t)
	var got bytes.Buffer
	done, err := w.download().Do(t.Context(), up.Image, up.Capability, func(r usecase.Result) error {
		n, err := io.Copy(&got, r)
		if n != r.Size {
			t.Errorf("announced %d bytes, gave %d", r.Size, n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != "PIXELS" {
		t.Errorf("downloaded %q", got.String())
	}
	if want := "image.uploaded image.processed image.downloaded image.deleted vault.key_destroyed"; w.story() != want {
		t.Errorf("the record says %q, want %q", w.story(), want)
	}
	if done.Why != image.BecauseDownloaded || done.DeletedSeq != 4 || done.KeySeq != 5 || !done.Due.Equal(noon.Add(24*time.Hour)) {
		t.Errorf("the answer does not say what the record says: %+v", done)
	}
	if n := w.stored(t); n != 0 {
		t.Errorf("%d sealed copies are left", n)
	}
	if _, err := w.vault.Key(t.Context(), image.Key(up.Image)); !errors.Is(err, personal.ErrDestroyed) {
		t.Errorf("the key: %v, want destroyed", err)
	}
	if _, err := w.download().Do(t.Context(), up.Image, up.Capability, nil); !errors.Is(err, image.ErrGone) {
		t.Errorf("a second download: %v, want %v", err, image.ErrGone)
	}
}

func TestUploadRefusesWithoutATrace(t *testing.T) {
	errFull := errors.New("store full")
	tests := map[string]struct {
		when    func(*world, *usecase.Upload)
		picture []byte
		fails   error
		noise   int // sealed objects left behind, unreadable
	}{
		"empty":     {fails: image.ErrEmpty},
		"too large": {picture: make([]byte, image.MaxBytes+1), fails: image.ErrTooLarge},
		"too many wait": {
			picture: []byte("x"), fails: image.ErrCrowded,
			when: func(w *world, _ *usecase.Upload) { w.crowded = true },
		},
		"no image": {
			picture: []byte("text"), fails: image.ErrNotAnImage,
			when: func(_ *world, u *usecase.Upload) {
				u.Inspect = func([]byte) (usecase.Head, error) { return usecase.Head{}, image.ErrNotAnImage }
			},
		},
		"no deadline": {
			picture: []byte("x"), fails: image.ErrNoDeadline,
			when: func(_ *world, u *usecase.Upload) { u.Retention = fake.Retention{} },
		},
		"record away": {
			picture: []byte("x"), fails: event.ErrUnavailable, noise: 1,
			when: func(w *world, _ *usecase.Upload) {
				w.record.Refuse = func(event.Append) error { return event.ErrUnavailable }
			},
		},
		"store full": {
			picture: []byte("x"), fails: errFull,
			when: func(_ *world, u *usecase.Upload) { u.Blobs = fullStore{u.Blobs, errFull} },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			up := w.upload()
			if tt.when != nil {
				tt.when(w, &up)
			}
			if _, err := up.Do(t.Context(), usecase.UploadCommand{Picture: tt.picture}); !errors.Is(err, tt.fails) {
				t.Errorf("got %v, want %v", err, tt.fails)
			}
			if w.story() != "" || w.stored(t) != tt.noise {
				t.Errorf("the record says %q, the store has %d objects, want %d", w.story(), w.stored(t), tt.noise)
			}
		})
	}
}

type fullStore struct {
	usecase.Blobs
	err error
}

func (f fullStore) Put(context.Context, string, io.Reader) error { return f.err }

func TestSameRequestAgain(t *testing.T) {
	w := newWorld()
	cmd := usecase.UploadCommand{IdempotencyKey: "mine", Picture: []byte("pixels")}
	first, err := w.upload().Do(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.upload().Do(t.Context(), cmd)
	if err != nil || again != first {
		t.Errorf("again: %+v, %v; want %+v", again, err, first)
	}
	if w.story() != "image.uploaded" || w.stored(t) != 1 {
		t.Errorf("the record says %q, the store has %d objects", w.story(), w.stored(t))
	}
	cmd.Picture = []byte("other")
	if _, err := w.upload().Do(t.Context(), cmd); !errors.Is(err, usecase.ErrOtherBody) {
		t.Errorf("another body: %v", err)
	}
}

func TestWhileItIsCarriedOutTheSameRequestWaits(t *testing.T) {
	w := newWorld()
	cmd := usecase.UploadCommand{IdempotencyKey: "mine", Picture: []byte("pixels")}
	var meanwhile error
	w.record.Refuse = func(event.Append) error {
		_, meanwhile = w.upload().Do(t.Context(), cmd)
		return event.ErrUnavailable
	}
	if _, err := w.upload().Do(t.Context(), cmd); !errors.Is(err, event.ErrUnavailable) {
		t.Fatal(err)
	}
	if !errors.Is(meanwhile, usecase.ErrRunning) {
		t.Errorf("meanwhile: %v, want %v", meanwhile, usecase.ErrRunning)
	}
	w.record.Refuse = nil
	if _, err := w.upload().Do(t.Context(), cmd); err != nil {
		t.Errorf("after a failure the request can be sent again, but: %v", err)
	}
}

func TestProcessTriesTwice(t *testing.T) {
	broken := errors.New("the model fell over")
	tests := map[string]struct {
		fails []error
		given func(*world, id.Image)
		story string
		code  string
		tries int
	}{
		"at once":              {story: "image.uploaded image.processed", tries: 1},
		"the second time":      {fails: []error{broken}, story: "image.uploaded image.processed", tries: 2},
		"never":                {fails: []error{broken, broken}, story: "image.uploaded image.processing_failed", code: image.ErrProcessing.Code, tries: 2},
		"a damaged picture":    {fails: []error{image.ErrTruncated, image.ErrTruncated}, story: "image.uploaded image.processing_failed", code: image.ErrTruncated.Code, tries: 2},
		"killed its processor": {given: killed(1), story: "image.uploaded image.processed", tries: 1},
		"killed two":           {given: killed(2), story: "image.uploaded image.processing_failed", code: image.ErrProcessing.Code},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			up := w.uploaded(t)
			if tt.given != nil {
				tt.given(w, up.Image)
			}
			c := &cutter{fails: tt.fails}
			if err := w.process(c).Do(t.Context(), up.Image); err != nil {
				t.Fatal(err)
			}
			if w.story() != tt.story || c.tries != tt.tries {
				t.Errorf("the record says %q after %d tries, want %q after %d", w.story(), c.tries, tt.story, tt.tries)
			}
			if tt.code != "" {
				p, err := usecase.Watch{Record: w.record}.Do(t.Context(), up.Image, up.Capability, 0)
				if err != nil || p.Failure == nil || p.Failure.Code != tt.code {
					t.Errorf("its owner sees %v, %v; want %s", p.Failure, err, tt.code)
				}
			}
		})
	}
}

// killed counts tries that nobody lived to report.
func killed(times int) func(*world, id.Image) {
	return func(w *world, img id.Image) {
		for range times {
			_, _ = w.attempts.Begin(context.Background(), img)
		}
	}
}

func TestOurFaultsDoNotCountAgainstAPicture(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	for range 5 {
		p := w.process(&cutter{})
		p.Blobs = fullStore{w.blobs, errors.New("disk full")}
		if err := p.Do(t.Context(), up.Image); err == nil {
			t.Fatal("a result that could not be stored was called done")
		}
	}
	if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil || w.story() != "image.uploaded image.processed" {
		t.Errorf("the record says %q, %v", w.story(), err)
	}
}

// Whatever makes a cutout panic while it is stored must not end the process.
func TestPanicWhileStoring(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	if err := w.process(panicking{}).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if want := "image.uploaded image.processing_failed"; w.story() != want {
		t.Errorf("the record says %q, want %q", w.story(), want)
	}
}

type panicking struct{}

func (panicking) Cut(_ context.Context, load func() ([]byte, error)) (usecase.Cutout, error) {
	_, err := load()
	return usecase.Cutout{
		Encode:  func(io.Writer) (int64, error) { panic("pixels") },
		Release: func() {},
	}, err
}

func TestADamagedCopyIsGivenUp(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	if err := w.blobs.Put(t.Context(), string(up.Image)+"/original", strings.NewReader(strings.Repeat("noise", 20))); err != nil {
		t.Fatal(err)
	}
	if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if want := "image.uploaded image.processing_failed"; w.story() != want {
		t.Errorf("the record says %q, want %q", w.story(), want)
	}
}

func TestAFailureThatCouldNotBeRecordedKeepsItsReason(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	w.record.Refuse = func(event.Append) error { return event.ErrUnavailable }
	broken := []error{image.ErrTruncated, image.ErrTruncated, image.ErrTruncated, image.ErrTruncated}
	c := &cutter{fails: broken}
	if err := w.process(c).Do(t.Context(), up.Image); !errors.Is(err, event.ErrUnavailable) {
		t.Fatal(err)
	}
	w.record.Refuse = nil
	if err := w.process(c).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	p, err := usecase.Watch{Record: w.record}.Do(t.Context(), up.Image, up.Capability, 0)
	if err != nil || p.Failure == nil || p.Failure.Code != image.ErrTruncated.Code {
		t.Errorf("its owner sees %v, %v", p.Failure, err)
	}
}

func TestAPictureThatTheStoreLostIsGivenUp(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	if err := w.blobs.Delete(t.Context(), string(up.Image)+"/original"); err != nil {
		t.Fatal(err)
	}
	if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if want := "image.uploaded image.processing_failed"; w.story() != want {
		t.Errorf("the record says %q, want %q", w.story(), want)
	}
}

// A service that is killed while a picture waits for its turn does not blame the picture.
func TestWaitingIsNoTry(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	busy := busyCutter{}
	for range 5 {
		if err := w.process(busy).Do(t.Context(), up.Image); !errors.Is(err, errBusy) {
			t.Fatal(err)
		}
	}
	if n, err := w.attempts.Begin(t.Context(), up.Image); n != 1 || err != nil {
		t.Errorf("%d tries were counted while it waited, %v", n-1, err)
	}
}

var errBusy = errors.New("stopped while waiting for a slot")

type busyCutter struct{}

func (busyCutter) Cut(context.Context, func() ([]byte, error)) (usecase.Cutout, error) {
	return usecase.Cutout{}, errBusy
}

func TestProcessedTwiceIsRecordedOnce(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	second := &cutter{}
	first := &cutter{during: func() {
		if err := w.process(second).Do(t.Context(), up.Image); err != nil {
			t.Error(err)
		}
	}}
	if err := w.process(first).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if want := "image.uploaded image.processed"; w.story() != want {
		t.Errorf("the record says %q, want %q", w.story(), want)
	}
}

func TestDeleteWhileProcessing(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	c := &cutter{during: func() {
		if _, err := w.delete().Do(t.Context(), up.Image, up.Capability); err != nil {
			t.Error(err)
		}
	}}
	if err := w.process(c).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if want := "image.uploaded image.deleted vault.key_destroyed"; w.story() != want || w.stored(t) != 0 {
		t.Errorf("the record says %q, the store has %d objects", w.story(), w.stored(t))
	}
}

func TestDownloads(t *testing.T) {
	t.Run("broken off, it stays", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		if _, err := w.download().Do(t.Context(), up.Image, up.Capability, breaksOff); !errors.Is(err, errBrokenOff) {
			t.Errorf("got %v", err)
		}
		if want := "image.uploaded image.processed image.downloaded"; w.story() != want || w.stored(t) != 2 {
			t.Errorf("the record says %q, the store has %d objects", w.story(), w.stored(t))
		}
		if _, err := w.download().Do(t.Context(), up.Image, up.Capability, drain); err != nil {
			t.Errorf("trying again: %v", err)
		}
	})
	t.Run("broken off again and again, that is one fact", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		for range 10 {
			if _, err := w.download().Do(t.Context(), up.Image, up.Capability, breaksOff); !errors.Is(err, errBrokenOff) {
				t.Errorf("got %v", err)
			}
		}
		if want := "image.uploaded image.processed image.downloaded"; w.story() != want {
			t.Errorf("the record says %q", w.story())
		}
	})
	t.Run("whole, and the record away: it is deleted later", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		w.record.Refuse = func(event.Append) error { return event.ErrUnavailable }
		if _, err := w.download().Do(t.Context(), up.Image, up.Capability, drain); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		w.record.Refuse = nil
		if err := w.deleteDue().Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := "image.uploaded image.processed image.downloaded image.deleted vault.key_destroyed"; w.story() != want || w.stored(t) != 0 {
			t.Errorf("the record says %q, the store has %d objects", w.story(), w.stored(t))
		}
		if left, err := w.sent.Stale(t.Context(), 0, 10); len(left) != 0 || err != nil {
			t.Errorf("%d deliveries are left to be ended, %v", len(left), err)
		}
	})
	t.Run("broken off before the last byte, nothing is left to be ended", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		_, err := w.download().Do(t.Context(), up.Image, up.Capability, func(r usecase.Result) error {
			_, err := r.Read(make([]byte, r.Size-1))
			return errors.Join(err, errBrokenOff)
		})
		if !errors.Is(err, errBrokenOff) {
			t.Errorf("got %v", err)
		}
		if left, err := w.sent.Stale(t.Context(), 0, 10); len(left) != 0 || err != nil {
			t.Errorf("%d deliveries are left to be ended, %v", len(left), err)
		}
	})
	t.Run("the result is lost, that is our fault and no download", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		if err := w.blobs.Delete(t.Context(), string(up.Image)+"/result"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.download().Do(t.Context(), up.Image, up.Capability, drain); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		if want := "image.uploaded image.processed"; w.story() != want {
			t.Errorf("the record says %q", w.story())
		}
	})
	t.Run("two at once, one gets it", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		var second error
		if _, err := w.download().Do(t.Context(), up.Image, up.Capability, func(r usecase.Result) error {
			_, second = w.download().Do(t.Context(), up.Image, up.Capability, drain)
			return drain(r)
		}); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(second, image.ErrDownloading) {
			t.Errorf("the second got %v, want %v", second, image.ErrDownloading)
		}
	})
	t.Run("deleted meanwhile, it is gone once", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		done, err := w.download().Do(t.Context(), up.Image, up.Capability, func(r usecase.Result) error {
			if _, err := w.delete().Do(t.Context(), up.Image, up.Capability); err != nil {
				t.Error(err)
			}
			return drain(r)
		})
		if err != nil || done.Why != image.BecauseRequested {
			t.Errorf("got %+v, %v", done, err)
		}
	})
	t.Run("nobody without the capability", func(t *testing.T) {
		w := newWorld()
		up := w.ready(t)
		for _, token := range []string{"", "x", up.Capability[1:]} {
			if _, err := w.download().Do(t.Context(), up.Image, token, drain); !errors.Is(err, image.ErrUnknown) {
				t.Errorf("token %q: %v", token, err)
			}
			if _, err := w.delete().Do(t.Context(), up.Image, token); !errors.Is(err, image.ErrUnknown) {
				t.Errorf("token %q deletes: %v", token, err)
			}
		}
	})
}

var errBrokenOff = errors.New("connection reset")

// breaksOff takes some of a result.
func breaksOff(r usecase.Result) error {
	_, err := r.Read(make([]byte, 1))
	return errors.Join(err, errBrokenOff)
}

func drain(r usecase.Result) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func TestDeleteAgainAnswersAsTheFirstTime(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	first, err := w.delete().Do(t.Context(), up.Image, up.Capability)
	if err != nil {
		t.Fatal(err)
	}
	w.at = w.at.Add(time.Hour)
	again, err := w.delete().Do(t.Context(), up.Image, up.Capability)
	if err != nil || !again.Actual.Equal(first.Actual) || again.DeletedSeq != first.DeletedSeq {
		t.Errorf("again %+v, %v; first %+v", again, err, first)
	}
	if want := "image.uploaded image.deleted vault.key_destroyed"; w.story() != want {
		t.Errorf("the record says %q", w.story())
	}
}

func TestDeleteDue(t *testing.T) {
	w := newWorld()
	for range 250 { // more than one listing
		w.uploaded(t)
	}
	w.at = noon.Add(24*time.Hour - fake.Lead - time.Millisecond)
	late := w.uploaded(t)
	if n, err := w.deleteDue().Do(t.Context()); n != 0 || err != nil {
		t.Fatalf("deleted %d before they were due, %v", n, err)
	}
	w.at = noon.Add(24*time.Hour - fake.Lead)
	if n, err := w.deleteDue().Do(t.Context()); n != 250 || err != nil {
		t.Fatalf("deleted %d of 250, %v", n, err)
	}
	if w.stored(t) != 1 {
		t.Errorf("%d objects are left, want that of %s", w.stored(t), late.Image)
	}
	for _, env := range w.record.All() {
		if f, ok := env.Fact.(image.Deleted); ok && (f.Why != image.BecauseDue || f.Actual.After(f.Due) || env.Decision == nil) {
			t.Fatalf("the fact does not say why, or the deletion is late: %+v", f)
		}
	}
}

// frozen lists what was due when it was made, for ever.
type frozen []id.Image

func (f frozen) Due(_ context.Context, _ time.Time, limit int) ([]id.Image, error) {
	return slices.Clone(f[:min(limit, len(f))]), nil
}

func TestAViewThatStandsStillKeepsNoDeletion(t *testing.T) {
	w := newWorld()
	var due frozen
	for range 350 {
		due = append(due, w.uploaded(t).Image)
	}
	w.at = noon.Add(24 * time.Hour)
	d := w.deleteDue()
	d.Images = due
	if n, err := d.Do(t.Context()); n != 350 || err != nil {
		t.Errorf("deleted %d of 350, %v", n, err)
	}
}

func TestPicturesThatCannotBeDeletedDoNotKeepTheOthers(t *testing.T) {
	w := newWorld()
	stuck := map[event.Stream]bool{}
	for range 150 { // more than one listing
		stuck[image.Stream(w.uploaded(t).Image)] = true
	}
	w.at = noon.Add(time.Minute)
	for range 50 {
		w.uploaded(t)
	}
	w.at = noon.Add(25 * time.Hour)
	w.record.Refuse = func(a event.Append) error {
		if stuck[a.Parts[0].Stream] {
			return errors.New("stuck")
		}
		return nil
	}
	if n, err := w.deleteDue().Do(t.Context()); n != 50 || err == nil {
		t.Errorf("deleted %d of the 50 that could be, %v", n, err)
	}
}

func TestOutcomeWaits(t *testing.T) {
	w := newWorld()
	up := w.uploaded(t)
	got := make(chan usecase.Progress)
	go func() {
		p, err := usecase.Watch{Record: w.record}.Outcome(t.Context(), up.Image, up.Capability)
		if err != nil {
			t.Error(err)
		}
		got <- p
	}()
	if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if p := <-got; p.Status != image.Ready || p.Version != 2 {
		t.Errorf("got %+v", p)
	}
}
