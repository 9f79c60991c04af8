package usecase_test

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// shrinker shows what it loads.
type shrinker struct{}

func (shrinker) Shrink(_ context.Context, load func() ([]byte, error), _ int, w io.Writer) error {
	plain, err := load()
	if err != nil {
		return err
	}
	_, err = w.Write(plain)
	return err
}

func (w *world) preview() usecase.Preview {
	return usecase.Preview{Record: w.record, Vault: w.vault, Blobs: w.blobs, Shrinker: shrinker{}, Reads: w.reads()}
}

// purposes counts who was told to have read, and who not.
func (w *world) purposes() (refused, read int) {
	no, yes := w.told.Told()
	for _, d := range yes {
		if d.Rule == "access.blob" {
			read++
		}
	}
	return len(no), read
}

func TestEveryReadIsAskedForAndCounted(t *testing.T) {
	w := newWorld()
	up, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("photo")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil {
		t.Fatal(err)
	}
	if err := w.preview().Do(t.Context(), up.Image, up.Capability, "result", io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := w.download().Do(t.Context(), up.Image, up.Capability, func(r usecase.Result) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if refused, read := w.purposes(); refused != 0 || read != 3 {
		t.Errorf("%d reads refused and %d counted; the processor, the preview and the download read", refused, read)
	}
}

func TestARefusedReadOpensNothing(t *testing.T) {
	prepare := func(t *testing.T) (*world, usecase.Uploaded) {
		w := newWorld()
		up, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("photo")})
		if err != nil {
			t.Fatal(err)
		}
		return w, up
	}
	t.Run("processor", func(t *testing.T) {
		w, up := prepare(t)
		w.readers.Refuses = map[string]bool{"processor": true}
		if err := w.process(&cutter{}).Do(t.Context(), up.Image); !errors.Is(err, usecase.ErrMayNotRead) {
			t.Errorf("got %v", err)
		}
		// It is no fault of the picture: nothing is recorded, and the work comes again.
		if got := w.story(); got != "image.uploaded" {
			t.Errorf("the record says %s", got)
		}
		if refused, read := w.purposes(); refused != 1 || read != 0 {
			t.Errorf("%d refused, %d read", refused, read)
		}
	})
	t.Run("holder", func(t *testing.T) {
		w, up := prepare(t)
		if err := w.process(&cutter{}).Do(t.Context(), up.Image); err != nil {
			t.Fatal(err)
		}
		w.readers.Refuses = map[string]bool{"holder": true}
		var seen bytes.Buffer
		preview := w.preview().Do(t.Context(), up.Image, up.Capability, "original", &seen)
		_, download := w.download().Do(t.Context(), up.Image, up.Capability, func(usecase.Result) error {
			t.Error("the result is handed out")
			return nil
		})
		if !errors.Is(preview, usecase.ErrMayNotRead) || !errors.Is(download, usecase.ErrMayNotRead) || seen.Len() > 0 {
			t.Errorf("preview %v, download %v, %d bytes seen", preview, download, seen.Len())
		}
		if refused, _ := w.purposes(); refused != 2 {
			t.Errorf("%d refusals were counted", refused)
		}
	})
}

// keeping is a policy that deletes nothing.
type keeping struct{ fake.Retention }

func (keeping) Requested(context.Context) (bool, event.Decision, error) {
	return false, event.Decision{Rule: "retention.requested", Outcome: "deny", Input: []byte(`{}`)}, nil
}

func TestARefusedDeletionIsTold(t *testing.T) {
	w := newWorld()
	up, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("photo")})
	if err != nil {
		t.Fatal(err)
	}
	d := w.delete()
	d.Retention = keeping{w.policy}
	if _, err := d.Do(t.Context(), up.Image, up.Capability); err == nil {
		t.Error("deleted")
	}
	refused, _ := w.told.Told()
	if len(refused) != 1 || refused[0].Rule != "retention.requested" {
		t.Errorf("told %+v", refused)
	}
}

// A permission that was not asked for opens nothing, and nobody writes one down: the type
// has one maker.
func TestOnlyAskingMakesAPermission(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if id, ok := lit.Type.(*ast.Ident); ok && id.Name == "permission" && len(lit.Elts) > 0 {
				made++
				if name != "reads.go" {
					t.Errorf("%s makes a permission", name)
				}
			}
			return true
		})
		source, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(source, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if ok && call.Sel.Name == "OpenFrom" && name != "blobs.go" {
				t.Errorf("%s opens what is sealed without a permission", name)
			}
			return true
		})
	}
	if made != 1 {
		t.Errorf("permissions are made in %d places", made)
	}
}
