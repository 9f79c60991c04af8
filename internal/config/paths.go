package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// defaultData is /var/lib/bgremover for root, else where the platform keeps a user's data;
// "" for somebody without a home.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/bgremover"
	}
	if runtime.GOOS == "darwin" {
		return below(os.UserHomeDir())("Library", "Application Support", "bgremover")
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bgremover")
	}
	return below(os.UserHomeDir())(".local", "share", "bgremover")
}

// defaultFile is where the configuration is looked for.
func defaultFile() string {
	if os.Geteuid() == 0 {
		return "/etc/bgremover/config.yaml"
	}
	return below(os.UserConfigDir())("bgremover", "config.yaml")
}

func below(dir string, err error) func(parts ...string) string {
	return func(parts ...string) string {
		if err != nil {
			return ""
		}
		return filepath.Join(append([]string{dir}, parts...)...)
	}
}

// BlobDir returns the folder of the sealed photos.
func (s *Serve) BlobDir() string {
	dir, err := blobDir(s.Blobs)
	if err != nil || dir == "" { // Validate has named the error
		return filepath.Join(s.Data, "blobs")
	}
	return dir
}

// blobDir returns the folder that a path or URL names; "" for the default.
func blobDir(blobs string) (string, error) {
	scheme, _, isURL := strings.Cut(blobs, "://")
	switch {
	case blobs == "":
		return "", nil
	case !isURL:
		return filepath.Abs(blobs)
	case scheme == "s3":
		return "", fmt.Errorf("object stores cannot be used yet; give a folder")
	case scheme != "file":
		return "", fmt.Errorf("%s:// is no store that is known here; give a folder or a file:// URL", scheme)
	}
	u, err := url.Parse(blobs)
	if err != nil || (u.Host != "" && u.Host != "localhost") || !strings.HasPrefix(u.Path, "/") {
		return "", fmt.Errorf("a file URL looks like file:///var/lib/photos")
	}
	return filepath.Clean(u.Path), nil
}
