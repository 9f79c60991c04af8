package main

import (
	"fmt"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

// welcome tells whoever started the service where it is, what it works with, and what nobody has set yet. The
// first line is for programs too, and stays as it is.
func (s *service) welcome() string {
	var b strings.Builder
	say := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(&b, "  %-10s%s\n", what, fmt.Sprintf(format, args...))
	}
	_, _ = fmt.Fprintf(&b, "bgremover is ready on %s\n", s.address)
	say("keeps", "everything in %s; photos for %g hours at most", s.cfg.Data, s.cfg.DeleteAfter.Hours())
	say("model", "%s", s.model.passport.Name)
	say("rules", "revision %d; what they promise: %s/promises", s.policy.Revision(), s.address)
	var unset []string
	for _, blank := range policy.Blanks() {
		if policy.Operator(s.cfg.Operator).Of(blank) == "" {
			unset = append(unset, "--operator-"+string(blank))
		}
	}
	if len(unset) > 0 {
		say("not set", "%s: %s/privacy says so", strings.Join(unset, ", "), s.address)
	}
	say("officers", "sign in by: bgremover officer link --name NAME --role officer")
	return b.String()
}
