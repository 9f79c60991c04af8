package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/bgremover/bgremover/"
)

// source is one Go file; folder and name are relative to the root, with slashes.
type source struct {
	folder, name string
	file         *ast.File
	fset         *token.FileSet
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// imports returns the import paths; those of this module as folders.
func (s source) imports() (ours, others []string) {
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it; it is a string
		}
		if folder, ok := strings.CutPrefix(path, module); ok {
			ours = append(ours, folder)
		} else {
			others = append(others, path)
		}
	}
	return ours, others
}

// selections calls see with every x.name in the file and where it is.
func (s source) selections(see func(x, name string, at token.Position)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			x := ""
			if ident, ok := selector.X.(*ast.Ident); ok {
				x = ident.Name
			}
			see(x, selector.Sel.Name, s.fset.Position(selector.Pos()))
		}
		return true
	})
}

// sources parses every Go file below the folders; each of them must have some.
func sources(t *testing.T, folders ...string) (all []source) {
	t.Helper()
	for _, folder := range folders {
		before := len(all)
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && (entry.Name() == "testdata" || len(entry.Name()) > 2 && entry.Name()[0] == '.'):
				return fs.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, ".go"):
				return nil
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			all = append(all, source{filepath.ToSlash(filepath.Dir(name)), name, file, fset})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == before {
			t.Fatalf("there is no Go file below %s: nothing was checked", folder)
		}
	}
	return all
}

func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

func withinAny(folder string, parents []string) bool {
	for _, parent := range parents {
		if within(folder, parent) {
			return true
		}
	}
	return false
}

func folders(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names
}
