package published

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
)

// Texts returns every version as the record is to know it: the bytes of its file, and their
// digest. It loads the files again; p says which there are.
func (p *Policy) Texts(files fs.FS) (all []policy.Published, err error) {
	for _, text := range p.Versions {
		name := currentFile
		if text.Version != p.Current().Version {
			name = path.Join(earlier, strconv.Itoa(text.Version)+".md")
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		digest := sha256.Sum256(content)
		all = append(all, policy.Published{
			Version: text.Version, Date: text.Date.Format(time.DateOnly), Digest: hex.EncodeToString(digest[:]), Text: string(content),
		})
	}
	return all, nil
}
