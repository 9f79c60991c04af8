package promises

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
)

// The outcomes of decisions and transfers.
const (
	allowed = "allow"
	denied  = "deny"
)

// The rules whose decisions figures ask for.
const (
	readBlob     = "access.blob"
	viewPicture  = "access.view"
	readPersonal = "access.personal"
	share        = "sharing.share"
	toAuthority  = "sharing.disclose"
	move         = "transfer.move"
	accept       = "upload.accept"
	rate         = "upload.rate"
)

// told are the members of a rule's input that its decisions are counted by. Each is one of a few words by
// the rule's schema, so that there are few classes.
var told = map[string][]string{
	readBlob:     {"purpose", "reader"},
	readPersonal: {"category", "purpose", "role"},
	share:        {"recipient", "purpose", "category", "basis"},
	toAuthority:  {"category"},
	move:         {"safeguard"},
	rate:         {"scope"},
}

// untold stands for a member that is not there, or is no such word.
const untold = "-"

var word = regexp.MustCompile(`^[A-Za-z0-9_.]{1,40}$`)

// classOf is a decision's class: its rule, "allow" or "deny", and the words that are told.
func classOf(rule, outcome string, input json.RawMessage) string {
	if outcome != allowed {
		outcome = denied
	}
	parts := []string{rule, outcome}
	var members map[string]any
	if len(told[rule]) > 0 {
		_ = json.Unmarshal(input, &members) // what cannot be read is untold
	}
	for _, name := range told[rule] {
		value, _ := members[name].(string)
		if !word.MatchString(value) {
			value = untold
		}
		parts = append(parts, value)
	}
	return strings.Join(parts, " ")
}

// decided is a class taken apart.
type decided struct {
	rule    string
	allowed bool
	words   []string // as many as are told
}

func decidedOf(class string) decided {
	parts := strings.Split(class, " ")
	d := decided{rule: parts[0]}
	if len(parts) > 1 {
		d.allowed, d.words = parts[1] == allowed, parts[2:]
	}
	return d
}

// word returns what a decision told of a member; "" if it told nothing.
func (d decided) word(member string) string {
	for i, name := range told[d.rule] {
		if name == member && i < len(d.words) && d.words[i] != untold {
			return d.words[i]
		}
	}
	return ""
}

// refused counts what strangers were refused in a minute.
func (c changes) refused(e policy.DecisionRefused) {
	rest := e.Count
	for _, input := range e.Inputs {
		c.counts.add(e.Minute, decisions, classOf(e.Rule, denied, input.Input), input.Count)
		rest -= input.Count
	}
	if rest > 0 {
		c.counts.add(e.Minute, decisions, classOf(e.Rule, denied, nil), rest)
	}
}

// unasked is the class of what was done without a rule's permission.
const unasked = "unasked"

// noSafeguard stands for a transfer that names none; the rule allows it within one region alone.
const noSafeguard = "none"

// transferClass is the outcome, the safeguard, and whether the rule allowed it.
func transferClass(e system.TransferDecided, d *event.Decision) string {
	outcome, safeguard := denied, e.Safeguard
	if e.Allowed {
		outcome = allowed
	}
	if !word.MatchString(safeguard) {
		safeguard = noSafeguard
	}
	if e.Allowed && (d == nil || d.Rule != move || d.Outcome != allowed) {
		outcome = unasked
	}
	return outcome + " " + safeguard
}
