package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process holds the folder.
var ErrInUse = errors.New("in use by another process")

// Lock holds a folder for this process. The kernel lets go of it when the
// process ends, however it ends.
type Lock struct{ file *os.File }

// LockDir makes the folder if need be and takes it for this process alone. If
// another process has it, the error is ErrInUse and names that process.
//
// A folder that it makes is closed to others; for root, others may pass through
// (not list) it, because PostgreSQL, which refuses root, has its own part of it.
func LockDir(dir string) (*Lock, error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		return nil, fmt.Errorf("%s is %w%s; stop that one, or choose another folder", dir, ErrInUse, holder(f))
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAt(f, pid)); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	return &Lock{file: f}, nil
}

// Unlock lets go of the folder; it may be called more than once. The file stays:
// removing it would let two processes hold a lock on two files of one name.
func (l *Lock) Unlock() error {
	if err := l.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func holder(f *os.File) string {
	pid, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil || len(pid) == 0 {
		return ""
	}
	return " (process " + strings.TrimSpace(string(pid)) + ")"
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// makePrivateDir leaves a folder that is there already as it is. What it makes
// has its mode whatever the umask.
func makePrivateDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	}
	if err := makePrivateDir(filepath.Dir(dir)); err != nil {
		return err
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	err := os.Mkdir(dir, mode)
	if errors.Is(err, os.ErrExist) {
		return nil // by another process, just now
	}
	if err == nil {
		err = os.Chmod(dir, mode)
	}
	if err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	return nil
}
