package opa

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// Digest returns the SHA-256 over the names and bytes of a bundle's files, in hexadecimal. A signature is no part of it:
// the same rules are the same, whoever signed them.
func Digest(files fs.FS) (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == signaturesFile {
			return err
		}
		content, err := fs.ReadFile(files, name)
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil)), err
}
