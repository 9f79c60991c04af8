package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// firstKey signed the golden receipts of internal/evidence.
const firstKey = "log.example.org/2026+f42faeed+AT0avqPgf6Pm9S6c/Ue4YPo4zhM+LX2Sf8PdVegigHT0"

func golden(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "internal", "evidence", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// quotedNote is the checkpoint inside a receipt, as somebody may have kept it.
func quotedNote(receipt string) string {
	_, rest, _ := strings.Cut(receipt, "\ncheckpoint\n")
	var note strings.Builder
	for line := range strings.Lines(rest) {
		inside, ok := strings.CutPrefix(line, "|")
		if !ok {
			break
		}
		note.WriteString(inside)
	}
	return note.String()
}

func TestReceiptCommand(t *testing.T) {
	proof := golden(t, "proof.txt")
	whole := file(t, proof)
	tests := map[string]struct {
		args []string
		in   string
		code int
		says string // on one line, in either output
	}{
		"with the key":             {[]string{"receipt", whole, "--key", firstKey}, "", exitHolds, "This receipt holds."},
		"flags before the file":    {[]string{"receipt", "--key", firstKey, whole}, "", exitHolds, "This receipt holds."},
		"with a checkpoint":        {[]string{"receipt", whole, "--against", file(t, quotedNote(proof))}, "", exitHolds, "nothing in it was changed or removed since"},
		"with nothing":             {[]string{"receipt", whole}, "", exitOpen, "something is open"},
		"from the standard input":  {[]string{"receipt", "-", "--key", firstKey}, proof, exitHolds, "This receipt holds."},
		"a promise":                {[]string{"receipt", "-", "--key", firstKey}, golden(t, "promise.txt"), exitOpen, "as a promise"},
		"with another key":         {[]string{"receipt", whole, "--key", "log.example.org/2026+5b09a051+AWFYQ+ERLjHsViVvxVi7xOVeQj01P/yUYFPF3d6jJlsd"}, "", exitRefused, "receipt.other_key"},
		"changed":                  {[]string{"receipt", "-"}, strings.Replace(proof, "deleted 2026-03-02", "deleted 2026-03-01", 1), exitRefused, "receipt.signature"},
		"not a receipt":            {[]string{"receipt", "-"}, "hello", exitRefused, "receipt.form"},
		"endless":                  {[]string{"receipt", "-"}, strings.Repeat(proof, 100), exitRefused, "receipt.form"},
		"a checkpoint of nothing":  {[]string{"receipt", whole, "--against", file(t, "")}, "", exitUsage, "is empty"},
		"a checkpoint of others":   {[]string{"receipt", whole, "--against", file(t, "other\n1\n")}, "", exitRefused, "receipt.other_log"},
		"an empty key":             {[]string{"receipt", whole, "--key", ""}, "", exitUsage, "--key is empty"},
		"no checkpoint's name":     {[]string{"receipt", whole, "--key", firstKey, "--against="}, "", exitUsage, "--against is empty"},
		"no such file":             {[]string{"receipt", filepath.Join(t.TempDir(), "none")}, "", exitUsage, "no such file"},
		"two files":                {[]string{"receipt", whole, whole}, "", exitUsage, "there are 2"},
		"no file":                  {[]string{"receipt"}, "", exitUsage, "there are 0"},
		"an unknown flag":          {[]string{"receipt", whole, "--frob"}, "", exitUsage, "frob"},
		"nothing to verify":        {nil, "", exitUsage, "bgverify receipt FILE"},
		"something else to verify": {[]string{"frob"}, "", exitUsage, "bgverify receipt FILE"},
		"help":                     {[]string{"--help"}, "", exitHolds, "Exit codes"},
		"help about receipts":      {[]string{"receipt", "--help"}, "", exitHolds, "Exit codes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(tt.args, strings.NewReader(tt.in), &out, &errs)
			said := strings.Join(strings.Fields(out.String()+errs.String()), " ")
			if code != tt.code || !strings.Contains(said, tt.says) {
				t.Errorf("exit code %d, want %d and a word about %q:\n%s", code, tt.code, tt.says, said)
			}
		})
	}
}

func TestJSONReport(t *testing.T) {
	for name, content := range map[string]string{"holds": golden(t, "rotated.txt"), "does not": "hello"} {
		var out bytes.Buffer
		code := run([]string{"receipt", "-", "--json"}, strings.NewReader(content), &out, &out)
		var r report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Holds == (code == exitRefused) || r.Headline == "" || r.Holds == (r.Code != "") {
			t.Errorf("%s: exit code %d, %s, %v", name, code, &out, err)
		}
	}
}

// What is handed out runs anywhere: it is one static file.
func TestBinaryIsStatic(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bgverify")
	build := goCommand(t, "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(build.Env, "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %s: something is linked at its start", p.Type)
		}
	}
	if libraries, err := binary.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("it needs %v", libraries)
	}
	if info, err := os.Stat(path); err == nil {
		t.Logf("bgverify has %.1f MB", float64(info.Size())/1e6)
	}
}

// Nothing that it is made of can reach the network, a database, C, or another program.
func TestNothingReachesOut(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"linux/amd64", "darwin/arm64", "windows/amd64", "js/wasm"} {
		system, processor, _ := strings.Cut(target, "/")
		list := goCommand(t, "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}} {{len .CgoFiles}}", ".")
		list.Env = append(list.Env, "GOOS="+system, "GOARCH="+processor)
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if !strings.Contains(string(out), "internal/evidence") {
			t.Fatalf("%s: the list is not that of this program: %s", target, out)
		}
		for line := range strings.Lines(string(out)) {
			var path, standard, cgo string
			if fields := strings.Fields(line); len(fields) == 3 {
				path, standard, cgo = fields[0], fields[1], fields[2]
			}
			first, _, _ := strings.Cut(path, "/")
			ours := strings.HasPrefix(path, "github.com/bgremover/bgremover/") || strings.HasPrefix(path, "golang.org/x/mod/sumdb/")
			banned := first == "net" || first == "database" || slices.Contains([]string{"os/exec", "runtime/cgo", "crypto/tls", "plugin", "C"}, path)
			if banned || cgo != "0" || standard != "true" && !ours {
				t.Errorf("%s: it is made of %s", target, line)
			}
		}
	}
}

func goCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd
}
