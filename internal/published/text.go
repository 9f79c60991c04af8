package published

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bgremover/bgremover/domain/policy"
)

// reader reads a text line by line.
type reader struct {
	*mistakes
	file string
	text policy.Text
	ids  []string // of the sections so far
	fold bool     // the next line belongs to the block above it
}

// readText reads one version of the text. It knows front matter, one title, headings,
// paragraphs and points; each sentence stands in a line of its own and ends in a comment with
// the promises it rests on.
func readText(file, content string, m *mistakes) policy.Text {
	r := reader{mistakes: m, file: file}
	lines := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	for i := r.frontMatter(lines); i < len(lines); i++ {
		r.line(lines[i], i+1)
	}
	if r.text.Title == "" {
		m.add(file, 0, "", "has no title (# …)")
	}
	if len(r.text.Sentences()) == 0 {
		m.add(file, 0, "", "has no sentence")
	}
	return r.text
}

// frontMatter reads what stands between two lines of dashes, and returns where the text begins.
func (r *reader) frontMatter(lines []string) int {
	end := -1
	if lines[0] == "---" {
		end = slices.Index(lines[1:], "---")
	}
	if end < 0 {
		r.add(r.file, 1, "", "does not begin with its version and date between two lines ---")
		return 0
	}
	var front struct {
		Version int    `yaml:"version"`
		Date    string `yaml:"date"`
		Changed string `yaml:"changed"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(strings.Join(lines[1:end+1], "\n")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&front); err != nil {
		r.add(r.file, 1, "", "%v", err)
	}
	date, err := time.Parse(time.DateOnly, front.Date)
	if err != nil {
		r.add(r.file, 1, "", "the date %q is not like 2026-03-02", front.Date)
	}
	if front.Version < 1 || front.Version > highestVersion {
		r.add(r.file, 1, "", "the version %d is not 1, 2, 3 …", front.Version)
		front.Version = 1
	}
	if front.Changed == "" {
		r.add(r.file, 1, "", "does not say what changed")
	}
	r.text = policy.Text{Version: front.Version, Date: date, Changed: front.Changed}
	return end + 2
}

// highestVersion bounds how many files a slip in a number makes the reader look for.
const highestVersion = 10_000

func (r *reader) line(line string, n int) {
	title, isTitle := strings.CutPrefix(line, "# ")
	heading, isHeading := strings.CutPrefix(line, "## ")
	point, isPoint := strings.CutPrefix(line, "- ")
	more, isMore := strings.CutPrefix(line, "  ")
	switch {
	case line == "":
		r.fold = false
	case isTitle && r.text.Title == "" && len(r.text.Sections) == 0:
		r.text.Title = title
	case isHeading:
		r.heading(heading, n)
	case r.text.Title == "":
		r.add(r.file, n, "", "stands before the title")
	case isPoint:
		r.sentence(point, n, true, true)
	case isMore:
		r.sentence(more, n, true, false)
	default:
		r.sentence(line, n, false, false)
	}
}

var notInAddresses = regexp.MustCompile(`[^a-z0-9]+`)

func (r *reader) heading(title string, n int) {
	id := strings.Trim(notInAddresses.ReplaceAllString(strings.ToLower(title), "-"), "-")
	if id == "" || slices.Contains(r.ids, id) {
		r.add(r.file, n, "", "the heading %q says nothing, or stands twice", title)
	}
	r.ids, r.fold = append(r.ids, id), false
	r.text.Sections = append(r.text.Sections, policy.Section{ID: id, Title: title})
}

// sentence puts a sentence where it belongs: into a new block, a new point, or behind the
// sentence before it.
func (r *reader) sentence(line string, n int, points, begins bool) {
	sentence, ok := r.readLine(line, n)
	if !ok {
		return
	}
	if len(r.text.Sections) == 0 {
		r.text.Sections = []policy.Section{{}}
	}
	section := &r.text.Sections[len(r.text.Sections)-1]
	if points && !begins && (!r.fold || !section.Blocks[len(section.Blocks)-1].Points) {
		r.add(r.file, n, "", "is indented and goes on no point")
		return
	}
	if !r.fold || section.Blocks[len(section.Blocks)-1].Points != points {
		section.Blocks = append(section.Blocks, policy.Block{Points: points})
		begins = true
	}
	block := &section.Blocks[len(section.Blocks)-1]
	if begins {
		block.Items = append(block.Items, nil)
	}
	item := &block.Items[len(block.Items)-1]
	*item = append(*item, sentence)
	r.fold = true
}
