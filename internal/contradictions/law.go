package contradictions

import (
	"slices"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

// law are the places where the published policy is stricter than the law, unclear, or would
// contradict itself. In each of them code could paper over the difference; so each is looked at.
func law() []Check {
	return []Check{
		{
			"breach.two-clocks", "Are people told of a breach by a clock of their own, whatever the risk?",
			[]string{"policy.md, breach.72h", "data/breach.json, clocks"},
			twoClocks,
		},
		{
			"terms.never-consent", "Is going on to use the service never taken for consent?",
			[]string{"policy.md, policy.accept", "data/consent.json, consents"},
			neverConsent,
		},
		{
			"processors.apart", "Are those who work for us kept apart from those to whom data are given?",
			[]string{"policy.md, share.processors and share.consent-or-law", "data/sharing.json, recipients and grants"},
			processorsApart,
		},
		{
			"analytics.consent-first", "Do cookies for figures come after consent only?",
			[]string{"policy.md, cookie.analytics", "data/consent.json, consents.analytics"},
			consentFirst,
		},
		{
			"periods.every-kind", "Has every kind of data a period?",
			[]string{"data/retention.json, periods", "data/lifetimes.json, lifetimes"},
			everyKind,
		},
		{
			"children.at-once", "Has deleting what a child gave us a figure, of a day at most?",
			[]string{"policy.md, child.under-13", "data/child.json, children"},
			atOnce,
		},
		{
			"operator.blanks", "Are the region, the operator and the date of revision filled in?",
			[]string{"policy.md", "--operator-region, --operator-name, --operator-contact"},
			blanks,
		},
		{
			"support.own-data", "Do figures name nobody, while support can look at one person's account?",
			[]string{"policy.md, usage.anonymous and usage.improve", "data/access.json, roles", "data/retention.json, periods.analytics"},
			ownData,
		},
		{
			"passwords.hashed", "Is a password never called encrypted, where it is hashed?",
			[]string{"policy.md", "promises.yaml, account.password-hash"},
			hashed,
		},
	}
}

// lawHours is how long an authority may wait at most: GDPR article 33(1).
const lawHours = 72

// twoClocks: article 33 gives the authority 72 hours from awareness, article 34 people no hour
// figure and only at high risk. The policy promises people 72 hours from discovery, at any risk.
func twoClocks(f *finding) {
	people, authority := f.Clocks["breach_people"], f.Clocks["breach_authority"]
	promised, ok := longest(f.sentences("breach.72h"))
	switch {
	case !ok:
		f.add("The policy promises that people are told of an incident, and no sentence says within how many hours.")
	case people.Hours == 0:
		f.add("People are promised to be told within %s, and the data has no clock for them (breach_people).", promised.words)
	case float64(people.Hours) > promised.hours:
		f.add("People are promised to be told within %s, and their clock runs for %d hours.", promised.words, people.Hours)
	}
	if people.Hours > 0 && people.CountsFrom != "discovery" {
		f.add("People are promised a time from our finding out, and their clock counts from %s.", people.CountsFrom)
	}
	if people.Hours > 0 && !people.AtAnyRisk {
		f.add("People are promised to be told however small the risk, and their clock is for some risks only.")
	}
	switch {
	case authority.Hours == 0:
		f.add("The authority has to be told within %d hours of awareness, and the data has no clock for it (breach_authority).", lawHours)
	case authority.Hours > lawHours:
		f.add("The authority has to be told within %d hours of awareness, and its clock runs for %d.", lawHours, authority.Hours)
	case authority.CountsFrom != "awareness":
		f.add("The authority's clock counts from %s, and the law's from awareness.", authority.CountsFrom)
	}
}

// clearActs are ways of saying yes. Silence, scrolling and going on to use a service are none (EDPB 05/2020).
var clearActs = []string{"banner", "checkbox", "form", "settings"}

func neverConsent(f *finding) {
	f.needs(len(f.Consents), "way of consenting to anything")
	for _, purpose := range sorted(f.Consents) {
		if len(f.Consents[purpose].Ways) == 0 {
			f.add("There is no way of consenting to %s.", purpose)
		}
		for _, way := range sorted(f.Consents[purpose].Ways) {
			if !slices.Contains(clearActs, way) {
				f.add("Consent to %s is taken from %q, which is no clear act (%s are).", purpose, way, strings.Join(clearActs, ", "))
			}
		}
	}
	said := f.sentences("policy.accept")
	if mentions(said, "means that you accept", "means accepting", "counts as acceptance") && !mentions(said, "never") {
		f.add("Using the service after a change counts as accepting the terms, and no sentence says that it is never consent.")
	}
}

// worksForUs are recipients that the policy describes as working for us, on our behalf and under a contract.
var worksForUs = []string{"hosting", "mail", "payment_processor"}

func processorsApart(f *finding) {
	for _, name := range worksForUs {
		switch r, there := f.Recipients[name]; {
		case !there:
			f.add("%s works for us under a contract (GDPR article 28), and the data does not know it.", name)
		case r.Role != "processor":
			f.add("%s works for us under a contract (GDPR article 28), and the data calls it a %s.", name, r.Role)
		}
	}
	consents := []string{"consent", "explicit_consent"}
	for _, name := range sorted(f.Recipients) {
		role := f.Recipients[name].Role
		for _, purpose := range sorted(f.Grants[name]) {
			for _, category := range sorted(f.Grants[name][purpose]) {
				bases := sorted(f.Grants[name][purpose][category].Bases)
				byConsent := !slices.ContainsFunc(bases, func(b string) bool { return !slices.Contains(consents, b) })
				byConsentOnly := len(bases) > 0 && byConsent
				switch {
				case (role == "processor" || role == "sub_processor") && byConsentOnly:
					f.add("%s works for us under a contract, and may have %s for %s on consent alone, as others to whom data are given.", name, category, purpose)
				case role == "third_party" && !byConsent:
					f.add("Data leave us only by law or consent, and %s may have %s for %s on %s.", name, category, purpose, strings.Join(bases, ", "))
				}
			}
		}
	}
}

// consentFirst: article 5(3) of Directive 2002/58/EC asks for consent before a cookie for figures is set.
func consentFirst(f *finding) {
	analytics, there := f.Consents["analytics"]
	if !there || len(analytics.Ways) == 0 {
		f.add("Cookies for figures need consent first, and the data knows no consent to analytics.")
	}
	if there && !analytics.GPC {
		f.add("A visitor's signal (Sec-GPC) does not end the consent to analytics.")
	}
	if !mentions(f.sentences("cookie.analytics"), "consent") {
		f.add("No sentence about cookies for figures says that they come after consent.")
	}
}

// kinds are all kinds of data that the service can hold, whether this release has them or not.
var kinds = []string{
	"abuse_counter", "account", "analytics", "api_key", "api_log", "capability", "consent_proof", "credential", "disclosure", "drill_copy",
	"evidence_export", "idempotency_answer", "image", "incident", "mail_bounce", "mail_outbox", "notice", "payment", "preview", "request",
	"result", "session", "staff", "support_case", "technical", "token", "trace", "vault_backup", "webhook_body", "write_ahead_log",
}

func everyKind(f *finding) {
	for _, kind := range kinds {
		p, there := f.Periods[kind]
		switch {
		case !there:
			f.add("No period is stated for %s.", kind)
		case p.Maximum.hours() == 0 && p.Starts == "making":
			f.add("%s would be gone the moment that it is made.", kind)
		case p.Source == "":
			f.add("The period of %s has no source.", kind)
		}
	}
	for _, kind := range sorted(f.Periods) {
		key := f.Periods[kind].Key
		if _, there := f.Lifetimes[key]; key != "" && !there {
			f.add("%s is sealed under the key %q, which has no lifetime.", kind, key)
		}
	}
}

// atOnceHours is what "immediately" means at most.
const atOnceHours = 24

func atOnce(f *finding) {
	report := f.Children["report"].ErasedWithinH
	if report <= 0 || report > atOnceHours {
		f.add("What a child gave us is to be deleted at once, and the data allows %d hours (1 to %d is at once).", report, atOnceHours)
	}
	said := f.sentences("child.under-13")
	promised, ok := longest(said)
	switch {
	case !ok:
		f.add("No sentence says within which time what a child gave us is deleted.")
	case float64(report) > promised.hours:
		f.add("What a child gave us is promised to be gone within %s, and the data allows %d hours.", promised.words, report)
	}
	if years := f.Children["account"].MinimumYears; years != 13 && mentions(said, "under 13") {
		f.add("The policy says that nobody under 13 gets an account, and the data draws the line at %d.", years)
	}
}

// blanks: what nobody has stated contradicts nothing, and nothing can be compared with it.
func blanks(f *finding) {
	for _, blank := range policy.Blanks() {
		var need []string
		for _, promise := range f.Promises {
			if slices.Contains(promise.Needs, blank) {
				need = append(need, string(promise.ID))
			}
		}
		if len(need) > 0 && f.Operator.Of(blank) == "" {
			f.lacks("The operator has not stated the %s. Without it, this cannot be called kept: %s.", blank, strings.Join(need, ", "))
		}
	}
	switch {
	case f.Text.Date.IsZero():
		f.add("The policy has no date of its last revision.")
	case f.Text.Date.After(f.Today):
		f.add("The policy is in force, and is dated %s, which is still to come.", f.Text.Date.Format("2 January 2006"))
	}
}

// ownData: figures that name nobody cannot support one person. So support looks at the account's
// own data, and figures stay without a person.
func ownData(f *finding) {
	analytics := f.Periods["analytics"]
	if analytics.Key != "" || slices.Contains(analytics.Copies, "key") {
		f.add("Figures about use name nobody, and the data has them sealed under a key, as personal data are.")
	}
	if !f.Roles["support"].Reads["account"]["support"] {
		f.add("Support helps with the data of the person's own account, and no role may read it for that.")
	}
	for _, role := range sorted(f.Roles) {
		if len(f.Roles[role].Reads["analytics"]) > 0 {
			f.add("Figures about use name nobody, and the role %s reads them as data of a person.", role)
		}
	}
	if !mentions(f.sentences("usage.improve"), "own account") {
		f.add("No sentence says that helping somebody takes the data of their own account.")
	}
}

// hashed: what is encrypted can be decrypted, and a hash cannot.
func hashed(f *finding) {
	for _, s := range f.Text.Sentences() {
		if said := strings.ToLower(s.String()); strings.Contains(said, "password") && strings.Contains(said, "encrypt") {
			f.add("Line %d of the policy calls passwords encrypted, and they are hashed: %s", s.Line, s)
		}
	}
	promise, _ := f.Promises.Promise("account.password-hash")
	if text := strings.ToLower(promise.Text); !strings.Contains(text, "argon2id") || strings.Contains(text, "encrypt") {
		f.add("The promise account.password-hash does not say that passwords are kept as Argon2id hashes: %s", promise.Text)
	}
	if !mentions(f.sentences("account.password-hash"), "hash") {
		f.add("No sentence says that passwords are hashed.")
	}
}
