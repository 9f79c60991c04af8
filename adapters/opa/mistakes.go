package opa

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/bgremover/bgremover/domain/refusal"
)

// mostMistakes is how many mistakes of a bundle are told at once.
const mostMistakes = 5

// codeRules is the permanent code of a bundle whose rules or data cannot be used.
const codeRules = "policy.rules"

// explain turns what is wrong with a bundle into a refusal that names file, line and promise of each mistake.
func explain(files fs.FS, err error) error {
	if err == nil {
		return nil
	}
	if _, told := refusal.As(err); told {
		return err
	}
	var said []string
	all := mistakes(err)
	for i, mistake := range all {
		if i == mostMistakes {
			said = append(said, fmt.Sprintf("and %d more", len(all)-mostMistakes))
			break
		}
		said = append(said, describe(files, mistake))
	}
	return refusal.New(refusal.Unusable, codeRules, "This policy bundle cannot be used: "+strings.Join(said, "; ")+".",
		"Mend it, and look with opa check --strict and opa test before you sign it again.")
}

// mistakes takes joined errors apart.
func mistakes(err error) (all []error) {
	if several, ok := errors.AsType[ast.Errors](err); ok {
		for _, one := range several {
			all = append(all, one)
		}
		return all
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, mistakes(one)...)
		}
		return all
	}
	return []error{err}
}

// entryPattern is how data.go names what is wrong with an entry: "file: entry: what".
var entryPattern = regexp.MustCompile(`^([a-z0-9_./-]+\.json|data): ([^ :]+): (.*)$`)

// describe tells one mistake: "retention/retention.rego:12 (promise image.delete-24h): …".
func describe(files fs.FS, err error) string {
	if of, ok := errors.AsType[*ast.Error](err); ok && of.Location != nil && of.Location.File != "" {
		return at(of.Location.File, of.Location.Row, promiseAbove(files, of.Location.File, of.Location.Row)) + onOneLine(of.Message)
	}
	text := onOneLine(err.Error())
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		name, _, _ := strings.Cut(text, ":")
		if content, err := fs.ReadFile(files, name); err == nil {
			return at(name, lineAt(content, syntax.Offset), "") + onOneLine(syntax.Error())
		}
	}
	if m := entryPattern.FindStringSubmatch(text); m != nil {
		if content, err := fs.ReadFile(files, m[1]); err == nil {
			line, promise := entryIn(content, m[2])
			return at(m[1], line, promise) + m[2] + ": " + m[3]
		}
	}
	return text
}

func at(file string, line int, promise string) string {
	where := file + ":" + strconv.Itoa(max(line, 1))
	if promise != "" {
		where += " (promise " + promise + ")"
	}
	return where + ": "
}

func onOneLine(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + " …"
	}
	return text
}

// promisesPattern is the line of a rule's METADATA that names its promises.
var promisesPattern = regexp.MustCompile(`^#\s+promises: \[(.*)\]`)

// promiseAbove returns the promises of the rule that a line belongs to: those that the last METADATA above names.
func promiseAbove(files fs.FS, name string, row int) (promises string) {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return ""
	}
	for i, line := range strings.Split(string(content), "\n") {
		if i >= row && promises != "" {
			break
		}
		if m := promisesPattern.FindStringSubmatch(line); m != nil {
			promises = m[1]
		}
	}
	return promises
}

// sourcePattern finds the promise in an entry's source.
var sourcePattern = regexp.MustCompile(`promises? ([a-z]+\.[a-z0-9-]+)`)

// entryIn returns on which line of a data file an entry stands, or what of its path is there, and
// which promise the nearest entry around it names.
func entryIn(content []byte, entry string) (line int, promise string) {
	d := json.NewDecoder(bytes.NewReader(content))
	var offset int64
	for depth, path := 0, strings.Split(entry, "."); depth < len(path); depth++ {
		if !enter(d, path[depth]) {
			break
		}
		offset = d.InputOffset()
	}
	var value any
	if json.Unmarshal(content, &value) != nil {
		return lineAt(content, offset), ""
	}
	for name := range strings.SplitSeq(entry, ".") {
		members, ok := value.(map[string]any)
		if !ok {
			break
		}
		if value, ok = members[name]; !ok {
			break
		}
		promise = cmp.Or(promiseOf(value), promise)
	}
	return lineAt(content, offset), promise
}

func promiseOf(value any) string {
	members, _ := value.(map[string]any)
	if named, ok := members["promise"].(string); ok {
		return named
	}
	source, _ := members["source"].(string)
	if m := sourcePattern.FindStringSubmatch(source); m != nil {
		return m[1]
	}
	return ""
}

// enter goes into the object that comes next, up to behind a member's name.
func enter(d *json.Decoder, member string) bool {
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false
		}
		if name == member {
			return true
		}
		var other json.RawMessage
		if d.Decode(&other) != nil {
			return false
		}
	}
	return false
}

func lineAt(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:min(int(offset), len(content))], []byte("\n"))
}
