package officer

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every list that an officer can open leads to all the others, and is named there as it names itself.
func TestOnePageLeadsToAllOthers(t *testing.T) {
	base, err := templates.ReadFile("base.html")
	if err != nil {
		t.Fatal(err)
	}
	var led []string
	for _, link := range regexp.MustCompile(`<a href="/officer/\w+"\{\{if eq \. "([^"]+)"\}\} aria-current="page"\{\{end\}\}>([^<]+)</a>`).FindAllSubmatch(base, -1) {
		if string(link[1]) != string(link[2]) {
			t.Errorf("the link %q is current on %q", link[2], link[1])
		}
		led = append(led, string(link[2]))
	}
	names, err := fs.Glob(templates, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	uses := regexp.MustCompile(`\{\{- template "pages" "([^"]+)"\}\}`)
	var seen []string
	for _, name := range names {
		content, err := templates.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		used := uses.FindSubmatch(content)
		if used == nil {
			continue
		}
		seen = append(seen, string(used[1]))
		if !strings.Contains(string(content), "<h1>"+string(used[1])+"</h1>") {
			t.Errorf("%s calls itself otherwise than %q", name, used[1])
		}
	}
	slices.Sort(led)
	slices.Sort(seen)
	if len(led) < 8 || !slices.Equal(led, seen) {
		t.Errorf("the pages lead to %q, and these are %q", led, seen)
	}
}
