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
		"registered":       {disclosures.Disclosure{Outcome: disclosures.Pending, Expires: noon.Add(3 * day)}, "Approve and decide it by", "in 3 days", false},
		"the order over":   {disclosures.Disclosure{Outcome: disclosures.Pending, Expires: noon.Add(-3 * time.Hour)}, "Have it refused: it held until", "3 hours ago", false},
		"permitted":        {disclosures.Disclosure{Outcome: disclosures.Permitted, Expires: noon.Add(day)}, "Make the export by", "in 24 hours", false},
		"permitted, over":  {disclosures.Disclosure{Outcome: disclosures.Permitted, Expires: noon}, "Have it refused: it held until", "0 seconds ago", false},
		"forbidden":        {disclosures.Disclosure{Outcome: disclosures.Made, Category: "account", TellFrom: after(2 * day)}, "Tell nobody until", "in 2 days", false},
		"given":            {disclosures.Disclosure{Outcome: disclosures.Made, Category: "account", TellFrom: after(1 - day)}, "Tell those whom it concerns: due since", "23 hours ago", false},
		"given a day ago":  {disclosures.Disclosure{Outcome: disclosures.Made, Category: "account", TellFrom: after(-day)}, "Tell those whom it concerns: due since", "24 hours ago", true},
		"the ban was over": {disclosures.Disclosure{Outcome: disclosures.Made, Category: "technical", TellFrom: after(-9 * day)}, "Record that nobody can be told: due since", "9 days ago", true},
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

// Until when something holds is said as it was written down: to the end of a day.
func TestDeadline(t *testing.T) {
	for at, want := range map[time.Time]string{
		time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC):                  "the end of 24 December 2026 UTC",
		time.Date(2027, 1, 1, 1, 0, 0, 0, time.FixedZone("CET", 3600)): "the end of 31 December 2026 UTC",
		time.Date(2026, 12, 24, 8, 27, 29, 0, time.UTC):                "24 December 2026, 08:27 UTC",
	} {
		if got := deadline(at); got != want {
			t.Errorf("%v is %q, want %q", at, got, want)
		}
	}
}
