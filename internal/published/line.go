package published

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

var (
	tagged = regexp.MustCompile(`^(.*\S) <!-- ([a-z0-9.\- ]+) -->$`)
	// pieces are what may stand in a sentence: **strong**, [link](/path), {blank}.
	pieces = regexp.MustCompile(`\*\*([^*\[\]{}]+)\*\*|\[([^*\[\]{}]+)\]\((/[A-Za-z0-9/_.#-]*)\)|\{([a-z]+)\}`)
	// inner is where one sentence ends and another begins.
	inner = regexp.MustCompile(`[.!?]["”)]* +["“(]*[\p{Lu}{]`)
	label = regexp.MustCompile(`^\*\*[^*]+\*\* `)
)

// readLine reads one sentence and the promises in the comment behind it.
func (r *reader) readLine(line string, n int) (policy.Sentence, bool) {
	found := tagged.FindStringSubmatch(line)
	if found == nil {
		r.add(r.file, n, "", "this sentence names no promise in a comment behind it, such as <!-- image.delete-24h -->: %.80q", line)
		return policy.Sentence{}, false
	}
	said, s := found[1], policy.Sentence{Line: n}
	if !strings.ContainsAny(said[len(said)-1:], ".!?") {
		r.add(r.file, n, "", "does not end as a sentence does")
	}
	if inner.MatchString(label.ReplaceAllString(said, "")) {
		r.add(r.file, n, "", "holds two sentences; each needs a line, and its promises")
	}
	for _, id := range strings.Fields(found[2]) {
		if slices.Contains(s.Promises, policy.ID(id)) {
			r.add(r.file, n, policy.ID(id), "is named twice by one sentence")
		}
		s.Promises = append(s.Promises, policy.ID(id))
	}
	s.Runs = r.runs(said, n)
	return s, true
}

// runs takes a sentence apart.
func (r *reader) runs(said string, n int) (all []policy.Run) {
	plain := func(text string) {
		if strings.ContainsAny(text, "*_[]{}<>`\\&") {
			r.add(r.file, n, "", "%.80q holds a sign that means nothing here", text)
		}
		if text != "" {
			all = append(all, policy.Run{Text: text})
		}
	}
	end := 0
	for _, at := range pieces.FindAllStringSubmatchIndex(said, -1) {
		plain(said[end:at[0]])
		end = at[1]
		switch {
		case at[2] >= 0:
			all = append(all, policy.Run{Text: said[at[2]:at[3]], Strong: true})
		case at[4] >= 0:
			all = append(all, policy.Run{Text: said[at[4]:at[5]], Link: said[at[6]:at[7]]})
		default:
			blank := policy.Blank(said[at[8]:at[9]])
			if !slices.Contains(policy.Blanks(), blank) {
				r.add(r.file, n, "", "{%s} is nothing that an operator states; there are %v", blank, policy.Blanks())
			}
			all = append(all, policy.Run{Blank: blank})
		}
	}
	plain(said[end:])
	return all
}
