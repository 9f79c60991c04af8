// Package verify serves the page on which anybody checks a receipt: cmd/bgverify, compiled
// to WebAssembly, runs in the visitor's browser, and nothing is sent to anybody.
//
// Read verify.go, verify.html, then page/assets/verify.js. It is the one page whose policy
// lets its modules compile WebAssembly. Where the check was not built, the page names the
// command that does the same.
package verify

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
)

//go:embed verify.html
var templates embed.FS

var verifyPage = page.Must(templates, "verify.html").WithWebAssembly()

// The files of a check that was built, and under which names they are served.
const (
	packedFile  = "bgverify.wasm.gz"
	programFile = "bgverify.wasm"
	starterFile = "wasm_exec.js"
)

// FilePattern is the path of the route that [Verifier.File] serves.
const FilePattern = "/verify/{version}/{file}"

// Verifier is the check as it was built, or nothing.
type Verifier struct {
	packed, program, starter []byte
	path                     string // changes with the files, so that browsers may keep them
}

// New reads the check. Files may be nil, or lack it; what is there and damaged is an error.
func New(files fs.FS) (*Verifier, error) {
	if files == nil {
		return &Verifier{}, nil
	}
	packed, err := fs.ReadFile(files, packedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &Verifier{}, nil
	}
	v := &Verifier{packed: packed}
	if err == nil {
		v.starter, err = fs.ReadFile(files, starterFile)
	}
	if err == nil {
		v.program, err = unpack(packed)
	}
	if err != nil {
		return nil, fmt.Errorf("read the check of receipts: %w", err)
	}
	digest := sha256.Sum256(slices.Concat(v.packed, v.starter))
	v.path = "/verify/" + hex.EncodeToString(digest[:8]) + "/"
	return v, nil
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Page serves GET /verify.
func (v *Verifier) Page() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		shown := struct{ Program, Starter string }{}
		if v.path != "" {
			shown.Program, shown.Starter = v.path+programFile, v.path+starterFile
		}
		verifyPage.Show(w, r, http.StatusOK, shown)
	}
}

// File serves the two files of the check.
func (v *Verifier) File() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h, content := w.Header(), []byte(nil)
		switch r.PathValue("file") {
		case starterFile:
			content = v.starter
			h.Set("Content-Type", "text/javascript; charset=utf-8")
		case programFile:
			content = v.program
			h.Set("Content-Type", "application/wasm")
			h.Set("Vary", "Accept-Encoding")
			if v.path != "" && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				content = v.packed
				h.Set("Content-Encoding", "gzip")
			}
		}
		if content == nil {
			answer.Fail(w, r, answer.ErrNoPage)
			return
		}
		h.Set("Content-Length", strconv.Itoa(len(content)))
		// A page of an older release may ask for an older version: it gets this one, and does not keep it.
		h.Set("Cache-Control", "no-cache")
		if "/verify/"+r.PathValue("version")+"/" == v.path {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		_, _ = w.Write(content) // the client may be gone
	}
}
