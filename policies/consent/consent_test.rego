package consent_test

import data.consent

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# consent.given: an input that it allows, what others change in it, and what it does not decide.
given_base := {"active": true, "apart": true, "capable": true, "purpose": "marketing", "way": "checkbox", "wording": 1}

given_cases := {
	"ticked": {"but": {}, "answer": refused(set())},
	"ticked beforehand": {"but": {"active": false}, "answer": refused({"active"})},
	"with something else": {"but": {"apart": false}, "answer": refused({"apart"})},
	"too young": {"but": {"capable": false}, "answer": refused({"capable"})},
	"by going on": {"but": {"way": "continued_use"}, "answer": refused({"way"})},
	"in a banner": {"but": {"way": "banner"}, "answer": refused({"way"})},
	"analytics in a banner": {"but": {"purpose": "analytics", "way": "banner"}, "answer": refused(set())},
	"old wording": {"but": {"wording": 0}, "answer": refused({"wording"})},
	"a later one": {"but": {"wording": 2}, "answer": refused(set())},
	"one sharing": {"but": {"purpose": "disclosure", "way": "form"}, "answer": refused(set())},
	"in the settings": {"but": {"way": "settings"}, "answer": refused(set())},
}

test_given[name] if {
	some name, tt in given_cases
	consent.given == tt.answer with input as object.union(given_base, tt.but)
}

not_given := {
	"active is text": {"active": "true"},
	"apart is text": {"apart": "true"},
	"capable is text": {"capable": "true"},
	"purpose is unknown": {"purpose": "selfie"},
	"way is unknown": {"way": "selfie"},
	"wording is text": {"wording": "1"},
	"wording is too low": {"wording": -1},
	"wording is no whole number": {"wording": 3.5},
	"wording is null": {"wording": null},
	"a member too many": {"vip": true},
}

test_given_undecided[name] if {
	some name, but in not_given
	consent.given == undecided with input as object.union(given_base, but)
}

test_given_needs_every_member[name] if {
	some name, _ in given_base
	consent.given == undecided with input as object.remove(given_base, {name})
}

test_given_of_nothing if consent.given == undecided with input as null

# consent.live: an input that it allows, what others change in it, and what it does not decide.
live_base := {"given": "2026-03-02T12:00:00Z", "now": "2028-03-02T11:59:59Z", "purpose": "marketing", "withdrawn": false}

live_cases := {
	"to the last second": {"but": {}, "answer": {"decided": true, "allow": true, "until": "2028-03-02T12:00:00Z"}},
	"over": {"but": {"now": "2028-03-02T12:00:00Z"}, "answer": {"decided": true, "allow": false, "until": "2028-03-02T12:00:00Z"}},
	"withdrawn": {"but": {"withdrawn": true}, "answer": {"decided": true, "allow": false, "until": "2028-03-02T12:00:00Z"}},
	"one sharing": {"but": {"now": "2026-03-02T12:00:00Z", "purpose": "disclosure"}, "answer": {"decided": true, "allow": true, "until": "2026-04-01T12:00:00Z"}},
	"analytics": {"but": {"purpose": "analytics"}, "answer": {"decided": true, "allow": false, "until": "2027-03-02T12:00:00Z"}},
}

test_live[name] if {
	some name, tt in live_cases
	consent.live == tt.answer with input as object.union(live_base, tt.but)
}

not_live := {
	"withdrawn is text": {"withdrawn": "true"},
	"given is a word": {"given": "noon"},
	"now is a word": {"now": "noon"},
	"purpose is unknown": {"purpose": "selfie"},
	"a member too many": {"vip": true},
}

test_live_undecided[name] if {
	some name, but in not_live
	consent.live == undecided with input as object.union(live_base, but)
}

test_live_needs_every_member[name] if {
	some name, _ in live_base
	consent.live == undecided with input as object.remove(live_base, {name})
}

test_live_of_nothing if consent.live == undecided with input as null

# consent.withdrawn: an input that it allows, what others change in it, and what it does not decide.
withdrawn_base := {"purpose": "marketing", "way": "unsubscribe_link"}

withdrawn_cases := {
	"one click": {"but": {}, "answer": {"decided": true, "allow": true}},
	"settings": {"but": {"way": "settings"}, "answer": {"decided": true, "allow": true}},
	"a signal is no answer to mail": {"but": {"way": "signal"}, "answer": {"decided": true, "allow": false}},
	"a signal ends analytics": {"but": {"purpose": "analytics", "way": "signal"}, "answer": {"decided": true, "allow": true}},
}

test_withdrawn[name] if {
	some name, tt in withdrawn_cases
	consent.withdrawn == tt.answer with input as object.union(withdrawn_base, tt.but)
}

not_withdrawn := {
	"purpose is unknown": {"purpose": "selfie"},
	"way is unknown": {"way": "selfie"},
	"a member too many": {"vip": true},
}

test_withdrawn_undecided[name] if {
	some name, but in not_withdrawn
	consent.withdrawn == undecided with input as object.union(withdrawn_base, but)
}

test_withdrawn_needs_every_member[name] if {
	some name, _ in withdrawn_base
	consent.withdrawn == undecided with input as object.remove(withdrawn_base, {name})
}

test_withdrawn_of_nothing if consent.withdrawn == undecided with input as null
