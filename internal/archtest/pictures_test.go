package archtest

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The bytes of a picture have one way out of their seal, and few who take it. Whoever is added
// here can show, send or export pictures: that takes a promise, not only a line.
var openers = map[string]map[string]string{
	"OpenFrom": {
		"internal/usecase/blobs.go openSealed":               "authenticates what it reads",
		"adapters/postgres/backup_format.go newBackupReader": "a backup of the vault: keys, sealed once more, and no picture",
	},
	"openSealed": {
		"internal/usecase/blobs.go loadSealed": "for a cutout, whole",
		"internal/usecase/download.go deliver": "for the holder, as it is sent",
	},
	"loadSealed": {
		"internal/usecase/process.go load": "for the cutout",
		"internal/usecase/preview.go Do":   "for the holder's own page",
	},
}

func TestPicturesAreOpenedOnlyHere(t *testing.T) {
	found := map[string]map[string]bool{}
	for _, s := range sources(t, ".") {
		if s.isTest() {
			continue
		}
		for _, decl := range s.file.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			for callee := range calls(function) {
				if openers[callee] == nil {
					continue
				}
				if found[callee] == nil {
					found[callee] = map[string]bool{}
				}
				found[callee][s.name+" "+function.Name.Name] = true
			}
		}
	}
	for callee, listed := range openers {
		for caller := range found[callee] {
			if _, known := listed[caller]; !known {
				t.Errorf("%s calls %s and is not on the list of those who open pictures", caller, callee)
			}
		}
		for caller := range listed {
			if !found[callee][caller] {
				t.Errorf("%s is on the list and does not call %s", caller, callee)
			}
		}
	}
}

// calls returns the names of what a function calls.
func calls(function *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(function, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch f := call.Fun.(type) {
		case *ast.Ident:
			names[f.Name] = true
		case *ast.SelectorExpr:
			names[f.Sel.Name] = true
		}
		return true
	})
	return names
}

// What puts exports together has no way to the store of pictures: it names neither the store, nor
// a picture, nor what opens one.
func TestExportsKnowNoPictures(t *testing.T) {
	forbidden := []string{"Blobs", "Blob", "openSealed", "loadSealed", "OpenFrom", "blobName", "Original", "Result", "Image"}
	looked := 0
	for _, s := range sources(t, "internal/usecase", "adapters/age", "domain/disclosure") {
		if s.isTest() || within(s.folder, "internal/usecase") && !strings.HasPrefix(s.name, "internal/usecase/disclosure_") {
			continue
		}
		looked++
		named := map[string]bool{}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok {
				named[name.Name] = true
			}
			return true
		})
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if slices.Contains(forbidden, name) {
				t.Errorf("%s names %s", s.name, name)
			}
		}
		if ours, _ := s.imports(); slices.Contains(ours, "domain/image") {
			t.Errorf("%s imports domain/image", s.name)
		}
	}
	if looked < 10 {
		t.Errorf("only %d files were looked at", looked)
	}
}
