package officer

import (
	"testing"
	"time"

	"github.com/bgremover/bgremover/projections/disclosures"
)

// What the desk says has to be done, and when somebody should have done it.
func TestStepOf(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) *time.Time { t := noon.Add(d); return &t }
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		is         disclosures.Disclosure
		what, when string
		alarm      bool
	}{
		"registered":       {disclosures.Disclosure{Outcome: disclosures.Pending, Expires: noon.Add(3 * day)}, "approve and decide it before", "in 3 days", false},
		"the order over":   {disclosures.Disclosure{Outcome: disclosures.Pending, Expires: noon.Add(-3 * time.Hour)}, "have it refused: it held until", "3 hours ago", false},
		"permitted":        {disclosures.Disclosure{Outcome: disclosures.Permitted, Expires: noon.Add(day)}, "make the export before", "in 24 hours", false},
		"permitted, over":  {disclosures.Disclosure{Outcome: disclosures.Permitted, Expires: noon}, "have it refused: it held until", "0 seconds ago", false},
		"forbidden":        {disclosures.Disclosure{Outcome: disclosures.Made, Category: "account", TellFrom: after(2 * day)}, "tell nobody before", "in 2 days", false},
		"given":            {disclosures.Disclosure{Outcome: disclosures.Made, Category: "account", TellFrom: after(1 - day)}, "tell those whom it concerns, since", "23 hours ago", false},
		"given a day ago":  {disclosures.Disclosure{Outcome: disclosures.Made, Category: "account", TellFrom: after(-day)}, "tell those whom it concerns, since", "24 hours ago", true},
		"the ban was over": {disclosures.Disclosure{Outcome: disclosures.Made, Category: "technical", TellFrom: after(-9 * day)}, "record that nobody can be told, since", "9 days ago", true},
	} {
		t.Run(name, func(t *testing.T) {
			got := stepOf(tt.is, noon)
			if got == nil || got.What != tt.what || got.When != tt.when || got.Alarm != tt.alarm {
				t.Errorf("got %+v", got)
			}
		})
	}
	if got := stepOf(disclosures.Disclosure{Outcome: disclosures.Refused}, noon); got != nil {
		t.Errorf("after a refusal: %+v", got)
	}
}
