package usecase_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// notary keeps what it was to sign.
type notary struct {
	signed usecase.Statement
	older  int64
}

func (n *notary) Sign(_ context.Context, s usecase.Statement, older int64) ([]byte, error) {
	n.signed, n.older = s, older
	return []byte("signed"), nil
}

// stubborn is a store in which an object stays.
type stubborn struct {
	usecase.Blobs
	left []string
}

func (s *stubborn) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	if slices.Contains(s.left, name) {
		return io.NopCloser(nil), 0, nil
	}
	return s.Blobs.Open(ctx, name)
}

func (s *stubborn) Delete(ctx context.Context, name string) error {
	if slices.Contains(s.left, name) {
		return fs.ErrPermission
	}
	return s.Blobs.Delete(ctx, name)
}

func (w *world) receipt(n *notary) usecase.Receipt {
	return usecase.Receipt{Record: w.record, Vault: w.vault, Blobs: w.blobs, Notary: n, Now: w.now}
}

func TestReceiptSaysWhatTheRecordSays(t *testing.T) {
	ends := map[string]struct {
		end        func(t *testing.T, w *world, up usecase.Uploaded)
		why        image.Why
		seq        int64
		afterHours time.Duration
	}{
		"downloaded": {func(t *testing.T, w *world, up usecase.Uploaded) {
			_, err := w.download().Do(t.Context(), up.Image, up.Capability, func(r usecase.Result) error {
				_, err := io.Copy(io.Discard, r)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}, image.BecauseDownloaded, 4, 0},
		"requested": {func(t *testing.T, w *world, up usecase.Uploaded) {
			if _, err := w.delete().Do(t.Context(), up.Image, up.Capability); err != nil {
				t.Fatal(err)
			}
		}, image.BecauseRequested, 3, 0},
		"due": {func(t *testing.T, w *world, _ usecase.Uploaded) {
			if n, err := w.deleteDue().Do(t.Context()); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}, image.BecauseDue, 3, 24},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			w, n := newWorld(), &notary{}
			up := w.ready(t)
			w.at = noon.Add(tt.afterHours * time.Hour)
			tt.end(t, w, up)
			deleted := w.at
			w.at = w.at.Add(time.Hour)
			signed, err := w.receipt(n).Do(t.Context(), up.Image, up.Capability, 7)
			if err != nil || string(signed) != "signed" || n.older != 7 {
				t.Fatalf("%q, %v", signed, err)
			}
			s := n.signed
			if s.Image != up.Image || !s.Uploaded.Equal(noon) || !s.Due.Equal(up.DeleteBy) || !s.Deleted.Equal(deleted) || s.Why != tt.why ||
				s.DeletedSeq != tt.seq || s.KeySeq != tt.seq+1 || !s.LookedFor.Equal(w.at) ||
				!slices.Equal(s.Copies, []usecase.CopyState{{Kind: image.Original}, {Kind: image.Result}}) {
				t.Errorf("it says %+v", s)
			}
		})
	}
}

func TestNoReceipt(t *testing.T) {
	w, n := newWorld(), &notary{}
	up, other := w.ready(t), w.ready(t)
	ask := func(token string) error {
		_, err := w.receipt(n).Do(t.Context(), up.Image, token, 0)
		return err
	}
	if err := ask(up.Capability); !errors.Is(err, usecase.ErrNotDeleted) {
		t.Errorf("while it is there: %v", err)
	}
	if _, err := w.delete().Do(t.Context(), up.Image, up.Capability); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "wrong", other.Capability} {
		if err := ask(token); !errors.Is(err, image.ErrUnknown) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	if _, err := w.receipt(n).Do(t.Context(), "01900000-0000-7000-8000-999999999999", up.Capability, 0); !errors.Is(err, image.ErrUnknown) {
		t.Errorf("a picture that never was: %v", err)
	}
	if n.signed.Image != "" {
		t.Errorf("something was signed: %+v", n.signed)
	}
}

// What the vault does not bear out is not signed.
func TestNoReceiptWhileTheKeyIsThere(t *testing.T) {
	w, n := newWorld(), &notary{}
	up := w.ready(t)
	// A deletion whose key came back, as after the return of an old backup.
	_, err := w.record.Append(t.Context(), event.Append{At: noon, Parts: []event.Part{
		{Stream: image.Stream(up.Image), Expected: 2, Facts: []event.Pending{{Fact: image.Deleted{Why: image.BecauseRequested, Due: up.DeleteBy, Actual: noon}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.receipt(n).Do(t.Context(), up.Image, up.Capability, 0); !errors.Is(err, usecase.ErrKeyThere) {
		t.Errorf("the key is there: %v", err)
	}
	// And a vault that has lost it.
	r := w.receipt(n)
	r.Vault = fake.NewVault()
	if _, err := r.Do(t.Context(), up.Image, up.Capability, 0); !errors.Is(err, personal.ErrNoKey) {
		t.Errorf("the vault has never heard of the key: %v", err)
	}
	if n.signed.Image != "" {
		t.Errorf("something was signed: %+v", n.signed)
	}
}

// A copy that was left behind goes when the receipt is made; one that resists is said.
func TestReceiptLooksForCopies(t *testing.T) {
	w, n := newWorld(), &notary{}
	up := w.ready(t)
	if _, err := w.delete().Do(t.Context(), up.Image, up.Capability); err != nil {
		t.Fatal(err)
	}
	left := string(up.Image) + "/" + image.Original
	if err := w.blobs.Put(t.Context(), left, strings.NewReader("noise")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.receipt(n).Do(t.Context(), up.Image, up.Capability, 0); err != nil || n.signed.Copies[0].Found || w.stored(t) != 0 {
		t.Errorf("%v, %+v, %d objects", err, n.signed.Copies, w.stored(t))
	}
	r := w.receipt(n)
	r.Blobs = &stubborn{w.blobs, []string{left}}
	if _, err := r.Do(t.Context(), up.Image, up.Capability, 0); err != nil || !n.signed.Copies[0].Found || n.signed.Copies[1].Found {
		t.Errorf("%v, %+v", err, n.signed.Copies)
	}
}

// The first end of a key counts: one that came back and went again does not move it.
func TestReceiptOfAKeyThatEndedTwice(t *testing.T) {
	w, n := newWorld(), &notary{}
	up := w.ready(t)
	if _, err := w.delete().Do(t.Context(), up.Image, up.Capability); err != nil {
		t.Fatal(err)
	}
	key := image.Key(up.Image)
	_, err := w.record.Append(t.Context(), event.Append{At: noon, Parts: []event.Part{
		{Stream: system.VaultStream(key), Expected: 1, Facts: []event.Pending{{Fact: system.KeyResurrectionFound{Key: key}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.receipt(n).Do(t.Context(), up.Image, up.Capability, 0); err != nil || n.signed.KeySeq != 4 {
		t.Errorf("%v, %+v", err, n.signed)
	}
}
