package promises

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
)

// smallestGroup: the smallest group that the public figures show.
func smallestGroup(_ State, o Outside) policy.Figure {
	u := o.Usage
	if u == nil {
		return unread()
	}
	f := says(policy.Kept, "No group that the public figures show is small enough to tell of one person.",
		exact("smallest group shown, last 48 hours", u.Smallest, ""),
		exact("the smallest that may be shown", u.Limit, ""))
	switch {
	case u.Smallest == 0:
		f.Values, f.Why = f.Values[1:], "The public figures show no group at all in the last 48 hours, and so no small one."
	case u.Smallest < u.Limit:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("The public figures show a group of %d.", u.Smallest)
	}
	return f
}

// period is how long something is kept, and how long after that it may take until it is gone: what is
// kept by the hour or by the day goes with the end of that.
type period struct {
	years, days int
	within      time.Duration
}

var (
	usagePeriod   = period{years: 1, within: 3 * time.Hour}
	visitPeriod   = period{days: 90, within: 27 * time.Hour}
	requestPeriod = period{days: 90, within: 27 * time.Hour}
)

// oldest weighs the oldest that is kept of something.
func (s State) oldest(r *Rows, p period, kind string) policy.Figure {
	if r == nil {
		return unread()
	}
	limit := s.At.AddDate(-p.years, 0, -p.days)
	purged := s.of(purges, kind)
	f := says(policy.Kept, "Nothing is kept for longer than promised.",
		exact("the oldest is from", s.age(r.Oldest), "days ago"),
		exact("kept for at most", s.age(limit), days),
		exact("removals on record, last 30 days", purged.month, ""))
	f.Audited = true
	switch {
	case r.Oldest.IsZero():
		f.Values, f.Why = f.Values[1:], "Nothing is kept at the moment, and so nothing for too long."
	case r.Oldest.Before(limit.Add(-p.within)):
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Something is kept since %s, longer than promised.", r.Oldest.UTC().Format("2 January 2006"))
	}
	if waits := s.stalled(kind); waits != nil && f.Standing == policy.Kept {
		f.Standing, f.Why = policy.AtRisk, fmt.Sprintf("Removal is late: something should have been removed at %s.", clock(waits.Due))
	}
	return f
}

// stalled returns what is on record as late of a kind of data; nil if nothing is.
func (s State) stalled(kind string) *keptStall {
	for _, k := range s.newest[stall] {
		var c keptStall
		if k.name == kind && k.read(&c) == nil {
			return &c
		}
	}
	return nil
}

// oldestHour: the oldest hour that figures about use are kept of.
func oldestHour(s State, o Outside) policy.Figure {
	var rows *Rows
	if o.Usage != nil {
		rows = &o.Usage.Rows
	}
	return s.oldest(rows, usagePeriod, "analytics")
}

// oldestVisit: the oldest day of which technical data can still be read.
func oldestVisit(s State, _ Outside) policy.Figure {
	rows := &Rows{}
	if s.visits.oldest != nil {
		rows.Oldest = *s.visits.oldest
	}
	return s.oldest(rows, visitPeriod, "technical")
}

// oldestRequest: the oldest day of the API's log.
func oldestRequest(s State, o Outside) policy.Figure {
	return s.oldest(o.Requests, requestPeriod, "api_log")
}

// securityPurposes are what staff may read technical data for, besides what a law demands.
var securityPurposes = []string{"audit", "disclosure", "incident"}

// usesByPurpose: what technical data was used for.
func usesByPurpose(s State, _ Outside) policy.Figure {
	technical := func(d decided) bool { return d.allowed && d.word("category") == "technical" }
	byStaff := s.decisions(readPersonal, technical)
	security := s.decisions(readPersonal, func(d decided) bool { return technical(d) && slices.Contains(securityPurposes, d.word("purpose")) })
	shared, byLaw := s.decisions(share, technical), s.decisions(toAuthority, technical) // of one disclosure two: it is asked again when it is made
	other := byStaff.ever - security.ever + shared.ever
	f := says(policy.Kept, "Technical data was used for security, and for nothing else.",
		people("used to hold up visitors who asked too much, last 30 days", s.all(blocks).month, "times"),
		exact("read by staff for security, ever", security.ever, "times"),
		exact("decisions to give it to an authority because a law demands it, ever", byLaw.ever, ""),
		exact("used for anything else, ever", other, "times"))
	if other > 0 {
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Technical data was used %d times for something else than security.", other)
	}
	return f
}

// heldUp: what the rules against abuse let in and refused.
func heldUp(s State, _ Outside) policy.Figure {
	letIn, tooFast, unfit := s.decisions(accept, permits), s.decisions(rate, refusals), s.decisions(accept, refusals)
	f := says(policy.Kept, "Rules against abuse decide about uploads and hold up who asks too much; what they decided is on record.",
		people("uploads let in, last 24 hours", letIn.day, ""),
		people("uploads refused as too many, last 24 hours", tooFast.day, ""),
		people("uploads refused as too large or of no known type, last 24 hours", unfit.day, ""),
		people("visitors held up, last 24 hours", s.all(blocks).day, ""),
		people("visitors held up, last 30 days", s.all(blocks).month, ""))
	if s.decisions(rate, permits).ever+tooFast.ever+unfit.ever == 0 {
		f.Standing, f.Why = policy.NotEstablished, "Nobody came over the network yet, so there is nothing to show."
	}
	return f
}

// neverPermits: how often data was permitted for sale, for advertising, or to a broker. It must be never.
func neverPermits(s State, _ Outside) policy.Figure {
	never := func(d decided) bool {
		return slices.Contains([]string{"advertising", "sale"}, d.word("purpose")) ||
			slices.Contains([]string{"advertiser", "buyer", "data_broker"}, d.word("recipient"))
	}
	permit := s.decisions(share, func(d decided) bool { return d.allowed && never(d) })
	refusal := s.decisions(share, func(d decided) bool { return !d.allowed && never(d) })
	f := says(policy.Kept, "Nothing was ever permitted for sale or advertising, or to a data broker.",
		exact("permits for sale or advertising, or to brokers, ever", permit.ever, ""),
		exact("refusals, ever", refusal.ever, ""))
	if permit.ever > 0 {
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Data was permitted %d times for sale or advertising, or to a broker.", permit.ever)
	}
	return f
}

// disclosuresMade: what became of requests for data, and whether everything that was given had been permitted.
func disclosuresMade(s State, _ Outside) policy.Figure {
	without := s.of(disclosures, unpermitted)
	f := says(policy.Kept, "Every disclosure that was made had been permitted, on the basis that it names.",
		exact("requests, ever", s.of(disclosures, requested).ever, ""),
		exact("permitted, ever", s.of(disclosures, permitted).ever, ""),
		exact("refused, ever", s.of(disclosures, refused).ever, ""),
		exact("permitted, of what the service does not hold, ever", s.of(disclosures, notHeld).ever, ""),
		exact("made, ever", s.of(disclosures, made).ever, ""),
		exact("made without a permit, ever", without.ever, ""))
	switch {
	case without.ever > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d disclosures were made that nothing permitted.", without.ever)
	case s.of(disclosures, made).ever == 0:
		f.Why = "No export was ever made for an authority or a partner."
	}
	return f
}

// processorsReviewed: those who work for the operator, and whose contract is to be looked at again. What was signed
// about the list does not outlive the reviews that it rests on.
func processorsReviewed(_ State, o Outside) policy.Figure {
	if o.Providers == nil {
		return unread()
	}
	f := says(policy.Kept, "The contract of everybody who is named was reviewed, and none is to be reviewed again yet.",
		exact("named as working for the operator", o.Providers.Allowed+o.Providers.Denied, ""),
		exact("of these, with a review that is overdue", o.Providers.Overdue, ""))
	switch {
	case o.Providers.Overdue > 0:
		f.Standing, f.Why = policy.NotEstablished, fmt.Sprintf("The contracts of %d of those who work for the operator have to be reviewed again.", o.Providers.Overdue)
	case o.Providers.Allowed+o.Providers.Denied == 0:
		f.Why = "The operator names nobody who works for them."
	}
	return f
}

// transfersMade: transfers between countries by safeguard, and those without. These must be none. A denial on
// record stops nobody who uses the provider all the same, so that it is asked what holds now, too.
func transfersMade(s State, o Outside) policy.Figure {
	if o.Providers == nil {
		return unread()
	}
	f := says(policy.Kept, "Every transfer had a safeguard that its rule accepts.")
	var without, all int64
	for _, c := range s.counts[transfers] {
		outcome, safeguard, _ := strings.Cut(c.class, " ")
		switch outcome {
		case unasked:
			without += c.ever
		case allowed:
			all += c.ever
			label := "allowed under " + safeguard + ", ever"
			if safeguard == noSafeguard {
				label = "allowed within one region, ever"
			}
			f.Values = append(f.Values, exact(label, c.ever, ""))
		case denied:
			f.Values = append(f.Values, exact("denied with "+safeguard+", ever", c.ever, ""))
		}
	}
	f.Values = append(f.Values,
		exact("providers that data goes to now", o.Providers.Allowed+o.Providers.Denied, ""),
		exact("of these, denied by the rule", o.Providers.Denied, ""),
		exact("without a safeguard, ever", without, ""))
	switch {
	case o.Providers.Denied > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("Data goes to %d of those who work for the operator, although the rule denies it.", o.Providers.Denied)
	case without > 0:
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d transfers went ahead that no rule allowed.", without)
	case all == 0:
		f.Why = "The operator names nobody elsewhere to whom data would go."
	}
	return f
}

// purposesByBasis: the purposes of processing, by the basis that each rests on.
func purposesByBasis(_ State, o Outside) policy.Figure {
	if len(o.Purposes) == 0 {
		return unread()
	}
	f := says(policy.Kept, "Each purpose of processing has a legal basis that is stated.")
	bases := make([]string, 0, len(o.Purposes))
	for basis := range o.Purposes {
		bases = append(bases, basis)
	}
	slices.Sort(bases)
	for _, basis := range bases {
		if basis != "" {
			f.Values = append(f.Values, exact("purposes on the basis of "+strings.ReplaceAll(basis, "_", " "), int64(o.Purposes[basis]), ""))
		}
	}
	without := o.Purposes[""]
	f.Values = append(f.Values, exact("purposes without a basis", int64(without), ""))
	if without > 0 {
		f.Standing, f.Why = policy.Broken, fmt.Sprintf("%d purposes have no legal basis.", without)
	}
	return f
}
