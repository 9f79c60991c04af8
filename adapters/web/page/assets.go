package page

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
)

// assetsPath is where the stylesheet and the modules are. It changes with their content,
// so that browsers may keep them for ever.
var assetsPath = "/assets/" + digest() + "/"

func digest() string {
	all := sha256.New()
	err := fs.WalkDir(files, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		all.Write(content)
		return err
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	return hex.EncodeToString(all.Sum(nil)[:8])
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// AssetsPattern is the path of the route that [Asset] serves.
const AssetsPattern = "/assets/{version}/{file}"

// Asset answers with the stylesheet, a module or the icon. It reports false when there is no such file.
func Asset(w http.ResponseWriter, r *http.Request) bool {
	name := r.PathValue("file")
	content, err := files.ReadFile(path.Join("assets", path.Base(name)))
	if err != nil {
		return false
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(name)])
	// A page of an older release may ask for an older version: it gets this one, and does not keep it.
	w.Header().Set("Cache-Control", "no-cache")
	if "/assets/"+r.PathValue("version")+"/" == assetsPath {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(content) //nolint:gosec // one of our own embedded files; the client may be gone
	return true
}
