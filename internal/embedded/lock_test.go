package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockHasOneHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	first, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = LockDir(dir)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second lock says %v, want the folder and the process", err)
	}
	for range 2 { // letting go twice is no mistake
		if err := first.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	second, err := LockDir(dir)
	if err != nil {
		t.Fatalf("after letting go: %v", err)
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockMakesAClosedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	lock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err := errors.Join(err, lock.Unlock()); err != nil {
		t.Fatal(err)
	}
	if readable := info.Mode().Perm() & 0o066; readable != 0 {
		t.Errorf("others may list or write it: %v", info.Mode())
	}
}

func TestLockRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(path); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("got %v", err)
	}
}
