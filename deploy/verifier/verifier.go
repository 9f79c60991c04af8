// Package verifier carries the check of receipts for browsers: cmd/bgverify, compiled to
// WebAssembly, and what a browser starts it with. "make verifier" puts both into the folder
// built; in a fresh checkout it is empty, and then the service does without them.
package verifier

import (
	"embed"
	"io/fs"
)

//go:embed all:built
var built embed.FS

// Files holds bgverify.wasm.gz and wasm_exec.js, if they were built.
func Files() fs.FS {
	files, err := fs.Sub(built, "built")
	if err != nil {
		panic(err) // only a malformed name can do that
	}
	return files
}
