package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	requirement = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // one that is direct: the others end with a comment
	dependency  = regexp.MustCompile(`(?m)^\| ([a-z][^|]*/[^|]*) \| [^|]+ \|$`)
	version     = regexp.MustCompile(`^v\d+$`)
)

// A row may name several modules, the later ones by what tells them from the first.
func TestEveryDependencyHasAReason(t *testing.T) {
	mod, listed := read(t, "go.mod"), dependency.FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1)
	required := requirement.FindAllStringSubmatch(mod, -1)
	if len(required) == 0 || len(listed) == 0 {
		t.Fatalf("%d direct requirements and %d rows of reasons: nothing was compared", len(required), len(listed))
	}
	var rows []string
	for _, row := range listed {
		rows = append(rows, row[1])
	}
	for _, found := range required {
		if !slices.ContainsFunc(rows, func(row string) bool { return names(row, found[1]) }) {
			t.Errorf("go.mod requires %s, and docs/dependencies.md does not say why", found[1])
		}
	}
	for _, row := range rows {
		if first, _, _ := strings.Cut(row, " "); !strings.Contains(mod, "\t"+strings.TrimSuffix(first, ",")) {
			t.Errorf("docs/dependencies.md gives a reason for %s, which go.mod does not require", first)
		}
	}
}

// names says whether a row speaks of a module: by its whole path, or by its last parts.
func names(row, path string) bool {
	words := strings.FieldsFunc(row, func(r rune) bool { return strings.ContainsRune(" ,()", r) })
	parts := strings.Split(path, "/")
	for from := range parts {
		rest := strings.Join(parts[from:], "/")
		if !version.MatchString(rest) && slices.Contains(words, rest) {
			return true
		}
	}
	return false
}

var (
	benchmark = regexp.MustCompile("`(Benchmark[A-Za-z0-9]+)`")
	testFile  = regexp.MustCompile(`[a-z/_]+_test\.go`)
)

func TestFiguresNameWhatMeasuresThem(t *testing.T) {
	speed := read(t, "docs/speed.md")
	there, files := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t, "adapters", "cmd", "domain", "internal", "projections") {
		if !s.isTest() {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Benchmark") {
				there[f.Name.Name] = true
				files[filepath.Base(s.name)] = true
				files[filepath.ToSlash(filepath.Join(s.folder, filepath.Base(s.name)))] = true
			}
		}
	}
	named, in := benchmark.FindAllStringSubmatch(speed, -1), testFile.FindAllString(speed, -1)
	if len(named) == 0 || len(in) == 0 {
		t.Fatalf("docs/speed.md names %d benchmarks and %d files: nothing was compared", len(named), len(in))
	}
	for _, name := range named {
		if !there[name[1]] {
			t.Errorf("docs/speed.md gives a figure of %s, which there is not", name[1])
		}
	}
	for _, file := range in {
		if !files[file] {
			t.Errorf("docs/speed.md gives figures of %s, which has no benchmark", file)
		}
	}
}
