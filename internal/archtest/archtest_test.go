package archtest

import (
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// anything may be imported from outside the module, as far as it is one's own SDK.
var anything = []string{"*"}

// rules is the map: what the non-test files below a folder may import besides
// the standard library. The longest folder that fits counts.
var rules = []struct {
	folder  string
	ours    []string // folders of this module
	outside []string // other modules' paths
	not     []string // of the standard library
}{
	{
		folder: "domain",
		ours:   []string{"domain/event", "domain/id", "domain/personal", "domain/refusal"},
		not:    []string{"net/http", "database/sql", "log/slog", "log", "os"},
	},
	{folder: "internal/usecase", ours: []string{"domain", "internal/fault"}},
	{folder: "internal/fake", ours: []string{"domain", "internal/usecase"}},
	{folder: "internal/ledger", ours: []string{"domain", "internal/fault", "internal/merkle"}, outside: []string{"github.com/jackc/pgx/v5", "github.com/ThreeDotsLabs/watermill/message", "github.com/google/uuid"}},
	{folder: "internal/audit", ours: []string{"domain", "internal/merkle", "internal/ledger"}, not: []string{"net/http", "database/sql"}},
	{folder: "internal/projector", ours: []string{"domain", "internal/fault", "internal/merkle"}, outside: []string{"github.com/jackc/pgx/v5", "github.com/ThreeDotsLabs/watermill/message"}},
	{folder: "internal/projector/projectortest", ours: []string{"internal/embedded/embeddedtest", "internal/projector"}, outside: []string{"github.com/jackc/pgx/v5"}},
	{folder: "internal/merkle", ours: []string{"domain"}, outside: []string{"golang.org/x/mod/sumdb", "github.com/transparency-dev/merkle"}, not: []string{"net/http"}},
	{folder: "internal/evidence", ours: []string{"domain", "internal/merkle"}, outside: []string{"golang.org/x/mod/sumdb", "github.com/transparency-dev/merkle"}, not: []string{"net/http"}},
	{folder: "internal/cutout", ours: []string{"domain"}, outside: []string{"github.com/bep/imagemeta", "golang.org/x/image"}},
	{folder: "internal/embedded", outside: []string{"github.com/twmb/franz-go/pkg/kfake", "golang.org/x/sys"}},
	{folder: "internal/embedded/embeddedtest", ours: []string{"internal/embedded"}, outside: []string{"github.com/jackc/pgx/v5"}},
	{folder: "internal/config", outside: anything},
	{folder: "internal/telemetry", outside: anything},
	{folder: "internal/register", ours: []string{"domain"}, outside: []string{"codeberg.org/go-pdf/fpdf", "golang.org/x/image/font"}, not: []string{"net/http", "os"}},
	{folder: "internal/published", ours: []string{"domain"}, outside: []string{"go.yaml.in/yaml/v3"}, not: []string{"net/http", "os"}},
	{folder: "internal/simulation", ours: []string{"domain"}, not: []string{"net/http", "os"}},
	{folder: "internal/contradictions", ours: []string{"domain"}, not: []string{"net/http", "os", "log/slog"}},
	{folder: "internal/clock"},
	{folder: "internal/fault"},
	{folder: "internal/archtest"},
	{folder: "internal/testphotos", outside: []string{"golang.org/x/image"}},
	{folder: "projections", ours: []string{"domain"}, outside: []string{"github.com/jackc/pgx/v5"}},
	{folder: "policies"},
	{folder: "adapters", ours: []string{"domain", "internal/usecase", "internal/ledger", "internal/merkle"}, outside: anything},
	{folder: "adapters/onnx", ours: []string{"domain", "internal/usecase", "internal/cutout", "deploy/models"}, outside: anything},
	{folder: "adapters/web", ours: []string{"domain", "internal/usecase", "internal/ledger", "internal/merkle", "projections"}, outside: anything},
	{folder: "deploy"},
	{folder: "cmd", ours: []string{"adapters", "deploy", "domain", "internal", "policies", "projections"}, outside: anything},
}

// families: a package of one does not import a sibling, only its own subfolders.
var families = []string{"adapters", "domain", "projections"}

func TestImportsFollowTheMap(t *testing.T) {
	for _, s := range sources(t, ".") {
		if s.isTest() {
			continue
		}
		best := -1
		for i, rule := range rules {
			if within(s.folder, rule.folder) && (best < 0 || len(rule.folder) > len(rules[best].folder)) {
				best = i
			}
		}
		if best < 0 {
			t.Errorf("%s: no rule says what %s may import; add one here and in .golangci.yml", s.name, s.folder)
			continue
		}
		rule := rules[best]
		ours, others := s.imports()
		for _, folder := range ours {
			if !within(folder, unit(s.folder)) && !withinAny(folder, rule.ours) {
				t.Errorf("%s imports %s, which %s may not", s.name, folder, rule.folder)
			}
		}
		for _, path := range others {
			standard := !strings.Contains(strings.Split(path, "/")[0], ".")
			switch {
			case standard && slices.Contains(rule.not, path):
				t.Errorf("%s imports %s, which %s may not", s.name, path, rule.folder)
			case !standard && !slices.Equal(rule.outside, anything) && !withinAny(path, rule.outside):
				t.Errorf("%s imports %s, which %s may not", s.name, path, rule.folder)
			}
		}
	}
}

// unit is the folder whose packages belong together: adapters/web, domain/image.
func unit(folder string) string {
	parts := strings.SplitN(folder, "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

func TestSiblingsStayApart(t *testing.T) {
	shared := []string{"domain/event", "domain/id", "domain/personal", "domain/refusal"}
	for _, s := range sources(t, families...) {
		ours, _ := s.imports()
		for _, folder := range ours {
			family, _, _ := strings.Cut(s.folder, "/")
			sibling := within(folder, family) && unit(folder) != unit(s.folder)
			if sibling && !s.isTest() && !withinAny(folder, shared) {
				t.Errorf("%s imports its sibling %s", s.name, folder)
			}
		}
	}
}

func TestNothingImportsTheProgram(t *testing.T) {
	for _, s := range sources(t, ".") {
		ours, _ := s.imports()
		for _, folder := range ours {
			if within(folder, "cmd") && !within(s.folder, unit(folder)) {
				t.Errorf("%s imports %s", s.name, folder)
			}
		}
	}
}

// Policies are Rego and data. Their Go hands out the files, and decides nothing.
func TestPoliciesOnlyEmbed(t *testing.T) {
	for _, s := range sources(t, "policies") {
		if _, others := s.imports(); !s.isTest() && !slices.Equal(others, []string{"embed"}) {
			t.Errorf("%s imports %v, not embed alone", s.name, others)
		}
	}
}

func TestTimeIsPassedIn(t *testing.T) {
	readings := []string{"Now", "Since", "Until"}
	for _, s := range sources(t, "domain", "internal/usecase") {
		if s.isTest() {
			continue
		}
		s.selections(func(x, name string, at token.Position) {
			if x == "time" && slices.Contains(readings, name) {
				t.Errorf("%s: time.%s reads the wall clock", at, name)
			}
		})
	}
}

// A personal value has one way out. Who may take it, and why:
var reveals = map[string]string{
	"domain/personal": "defines it",
	"domain/event":    "puts together again what a rule was asked",
	"internal/ledger": "the codec seals what it reveals",
	"adapters/web":    "shows a person what is theirs",
	"adapters/age":    "seals for a recipient what the rules granted them",
}

func TestPersonalValuesAreRevealedOnlyHere(t *testing.T) {
	found := 0
	for _, s := range sources(t, ".") {
		if s.isTest() {
			continue
		}
		s.selections(func(_, name string, at token.Position) {
			if name != "Reveal" {
				return
			}
			found++
			for folder := range reveals {
				if within(s.folder, folder) {
					return
				}
			}
			t.Errorf("%s reveals a personal value; %s is not on the list", at, s.folder)
		})
	}
	if found == 0 {
		t.Error("nobody reveals a personal value: does the method still have that name?")
	}
}

// A newcomer finds eight folders, each with one meaning.
func TestTopFoldersAreKnown(t *testing.T) {
	known := []string{"adapters", "cmd", "deploy", "docs", "domain", "internal", "policies", "projections"}
	made := []string{"bin", "data"} // by a build and a run; not in git
	there := folders(t)
	for _, name := range there {
		if !slices.Contains(known, name) && !slices.Contains(made, name) {
			t.Errorf("the folder %s is not on the map", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(there, name) {
			t.Errorf("the folder %s is missing", name)
		}
	}
}

// The two keepers of the map must not drift apart.
func TestLintRulesCoverTheMap(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	free := []string{"cmd", "deploy", "internal/archtest", "internal/testphotos"} // nothing to forbid, or no product code
	for _, rule := range rules {
		if !slices.Contains(free, rule.folder) && !strings.Contains(string(config), "\"**/"+rule.folder+"/**\"") {
			t.Errorf(".golangci.yml has no depguard rule for %s", rule.folder)
		}
	}
}
