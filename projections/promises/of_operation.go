package promises

import (
	"fmt"

	"github.com/bgremover/bgremover/domain/policy"
)

// auditsDone: how often the sentinel looked, and what it found the last time.
func auditsDone(s State, _ Outside) policy.Figure {
	last, _, err := s.lastAudit()
	if err != nil {
		return unread()
	}
	f := says(policy.NotEstablished, "No audit is on record yet.",
		exact("audits, last 24 hours", s.all(audits).day, ""),
		exact("of these, of everything that is stored", s.of(audits, whole).day, ""))
	f.Audited = true
	if last != nil {
		var found int64
		for _, one := range last.Findings {
			found += one.Count
		}
		f.Standing, f.Why = policy.Kept, "The sentinel audits on its schedule, and what it finds is on record."
		f.Values = append(f.Values,
			exact("tables compared in the last audit", last.Tables, ""),
			exact("things found that should not be, in the last audit", found, ""))
	}
	f.Values = append(f.Values, exact("suspected incidents, last 30 days", s.all(suspicions).month, ""))
	return f
}

// staffReads: how often members of staff were shown personal data, and how often no rule had allowed it.
func staffReads(s State, _ Outside) policy.Figure {
	without := s.of(reads, unasked)
	f := says(policy.Kept, "Every look of staff at personal data on record had been allowed by a rule.",
		exact("sessions of staff, last 30 days", s.all(sessions).month, ""),
		exact("looks at personal data, ever", s.all(reads).ever, ""),
		exact("of these, without a rule's permission", without.ever, ""),
		exact("looks refused, ever", s.decisions(readPersonal, refusals).ever, ""))
	switch {
	case without.ever > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Staff were shown personal data %d times without a rule's permission.", without.ever)
	case s.all(reads).ever == 0:
		f.Why = "No member of staff was ever shown personal data."
	}
	return f
}
