package blob

import "golang.org/x/sys/unix"

// roomIn returns how many bytes the service may still write to the file system of a folder.
func roomIn(folder string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Frsize), nil
}
