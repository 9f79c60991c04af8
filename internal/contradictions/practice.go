package contradictions

import (
	"slices"
	"time"
)

// practice are the comparisons of what is promised with the periods, keys, grants and settings in force.
func practice() []Check {
	return []Check{
		{
			"periods.as-promised", "Is every period in the data the one that people read?",
			[]string{"policy.md and promises.yaml", "data/retention.json, periods"},
			asPromised,
		},
		{
			"keys.as-long", "Do keys live exactly as long as what they seal?",
			[]string{"data/retention.json, periods", "data/lifetimes.json, lifetimes and wrapping"},
			asLong,
		},
		{
			"photos.setting", "Are photos deleted by this service no later than promised?",
			[]string{"policy.md, image.delete-24h", "data/retention.json, periods.image", "--delete-after"},
			setting,
		},
		{
			"photos.no-hold", "Does nothing ever lengthen the life of a photo?",
			[]string{"policy.md, image.delete-24h", "data/retention.json, periods of image, result and preview"},
			noHold,
		},
		{
			"photos.nobody-looks", "Does nobody but support, in a granted case, look at photos?",
			[]string{"policy.md, image.no-view and image.purpose", "data/access.json, blob_purposes and roles"},
			nobodyLooks,
		},
		{
			"sharing.never", "Are training, sale and advertising refused, whoever asks?",
			[]string{"policy.md, image.no-training and share.none", "data/sharing.json, purposes, recipients and grants"},
			never,
		},
		{
			"sharing.known", "Does every grant name a recipient, a purpose and a category that there are?",
			[]string{"data/sharing.json, grants, recipients, purposes and categories"},
			known,
		},
		{
			"mail.consent", "Is advertising mail sent after consent only?",
			[]string{"policy.md, consent.opt-in", "data/marketing.json, mail", "data/consent.json, consents and withdrawals"},
			mailConsent,
		},
		{
			"transfers.safeguards", "Has every way out of a region a safeguard?",
			[]string{"policy.md, transfer.safeguards", "data/transfer.json, transfers", "data/countries.json, countries"},
			safeguards,
		},
	}
}

// asPromised compares each promise that data name as the reason of a period with what its sentences say.
func asPromised(f *finding) {
	f.needs(len(f.Periods), "period")
	for _, kind := range sorted(f.Periods) {
		p := f.Periods[kind]
		for _, sentence := range f.sentences(p.Promise) {
			for _, promised := range periods(sentence) {
				if p.Maximum.hours() > promised.hours && p.Promise != timeToTell {
					f.add("%s may be kept for longer than the %s of the promise %s: %s", kind, promised.words, p.Promise, sentence)
				}
			}
		}
	}
	for _, promise := range f.Promises {
		longestKind := 0.0
		named := false
		for _, p := range f.Periods {
			if p.Promise == promise.ID {
				longestKind, named = max(longestKind, p.Maximum.hours()), true
			}
		}
		for _, promised := range periods(promise.Text) {
			if named && promised.hours > longestKind {
				f.add("The promise %s says %s, and nothing that it is about is kept for so long.", promise.ID, promised.words)
			}
		}
	}
}

// timeToTell is the promise whose period says how soon people are told, and not how long anything is kept.
const timeToTell = "breach.72h"

// asLong: a key that outlives its period keeps what should be gone, and one that dies before it takes
// what has to stay.
func asLong(f *finding) {
	f.needs(len(f.Periods)*len(f.Lifetimes), "period, or no lifetime of a key")
	for _, kind := range sorted(f.Periods) {
		p := f.Periods[kind]
		key, there := f.Lifetimes[p.Key]
		if p.Key == "" || !there || key.CountsFrom != "making" {
			continue
		}
		if key.hours() != p.Maximum.hours() {
			f.add("%s is kept for %s, and the key %q that seals it lives for %s.", kind, p.Maximum, p.Key, lasting{Years: key.Years, Days: key.Days})
		}
	}
	// What old copies of the database hold can be opened until the retired key-encryption key is gone.
	for _, kind := range []string{"vault_backup", "write_ahead_log"} {
		if p, there := f.Periods[kind]; there && p.Maximum.hours() < float64(f.Wrapping.RetiredDays*24) {
			f.add("%s is said to be of use for %s, and opens until %d days after a rotation.", kind, p.Maximum, f.Wrapping.RetiredDays)
		}
	}
}

func setting(f *finding) {
	promised, ok := longest(f.sentences("image.delete-24h"))
	if !ok {
		f.add("No sentence says after how long a photo is deleted.")
		return
	}
	if f.Period.Hours() > promised.hours {
		f.add("Photos are promised to be gone within %s, and this service is set to %s.", promised.words, f.Period)
	}
	if limit := f.Periods["image"].Maximum.hours(); f.Period > time.Duration(limit*float64(time.Hour)) {
		f.add("The rules let a photo be kept for %s, and this service is set to %s.", f.Periods["image"].Maximum, f.Period)
	}
}

// pictures are the kinds of data that show what a photo shows.
var pictures = []string{"image", "preview", "result"}

func noHold(f *finding) {
	for _, kind := range pictures {
		if p := f.Periods[kind]; p.OnHold != "continues" {
			f.add("A legal hold would lengthen the life of a photo (%s).", kind)
		}
	}
}

func nobodyLooks(f *finding) {
	f.needs(len(f.BlobPurposes)*len(f.Roles), "purpose of reading photos, or no role")
	for _, purpose := range sorted(f.BlobPurposes) {
		if !slices.Contains([]string{"cutout", "support"}, purpose) {
			f.add("A photo is processed to remove its background and for nothing else, and its bytes may be read for %s.", purpose)
		}
	}
	for _, role := range sorted(f.Roles) {
		if f.Roles[role].Views && role != "support" {
			f.add("Nobody looks at photos but support in a granted case, and the role %s may.", role)
		}
	}
}

func never(f *finding) {
	purposes := []string{"advertising", "sale", "training"}
	for _, purpose := range purposes {
		if !f.Purposes[purpose].Never {
			f.add("Nothing is given away for %s, and the data does not refuse that purpose always.", purpose)
		}
	}
	for _, name := range []string{"advertiser", "buyer", "data_broker", "model_trainer"} {
		if !f.Recipients[name].Never {
			f.add("Nothing is given to a %s, and the data does not refuse that recipient always.", name)
		}
	}
	for _, name := range sorted(f.Grants) {
		for _, purpose := range sorted(f.Grants[name]) {
			if f.Recipients[name].Never || slices.Contains(purposes, purpose) {
				f.add("%s is granted something for %s, which is refused always.", name, purpose)
			}
		}
	}
}

func known(f *finding) {
	f.needs(len(f.Grants), "grant")
	for _, name := range sorted(f.Grants) {
		if _, there := f.Recipients[name]; !there {
			f.add("Something is granted to %s, which is no recipient that the data knows.", name)
		}
		for _, purpose := range sorted(f.Grants[name]) {
			if _, there := f.Purposes[purpose]; !there {
				f.add("%s is granted something for %s, which is no purpose that the data knows.", name, purpose)
			}
			for _, category := range sorted(f.Grants[name][purpose]) {
				if _, there := f.Categories[category]; !there {
					f.add("%s is granted %s, which is no category that the data knows.", name, category)
				}
				if slices.Contains(pictures, category) {
					f.add("%s is granted %s: no photo leaves the service.", name, category)
				}
			}
		}
	}
}

func mailConsent(f *finding) {
	if !f.Mail["marketing"].NeedsConsent {
		f.add("Advertising comes only to those who asked for it, and the data sends it without consent.")
	}
	if len(f.Consents["marketing"].Ways) == 0 {
		f.add("Advertising comes only to those who asked for it, and there is no way to ask.")
	}
	for _, way := range []string{"settings", "unsubscribe_link"} {
		if _, there := f.Withdrawals[way]; !there {
			f.add("Stopping advertising is as easy as asking for it, and there is no way by %s.", way)
		}
	}
}

func safeguards(f *finding) {
	f.needs(len(f.Transfers), "transfer")
	regions := map[string]bool{}
	for _, country := range f.Countries {
		regions[country.Region] = true
	}
	for _, from := range sorted(f.Transfers) {
		if !regions[from] {
			f.add("Transfers from %q are decided, and no country is in that region.", from)
		}
		for _, to := range sorted(f.Transfers[from]) {
			accepted := f.Transfers[from][to].Safeguards
			if !regions[to] {
				f.add("Transfers to %q are decided, and no country is in that region.", to)
			}
			if len(accepted) == 0 || from != to && accepted["none"] {
				f.add("Data go from %s to %s without a safeguard.", from, to)
			}
		}
	}
}
