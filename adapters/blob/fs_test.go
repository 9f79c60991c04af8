package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/blob/blobtest"
	"github.com/bgremover/bgremover/internal/usecase"
)

const name = "01990000-0000-7000-8000-0000000000aa/original"

func open(t *testing.T) (s *FS, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "blobs")
	s, err := OpenFS(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, folder
}

// files returns every file below a folder.
func files(t *testing.T, folder string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFS(t *testing.T) {
	blobtest.Conformance(t, func(t *testing.T) usecase.Blobs {
		s, _ := open(t)
		return s
	})
}

func TestNobodyElseMayRead(t *testing.T) {
	s, folder := open(t)
	if err := s.Put(t.Context(), name, strings.NewReader("sealed")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v; want %v", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNamesAreStrict(t *testing.T) {
	s, folder := open(t)
	for _, bad := range []string{
		"", "/", "original", "../../etc/passwd", "01990000-0000-7000-8000-0000000000aa",
		"01990000-0000-7000-8000-0000000000aa/", "01990000-0000-7000-8000-0000000000aa/..",
		"01990000-0000-7000-8000-0000000000AA/original", "01990000-0000-7000-8000-0000000000aa/Original",
		"01990000-0000-7000-8000-0000000000aa/original/x", "01990000-0000-7000-8000-0000000000aa/a.b",
		"../90000-0000-7000-8000-0000000000aa/original", "01990000-0000-7000-8000-0000000000aa/\x00",
		"01990000-0000-7000-8000-0000000000aa/" + strings.Repeat("x", 33),
	} {
		if err := s.Put(t.Context(), bad, strings.NewReader("x")); !errors.Is(err, errName) {
			t.Errorf("Put %q: %v", bad, err)
		}
		if _, _, err := s.Open(t.Context(), bad); !errors.Is(err, errName) {
			t.Errorf("Open %q: %v", bad, err)
		}
		if err := s.Delete(t.Context(), bad); !errors.Is(err, errName) {
			t.Errorf("Delete %q: %v", bad, err)
		}
	}
	if left := files(t, filepath.Dir(folder)); len(left) > 0 {
		t.Errorf("files were made: %v", left)
	}
}

// Whatever a name is, it is refused or leads to one file of a shard and back.
func FuzzName(f *testing.F) {
	f.Add(name)
	f.Add("../../x")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := pathOf(s)
		if err != nil {
			return
		}
		folder, file := filepath.Split(at)
		if back, ok := nameOf(filepath.Clean(folder), file); !ok || back != s || !filepath.IsLocal(at) {
			t.Errorf("%q leads to %q and back to %q", s, at, back)
		}
	})
}

// A folder of another's making does not lead out of the store.
func TestLinksAreNotFollowedOut(t *testing.T) {
	s, folder := open(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "aa")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), name, strings.NewReader("sealed")); err == nil {
		t.Error("an object was put through a link")
	}
	if left := append(files(t, outside), files(t, filepath.Join(folder, unfinished))...); len(left) > 0 {
		t.Errorf("files were left: %v", left)
	}
}

// A disk that is full at any moment of a put is a refusal, and nothing of it stays.
func TestDiskFull(t *testing.T) {
	tests := map[string]failing{
		"while writing":  {write: syscall.ENOSPC},
		"over a quota":   {write: syscall.EDQUOT},
		"while flushing": {sync: syscall.ENOSPC},
		"while closing":  {close: syscall.EDQUOT},
	}
	for when, fails := range tests {
		t.Run(when, func(t *testing.T) {
			s, folder := open(t)
			create := s.create
			s.create = func(name string) (f file, err error) {
				fails.file, err = create(name)
				return fails, err
			}
			err := s.Put(t.Context(), name, strings.NewReader("sealed"))
			if !errors.Is(err, ErrFull) {
				t.Errorf("got %v; want %v", err, ErrFull)
			}
			if left := files(t, folder); len(left) > 0 {
				t.Errorf("files were left: %v", left)
			}
			s.create = create
			if err := s.Put(t.Context(), name, strings.NewReader("sealed")); err != nil {
				t.Errorf("with room again: %v", err)
			}
		})
	}
}

// Others write to the same file system: a store leaves them room, and says so before it writes.
func TestRoomIsLeftForOthers(t *testing.T) {
	s, folder := open(t)
	room, broken := uint64(reserve), error(nil)
	s.room = func() (uint64, error) { return room, broken }
	put := func() error { return s.Put(t.Context(), name, strings.NewReader("sealed")) }
	if err := put(); err != nil {
		t.Errorf("with just enough room: %v", err)
	}
	room--
	if err := put(); !errors.Is(err, ErrFull) {
		t.Errorf("with a byte less: got %v; want %v", err, ErrFull)
	}
	broken = syscall.EIO
	if err := put(); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrFull) {
		t.Errorf("with no answer: got %v; want %v", err, broken)
	}
	if left := files(t, folder); len(left) != 1 {
		t.Errorf("got %v; want the one object", left)
	}
}

// What the kernel says of the disk is what everybody sees who looks.
func TestRoomByTheKernel(t *testing.T) {
	s, _ := open(t)
	room, err := s.room()
	if err != nil || room == 0 {
		t.Fatalf("%d bytes, %v", room, err)
	}
	s.reserve = 1 << 62
	if err := s.Put(t.Context(), name, strings.NewReader("sealed")); !errors.Is(err, ErrFull) {
		t.Errorf("no disk is that large: got %v; want %v", err, ErrFull)
	}
}

type failing struct {
	file
	write, sync, close error
}

func (f failing) Write(p []byte) (int, error) {
	if f.write != nil {
		return 0, f.write
	}
	return f.file.Write(p)
}

func (f failing) Sync() error  { return errors.Join(f.file.Sync(), f.sync) }
func (f failing) Close() error { return errors.Join(f.file.Close(), f.close) }

func TestSweep(t *testing.T) {
	s, folder := open(t)
	inTheMiddle, goOn := make(chan struct{}), make(chan struct{})
	slow := io.MultiReader(strings.NewReader("first half, "), waiting{inTheMiddle, goOn}, strings.NewReader("second half"))
	done := make(chan error)
	go func() { done <- s.Put(t.Context(), name, slow) }()
	<-inTheMiddle

	crashed := filepath.Join(folder, unfinished, "LEFT")
	if err := os.WriteFile(crashed, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	anHourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(crashed, anHourAgo, anHourAgo); err != nil {
		t.Fatal(err)
	}
	removed, err := s.Sweep(t.Context(), anHourAgo.Add(time.Minute))
	if err != nil || removed != 1 {
		t.Errorf("removed %d, %v; want 1", removed, err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("the sweep disturbed a put: %v", err)
	}
	if left := files(t, folder); len(left) != 1 {
		t.Errorf("got %v; want the one object", left)
	}
}

// waiting is a reader that tells when it is asked, and waits.
type waiting struct{ asked, goOn chan struct{} }

func (w waiting) Read([]byte) (int, error) {
	close(w.asked)
	<-w.goOn
	return 0, io.EOF
}

// A listing gives all objects even when it finds what does not belong there, and says so.
func TestForeignFilesAreReported(t *testing.T) {
	s, folder := open(t)
	if err := s.Put(t.Context(), name, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{
		"photo.jpg", "aa/photo.jpg", "aa/01990000-0000-7000-8000-0000000000bb.original",
		"lost+found/01990000-0000-7000-8000-0000000000aa.original", "AA/x", "a/x", "aaa/x", "ag/x",
	} {
		at := filepath.Join(folder, foreign)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		seen := 0
		err := s.List(t.Context(), func(usecase.Blob) error { seen++; return nil })
		if !errors.Is(err, ErrForeign) || seen != 1 {
			t.Errorf("%s: got %v and %d objects; want %v and 1", foreign, err, seen, ErrForeign)
		}
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
		if alone := filepath.Dir(at); alone != folder && filepath.Base(alone) != "aa" {
			if err := os.Remove(alone); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// broken is an entry of a folder that a failing disk does not tell about.
type broken struct {
	fs.DirEntry
	name string
}

func (b broken) Name() string             { return b.name }
func (broken) Type() fs.FileMode          { return 0 }
func (broken) Info() (fs.FileInfo, error) { return nil, syscall.EIO }

// Folders and files that cannot be read keep no other from being listed, and are not hidden.
func TestListingGoesOnAfterDamage(t *testing.T) {
	s, folder := open(t)
	for _, last := range []string{"00", "77", "ff"} {
		if err := s.Put(t.Context(), "01990000-0000-7000-8000-0000000000"+last+"/original", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	// In place of two folders, which this test's user may be root to read, two that are none.
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	l := listing{FS: s, ctx: t.Context(), each: func(usecase.Blob) error { seen++; return nil }}
	for _, entry := range entries {
		if entry.Name() == "77" {
			for i := range told + 4 {
				b := broken{name: fmt.Sprintf("01990000-0000-7000-8000-0000000%05d.original", 100*i+77)}
				if err := l.file("77", b); err != nil {
					t.Fatal(err)
				}
			}
			// The folder is gone bad between the listing of the root and its own: now it is a file.
			if err := os.Rename(filepath.Join(folder, "77"), filepath.Join(folder, unfinished, "77")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, "77"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.folder(entry); err != nil {
			t.Fatal(err)
		}
	}
	err = l.result()
	if seen != 2 || !errors.Is(err, syscall.EIO) || errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "and 5 more") {
		t.Errorf("%d objects, %v; want the 2 others, and what went wrong", seen, err)
	}
}
