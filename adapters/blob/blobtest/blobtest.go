// Package blobtest says what every store of blobs must do. Each adapter of the port
// usecase.Blobs calls [Conformance] from its tests, the fake included.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
	"pgregory.net/rapid"
)

// Names that every store accepts.
const (
	original = "01990000-0000-7000-8000-0000000000aa/original"
	result   = "01990000-0000-7000-8000-0000000000aa/result"
	other    = "01990000-0000-7000-8000-0000000000bb/original"
)

// Conformance runs the suite. empty returns a fresh store without objects.
func Conformance(t *testing.T, empty func(*testing.T) usecase.Blobs) {
	for name, test := range map[string]func(*testing.T, usecase.Blobs){
		"gives back what was put":              roundTrip,
		"replaces":                             replaces,
		"keeps kinds and pictures apart":       keepsApart,
		"knows what is missing":                missing,
		"deletes, also twice":                  deletes,
		"puts whole or not at all":             wholeOrNot,
		"keeps the old when a put fails":       keepsOld,
		"stops when the caller has gone":       cancelled,
		"lists what is there":                  lists,
		"ends a listing when told":             endsListing,
		"reads on while others delete":         readsOn,
		"is used by many at once":              concurrent,
		"behaves like a map, whatever is done": likeAMap,
	} {
		t.Run(name, func(t *testing.T) { test(t, empty(t)) })
	}
}

func roundTrip(t *testing.T, s usecase.Blobs) {
	for _, size := range []int{0, 1, 4095, 64 << 10, 3<<20 + 7} {
		want := random(size)
		must(t, s.Put(t.Context(), original, bytes.NewReader(want)))
		if got := get(t, s, original); !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d others", size, len(got))
		}
	}
	want := random(100_000)
	must(t, s.Put(t.Context(), original, iotest.OneByteReader(bytes.NewReader(want))))
	if got := get(t, s, original); !bytes.Equal(got, want) {
		t.Error("what came a byte at a time came back otherwise")
	}
}

func replaces(t *testing.T, s usecase.Blobs) {
	put(t, s, original, "first, and longer")
	put(t, s, original, "second")
	wantObjects(t, s, map[string]string{original: "second"})
}

func keepsApart(t *testing.T, s usecase.Blobs) {
	put(t, s, original, "a")
	put(t, s, result, "b")
	put(t, s, other, "c")
	must(t, s.Delete(t.Context(), original))
	wantObjects(t, s, map[string]string{result: "b", other: "c"})
}

func missing(t *testing.T, s usecase.Blobs) {
	_, _, err := s.Open(t.Context(), original)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what is not there: %v; want fs.ErrNotExist", err)
	}
}

func deletes(t *testing.T, s usecase.Blobs) {
	put(t, s, original, "a")
	must(t, s.Delete(t.Context(), original))
	must(t, s.Delete(t.Context(), original))
	missing(t, s)
	wantObjects(t, s, nil)
}

var errBroken = errors.New("the connection broke")

func wholeOrNot(t *testing.T, s usecase.Blobs) {
	err := s.Put(t.Context(), original, broken())
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v; want the reader's error", err)
	}
	missing(t, s)
	wantObjects(t, s, nil)
}

func keepsOld(t *testing.T, s usecase.Blobs) {
	put(t, s, original, "old")
	if err := s.Put(t.Context(), original, broken()); err == nil {
		t.Error("a broken reader was stored")
	}
	wantObjects(t, s, map[string]string{original: "old"})
}

func cancelled(t *testing.T, s usecase.Blobs) {
	ctx, cancel := context.WithCancel(t.Context())
	half := io.MultiReader(bytes.NewReader(random(100_000)), act(cancel), strings.NewReader("the rest"))
	if err := s.Put(ctx, original, half); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want context.Canceled", err)
	}
	wantObjects(t, s, nil)
}

func lists(t *testing.T, s usecase.Blobs) {
	wantObjects(t, s, nil)
	want := map[string]string{}
	for i := range 700 {
		name := fmt.Sprintf("01990000-0000-7000-8000-%012x/original", i*7)
		want[name] = strings.Repeat("x", i)
		put(t, s, name, want[name])
	}
	wantObjects(t, s, want)
	// A store's clock may differ from ours, but not by days.
	must(t, s.List(t.Context(), func(b usecase.Blob) error {
		if age := time.Since(b.Stored).Abs(); age > 24*time.Hour {
			t.Errorf("%s was stored %v away from now", b.Name, age)
		}
		return nil
	}))
}

func endsListing(t *testing.T, s usecase.Blobs) {
	put(t, s, original, "a")
	put(t, s, result, "b")
	enough, calls := errors.New("enough"), 0
	err := s.List(t.Context(), func(usecase.Blob) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d objects; want %v after 1", err, calls, enough)
	}
}

func readsOn(t *testing.T, s usecase.Blobs) {
	want := random(1 << 20)
	must(t, s.Put(t.Context(), original, bytes.NewReader(want)))
	r, _, err := s.Open(t.Context(), original)
	must(t, err)
	first := make([]byte, 1000)
	_, err = io.ReadFull(r, first)
	must(t, err)
	must(t, s.Delete(t.Context(), original))
	rest, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	if !bytes.Equal(append(first, rest...), want) {
		t.Error("a reader lost its object to a deletion")
	}
}

// However puts of one name interleave, what is there is one of them, whole.
func concurrent(t *testing.T, s usecase.Blobs) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := s.Put(t.Context(), original, bytes.NewReader(bytes.Repeat([]byte{byte(i)}, 200_000))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := get(t, s, original)
	if len(got) != 200_000 || !bytes.Equal(got, bytes.Repeat(got[:1], 200_000)) {
		t.Error("several puts of one name were mixed")
	}
}

func likeAMap(t *testing.T, s usecase.Blobs) {
	model := map[string]string{}
	names := rapid.SampledFrom([]string{original, result, other})
	rapid.Check(t, func(r *rapid.T) {
		name := names.Draw(r, "name")
		switch rapid.IntRange(0, 2).Draw(r, "action") {
		case 0:
			model[name] = string(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(r, "bytes"))
			put(t, s, name, model[name])
		case 1:
			delete(model, name)
			must(t, s.Delete(t.Context(), name))
		default:
			_, _, err := s.Open(t.Context(), name)
			if _, there := model[name]; !there && !errors.Is(err, fs.ErrNotExist) {
				r.Fatalf("%s: %v; want fs.ErrNotExist", name, err)
			}
		}
		wantObjects(t, s, model)
	})
}

// broken gives some bytes and then an error.
func broken() io.Reader {
	return io.MultiReader(bytes.NewReader(random(100_000)), iotest.ErrReader(errBroken))
}

// act is a reader that does something and gives nothing.
func act(do func()) io.Reader { return reader(func([]byte) (int, error) { do(); return 0, io.EOF }) }

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func put(t *testing.T, s usecase.Blobs, name, content string) {
	t.Helper()
	must(t, s.Put(t.Context(), name, strings.NewReader(content)))
}

func get(t *testing.T, s usecase.Blobs, name string) []byte {
	t.Helper()
	r, size, err := s.Open(t.Context(), name)
	must(t, err)
	got, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	if int64(len(got)) != size {
		t.Errorf("%s: %d bytes came, %d were announced", name, len(got), size)
	}
	return got
}

// wantObjects checks the listing and every object's bytes.
func wantObjects(t *testing.T, s usecase.Blobs, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	must(t, s.List(t.Context(), func(b usecase.Blob) error {
		if _, twice := got[b.Name]; twice {
			t.Errorf("%s is listed twice", b.Name)
		}
		got[b.Name] = string(get(t, s, b.Name))
		if b.Size != int64(len(got[b.Name])) {
			t.Errorf("%s: listed with %d bytes, has %d", b.Name, b.Size, len(got[b.Name]))
		}
		return nil
	}))
	if len(want)+len(got) > 0 && !maps.Equal(got, want) {
		t.Errorf("the store holds %d objects; want %d, or other bytes", len(got), len(want))
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = source.Read(b)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
