package published

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bgremover/bgremover/domain/policy"
)

// entry is a promise as it stands in the file: a [policy.Promise] with the names of its members.
type entry struct {
	ID        policy.ID      `yaml:"id"`
	Kind      policy.Kind    `yaml:"kind"`
	Text      string         `yaml:"text"`
	State     policy.State   `yaml:"state"`
	Missing   string         `yaml:"missing"`
	Needs     []policy.Blank `yaml:"needs"`
	Rules     []string       `yaml:"rules"`
	Mechanism string         `yaml:"mechanism"`
	Facts     []string       `yaml:"facts"`
	Tests     []string       `yaml:"tests"`
	Figure    string         `yaml:"figure"`
	Check     string         `yaml:"check"`
	Where     string         `yaml:"where"`
	SignedBy  string         `yaml:"signed_by"`
	HoldsDays int            `yaml:"holds_days"`
	Statement string         `yaml:"statement"`
}

// members are the names that an entry may have.
var members = []string{
	"id", "kind", "text", "state", "missing", "needs", "rules", "mechanism", "facts", "tests", "figure", "check", "where", "signed_by", "holds_days", "statement",
}

// readPromises reads promises.yaml.
func readPromises(content []byte, m *mistakes) (all policy.Catalogue) {
	var file struct {
		Promises []yaml.Node `yaml:"promises"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		m.add(promisesFile, 0, "", "%v", err)
		return nil
	}
	if len(file.Promises) == 0 {
		m.add(promisesFile, 0, "", "holds no promise")
	}
	for _, node := range file.Promises {
		promise, ok := readPromise(&node, m)
		if !ok {
			continue
		}
		if _, twice := all.Promise(promise.ID); twice {
			m.add(promisesFile, node.Line, promise.ID, "stands twice")
			continue
		}
		checkPromise(promise, node.Line, m)
		all = append(all, promise)
	}
	return all
}

// readPromise reads one entry, strictly. It reports false when nothing can be made of it.
func readPromise(node *yaml.Node, m *mistakes) (policy.Promise, bool) {
	var e entry
	if node.Kind != yaml.MappingNode {
		m.add(promisesFile, node.Line, "", "is no promise: it takes an id, a kind, a text and more")
		return policy.Promise{}, false
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value == "id" {
			e.ID = policy.ID(value.Value)
		}
		if !slices.Contains(members, key.Value) {
			m.add(promisesFile, key.Line, e.ID, "%q is nothing that a promise has", key.Value)
		}
	}
	if err := node.Decode(&e); err != nil {
		m.add(promisesFile, node.Line, e.ID, "%v", err)
		return policy.Promise{}, false
	}
	if e.State == "" {
		e.State = policy.Built
	}
	return policy.Promise(e), true
}

var idForm = regexp.MustCompile(`^[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*$`)

// checkPromise holds a promise to its kind and its state.
func checkPromise(p policy.Promise, line int, m *mistakes) {
	bad := func(format string, args ...any) { m.add(promisesFile, line, p.ID, format, args...) }
	if !idForm.MatchString(string(p.ID)) {
		bad("the id %q is not like image.delete-24h", p.ID)
	}
	if !slices.Contains(policy.Kinds(), p.Kind) {
		bad("the kind %q is none of %v", p.Kind, policy.Kinds())
	}
	if p.Text == "" {
		bad("has no text")
	}
	for _, blank := range p.Needs {
		if !slices.Contains(policy.Blanks(), blank) {
			bad("needs %q, which is none of %v", blank, policy.Blanks())
		}
	}
	lacks := p.Lacks()
	switch p.State {
	case policy.Built:
		if len(lacks) > 0 {
			bad("is %s and lacks: %s; a promise without them needs a state that says so", p.Kind, strings.Join(lacks, ", "))
		}
		if p.Missing != "" {
			bad("says what is missing, and has no state that says so")
		}
	case policy.InPart, policy.NotBuilt:
		if p.Missing == "" {
			bad("is %s and does not say what is missing", p.State)
		}
		if p.State == policy.InPart && len(p.Tests) == 0 {
			bad("is built in part, and no test looks at that part")
		}
	default:
		bad("the state %q is none of %v", p.State, policy.States())
	}
}
