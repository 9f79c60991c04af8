package promises

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
)

// deletedInTime: how many deletions came before their deadline, how close to it the slowest was, and what
// is overdue now.
func deletedInTime(s State, _ Outside) policy.Figure {
	good, bad := s.of(deletions, inTime), s.of(deletions, late)
	f := says(policy.Kept, "Every photo that was deleted in the last 30 days was deleted in time, and none is overdue.",
		people("deleted in time, last 30 days", good.month, photos),
		people("deleted in time, ever", good.ever, photos),
		exact("deleted late, last 30 days", bad.month, photos),
		exact("deleted late, ever", bad.ever, photos),
		exact("overdue now", s.pictures.overdue, photos))
	f.Audited = true
	if good.worst != nil {
		f.Values = append(f.Values, exact("the slowest of 30 days, before its deadline", -*good.worst/60_000, minutes))
	}
	if bad.worst != nil {
		f.Values = append(f.Values, exact("the latest of 30 days, after its deadline", *bad.worst/1000, seconds))
	}
	switch {
	case s.pictures.overdue > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d photos are past their deadline and not deleted, the first since %s.", s.pictures.overdue, clock(*s.pictures.oldest))
	case bad.month > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d photos were deleted late in the last 30 days.", bad.month)
	case good.month == 0:
		f.Standing, f.Why = policy.NotEstablished, "No photo was deleted in the last 30 days, so there is nothing to show yet."
	}
	return f
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC on 2 January 2006") }

// downloadToDeletion: how long after the download the deletion came. Both are one append, so that it
// is usually the same moment.
func downloadToDeletion(s State, _ Outside) policy.Figure {
	all, slow := s.all(delays), s.of(delays, longer)
	f := says(policy.Kept, "After every whole download of the last 30 days, photo and cutout were deleted within the minute.",
		people("downloads with their deletion, last 30 days", all.month, ""),
		exact("downloaded and not deleted within a minute, last 30 days", slow.month+s.pictures.lingering, photos),
		exact("of these, not deleted yet", s.pictures.lingering, photos))
	if median, ok := s.medianDelay(); ok {
		f.Values = append(f.Values, exact("from download to deletion, half of them within", median, milliseconds))
	}
	if worst := s.worst(delays); worst != nil {
		f.Values = append(f.Values, exact("the slowest of 30 days", *worst, milliseconds))
	}
	switch {
	case s.pictures.lingering > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d photos were downloaded more than a minute ago and are not deleted.", s.pictures.lingering)
	case slow.month > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d photos were deleted more than a minute after their download in the last 30 days.", slow.month)
	case all.month == 0:
		f.Standing, f.Why = policy.NotEstablished, "No cutout was downloaded whole in the last 30 days, so there is nothing to show yet."
	}
	return f
}

// medianDelay returns the bound of the bucket that half of the delays of 30 days are within.
func (s State) medianDelay() (ms int64, ok bool) {
	var sofar int64
	all := s.all(delays).month
	for _, bound := range bounds {
		sofar += s.of(delays, strconv.FormatInt(bound, 10)).month
		if all > 0 && 2*sofar >= all {
			return bound, true
		}
	}
	return 0, false
}

// worst returns the worst measure of 30 days among all classes; nil if nothing was measured.
func (s State) worst(what string) (worst *int64) {
	for _, c := range s.counts[what] {
		if c.worst != nil && (worst == nil || *c.worst > *worst) {
			worst = c.worst
		}
	}
	return worst
}

// trainingPermits: how often a rule let anything go into training. It must be never.
func trainingPermits(s State, _ Outside) policy.Figure {
	training := func(d decided) bool { return d.word("purpose") == "training" || d.word("recipient") == "model_trainer" }
	permit := s.decisions(share, func(d decided) bool { return d.allowed && training(d) })
	refusal := s.decisions(share, func(d decided) bool { return !d.allowed && training(d) })
	f := says(policy.Kept, "Nothing was ever permitted for training.",
		exact("permits for training, ever", permit.ever, ""),
		exact("refusals, ever", refusal.ever, ""))
	if permit.ever > 0 {
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Data was permitted for training %d times.", permit.ever)
	}
	return f
}

// imageViews: how often staff read a picture, and how often without a grant of its owner.
func imageViews(s State, _ Outside) policy.Figure {
	bySupport := func(d decided) bool {
		return d.allowed && (d.word("purpose") == "support" || d.word("reader") == "support")
	}
	views, granted := s.decisions(readBlob, bySupport), s.decisions(viewPicture, permits)
	without := max(0, views.ever-granted.ever)
	f := says(policy.Kept, "Nobody looked at a photo without its owner's grant.",
		exact("views by staff, ever", views.ever, ""),
		exact("views without a grant, ever", without, ""),
		exact("views refused, ever", s.decisions(viewPicture, refusals).ever, ""))
	switch {
	case without > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Photos were read %d times for staff without a grant on record.", without)
	case views.ever == 0:
		f.Why = "Nobody ever looked at a photo."
	}
	return f
}

// readsByPurpose: what the bytes of pictures were read for.
func readsByPurpose(s State, _ Outside) policy.Figure {
	reading := func(purpose string) func(decided) bool {
		return func(d decided) bool { return d.allowed && d.word("purpose") == purpose }
	}
	read := func(purpose, reader string) int64 {
		return s.decisions(readBlob, func(d decided) bool { return reading(purpose)(d) && d.word("reader") == reader }).month
	}
	all, cutout, support := s.decisions(readBlob, permits), s.decisions(readBlob, reading("cutout")), s.decisions(readBlob, reading("support"))
	other := all.ever - cutout.ever - support.ever
	f := says(policy.Kept, "Every read of a photo on record was for its cutout, or for support that its owner granted.",
		people("read to make the cutout, last 30 days", read("cutout", "processor"), "times"),
		people("read for whoever holds the photo, last 30 days", read("cutout", "holder"), "times"),
		exact("read for granted support, last 30 days", support.month, "times"),
		exact("read for anything else, ever", other, "times"),
		people("reads refused, last 30 days", s.decisions(readBlob, refusals).month, "times"))
	switch {
	case other > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Photos were read %d times for another purpose.", other)
	case all.month == 0 && s.all(cutouts).month > 0:
		f.Standing, f.Why = policy.NotEstablished, "Photos were cut out, and no read of them is on record yet; reads are recorded once a minute."
	case all.month == 0:
		f.Standing, f.Why = policy.NotEstablished, "No photo was read in the last 30 days, so there is nothing to show yet."
	}
	return f
}

// keysDestroyed: whether each deleted picture's key is destroyed, so that no copy can be read.
func keysDestroyed(s State, _ Outside) policy.Figure {
	gone, back := s.all(deletions), s.of(resurrected, "")
	f := says(policy.Kept, "The key of every deleted photo is destroyed.",
		people("deleted with their key, last 30 days", gone.month, photos),
		exact("deleted, and their key not destroyed", s.pictures.sealed, photos),
		exact("keys that came back with a backup and were destroyed again, ever", back.ever, ""))
	f.Audited = true
	switch {
	case s.pictures.sealed > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d photos are deleted and their keys are not destroyed.", s.pictures.sealed)
	case back.day > 0:
		f.Standing, f.Why = policy.AtRisk, fmt.Sprintf("%d destroyed keys came back with a backup in the last 24 hours, and were destroyed again.", back.day)
	case gone.month == 0:
		f.Standing, f.Why = policy.NotEstablished, "No photo was deleted in the last 30 days, so there is nothing to show yet."
	}
	return f
}

// licensed is the promise that officers sign for once they have read the passports in service.
const licensed = "model.licensed"

// modelPassports: the models that make cutouts, and whether the licence of what each was trained on is established.
// What was signed says nothing of a model that was loaded later.
func modelPassports(s State, _ Outside) policy.Figure {
	var models, without, later int64
	var signedAt time.Time // zero if nobody signed, which is for the signature itself to say
	for _, k := range s.newest[statement] {
		if k.name == licensed {
			signedAt = k.at
		}
	}
	var newest kept
	for _, k := range s.newest[modelLoaded] {
		if newest.at.Before(k.at) || newest.name == "" {
			newest = k
		}
	}
	for _, k := range s.newest[modelLoaded] {
		if k.name != newest.name && s.of(cutouts, k.name).day == 0 {
			continue // not in service any more
		}
		var m keptModel
		if err := k.read(&m); err != nil {
			return unread()
		}
		models++
		if !m.Established {
			without++
		}
		if !signedAt.IsZero() && k.at.After(signedAt) {
			later++
		}
	}
	f := says(policy.Kept, "Every model in service has a passport that establishes the licence of what it was trained on.",
		exact("models in service", models, ""),
		exact("of these, trained on data whose licence nobody established", without, ""))
	switch {
	case models == 0:
		f.Standing, f.Why = policy.NotEstablished, "No model is on record as loaded yet."
	case without > 0:
		f.Standing, f.Why = policy.NotEstablished, "Nobody has established the licence of the data that the model in service was trained on; the operator answers for it."
	case later > 0:
		f.Standing, f.Why = policy.NotEstablished, "A model in service was loaded after the passports had been read and signed for; they have to be signed for again."
	}
	return f
}

// withoutAccount: the share of uploads by people without an account.
func withoutAccount(s State, _ Outside) policy.Figure {
	all, anonymous := s.all(uploads), s.of(uploads, string(event.Visitor))
	f := says(policy.Kept, "Photos are taken from people without an account.",
		people("uploads without an account, last 30 days", anonymous.month, photos),
		people("uploads, last 30 days", all.month, photos))
	if all.month >= policy.Step {
		f.Values = append(f.Values, exact("share without an account", 100*anonymous.month/all.month, percent))
	}
	switch {
	case all.month == 0:
		f.Standing, f.Why = policy.NotEstablished, "Nobody uploaded a photo in the last 30 days, so there is nothing to show yet."
	case anonymous.month == 0:
		f.Standing, f.Why = policy.NotEstablished, "No photo of the last 30 days came from somebody without an account."
	}
	return f
}
