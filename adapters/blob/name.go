package blob

import (
	"errors"
	"path"
	"strings"

	"github.com/bgremover/bgremover/domain/id"
)

// errName says that a string names no object. It does not repeat the string.
var errName = errors.New("blob: an object is called <picture's id>/<kind of copy>")

// pathOf returns where an object stands below the root. The last digits of an id are
// random, the first ones are its time: sharded by the last, all folders fill alike.
func pathOf(name string) (string, error) {
	img, kind, ok := strings.Cut(name, "/")
	if _, isID := id.ParseImage(img); !ok || !isID || !isKind(kind) {
		return "", errName
	}
	return path.Join(shard(img), img+"."+kind), nil
}

// nameOf is the inverse of pathOf, for a file in a shard's folder.
func nameOf(folder, file string) (string, bool) {
	img, kind, ok := strings.Cut(file, ".")
	if _, isID := id.ParseImage(img); !ok || !isID || !isKind(kind) || shard(img) != folder {
		return "", false
	}
	return img + "/" + kind, true
}

func shard(img string) string { return img[len(img)-2:] }

// isShard says whether a folder can hold objects.
func isShard(folder string) bool {
	return len(folder) == 2 && strings.Trim(folder, "0123456789abcdef") == ""
}

func isKind(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || 'z' < c) && c != '_' {
			return false
		}
	}
	return true
}
