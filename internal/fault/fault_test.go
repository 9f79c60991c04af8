package fault

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The list and the product name the same points, each in one place.
func TestPointsAreListedAndPassed(t *testing.T) {
	const root = "../.."
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, name := range pointsOf(t, path, file) {
			found[name] = append(found[name], path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, where := range found {
		if !slices.Contains(Points, name) {
			t.Errorf("%s in %s is not on the list", name, where)
		}
		if len(where) > 1 {
			t.Errorf("%s stands in several places: %s", name, where)
		}
	}
	for i, name := range Points {
		if len(found[name]) == 0 {
			t.Errorf("nothing passes %s", name)
		}
		if slices.Index(Points, name) != i {
			t.Errorf("%s is listed twice", name)
		}
	}
}

// pointsOf returns what a file calls fault.Point with.
func pointsOf(t *testing.T, path string, file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, isCall := n.(*ast.CallExpr)
		if !isCall {
			return true
		}
		f, isSelector := call.Fun.(*ast.SelectorExpr)
		if !isSelector || f.Sel.Name != "Point" || len(call.Args) != 1 {
			return true
		}
		if x, isIdent := f.X.(*ast.Ident); !isIdent || x.Name != "fault" && x.Name != "faults" {
			return true
		}
		literal, isLiteral := call.Args[0].(*ast.BasicLit)
		if !isLiteral {
			t.Errorf("%s: a point's name must be written out", path)
			return true
		}
		name, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		names = append(names, name)
		return true
	})
	return names
}
