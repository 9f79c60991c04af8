package published

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

// The files.
const (
	promisesFile = "promises.yaml"
	currentFile  = "policy.md"
	earlier      = "versions" // the folder of <version>.md
)

// Policy is all that is published.
type Policy struct {
	Promises policy.Catalogue
	Versions []policy.Text // 1, 2, 3 …; the last one is in force
}

// Current returns the version in force.
func (p *Policy) Current() policy.Text { return p.Versions[len(p.Versions)-1] }

// Load reads what is published. Its error holds every [Mistake] there is.
func Load(files fs.FS) (*Policy, error) {
	var m mistakes
	content, err := fs.ReadFile(files, promisesFile)
	if err != nil {
		return nil, err
	}
	p := &Policy{Promises: readPromises(content, &m)}
	if err := p.loadVersions(files, &m); err != nil {
		return nil, err
	}
	p.checkPromised(&m)
	if err := m.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// loadVersions reads the current text and all before it.
func (p *Policy) loadVersions(files fs.FS, m *mistakes) error {
	current, err := readVersion(files, currentFile, m)
	if err != nil {
		return err
	}
	var before []policy.Text
	for n := 1; n < current.Version; n++ {
		name := path.Join(earlier, strconv.Itoa(n)+".md")
		text, err := readVersion(files, name, m)
		if err != nil {
			return fmt.Errorf("version %d of the policy: %w", n, err)
		}
		if text.Version != n {
			m.add(name, 0, "", "is version %d by its own words, and stands as %d", text.Version, n)
		}
		if len(before) > 0 && text.Date.Before(before[len(before)-1].Date) {
			m.add(name, 0, "", "is older than the version before it")
		}
		before = append(before, text)
	}
	if len(before) > 0 && !current.Date.After(before[len(before)-1].Date) {
		m.add(currentFile, 0, "", "has the date of the version before it, or an older one")
	}
	p.Versions = append(before, current)
	return p.checkNoMore(files, current.Version, m)
}

func readVersion(files fs.FS, name string, m *mistakes) (policy.Text, error) {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return policy.Text{}, err
	}
	return readText(name, string(content), m), nil
}

// checkNoMore refuses texts that nobody could reach.
func (p *Policy) checkNoMore(files fs.FS, current int, m *mistakes) error {
	names, err := fs.Glob(files, earlier+"/*.md")
	if err != nil {
		return err
	}
	for _, name := range names {
		if n, err := strconv.Atoi(strings.TrimSuffix(path.Base(name), ".md")); err != nil || n < 1 || n >= current {
			m.add(name, 0, "", "is no earlier version than that of %s, which is %d", currentFile, current)
		}
	}
	return nil
}

// checkPromised holds text and promises together: each sentence names promises that there are,
// and each promise is made in a sentence. Earlier versions may have made fewer.
func (p *Policy) checkPromised(m *mistakes) {
	var made []policy.ID
	for i, text := range p.Versions {
		name := currentFile
		if i < len(p.Versions)-1 {
			name = path.Join(earlier, strconv.Itoa(text.Version)+".md")
		}
		for _, sentence := range text.Sentences() {
			for _, id := range sentence.Promises {
				if _, ok := p.Promises.Promise(id); !ok {
					m.add(name, sentence.Line, id, "%s does not know this promise", promisesFile)
				}
				if name == currentFile {
					made = append(made, id)
				}
			}
		}
	}
	for _, promise := range p.Promises {
		if !slices.Contains(made, promise.ID) {
			m.add(promisesFile, 0, promise.ID, "no sentence of %s makes this promise", currentFile)
		}
	}
}
