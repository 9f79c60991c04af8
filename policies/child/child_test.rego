package child_test

import data.child

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# child.account: an input that it allows, what others change in it, and what it does not decide.
account_base := {"band": "13"}

account_cases := {
	"thirteen": {"but": {}, "answer": {"decided": true, "allow": true}},
	"under": {"but": {"band": "under_13"}, "answer": {"decided": true, "allow": false}},
	"grown": {"but": {"band": "16_or_more"}, "answer": {"decided": true, "allow": true}},
}

test_account[name] if {
	some name, tt in account_cases
	child.account == tt.answer with input as object.union(account_base, tt.but)
}

not_account := {
	"band is unknown": {"band": "selfie"},
	"a member too many": {"vip": true},
}

test_account_undecided[name] if {
	some name, but in not_account
	child.account == undecided with input as object.union(account_base, but)
}

test_account_needs_every_member[name] if {
	some name, _ in account_base
	child.account == undecided with input as object.remove(account_base, {name})
}

test_account_of_nothing if child.account == undecided with input as null

# child.consent: an input that it allows, what others change in it, and what it does not decide.
consent_base := {"band": "14", "country": "AT", "parent": false}

consent_cases := {
	"old enough there": {"but": {}, "answer": refused(set())},
	"too young there": {"but": {"country": "DE"}, "answer": refused({"parent"})},
	"with a parent": {"but": {"country": "DE", "parent": true}, "answer": refused(set())},
	"old enough, and a parent": {"but": {"parent": true}, "answer": refused(set())},
	"a child, with a parent": {"but": {"band": "under_13", "parent": true}, "answer": refused({"age"})},
	"a child": {"but": {"band": "under_13"}, "answer": refused({"age", "parent"})},
	"thirteen": {"but": {"band": "13", "country": "SE"}, "answer": refused(set())},
	"anywhere": {"but": {"band": "16_or_more", "country": "ZZ"}, "answer": refused(set())},
	"anywhere, and younger": {"but": {"band": "15", "country": "ZZ"}, "answer": refused({"parent"})},
}

test_consent[name] if {
	some name, tt in consent_cases
	child.consent == tt.answer with input as object.union(consent_base, tt.but)
}

not_consent := {
	"parent is text": {"parent": "true"},
	"band is unknown": {"band": "selfie"},
	"country is unknown": {"country": "selfie"},
	"a member too many": {"vip": true},
}

test_consent_undecided[name] if {
	some name, but in not_consent
	child.consent == undecided with input as object.union(consent_base, but)
}

test_consent_needs_every_member[name] if {
	some name, _ in consent_base
	child.consent == undecided with input as object.remove(consent_base, {name})
}

test_consent_of_nothing if child.consent == undecided with input as null

# child.report: an input that it allows, what others change in it, and what it does not decide.
report_base := {"known": "2026-03-02T12:00:00Z", "what": "account"}

report_cases := {
	"an account": {"but": {}, "answer": {"decided": true, "allow": true, "due": "2026-03-03T12:00:00Z"}},
	"a picture": {"but": {"what": "image"}, "answer": {"decided": true, "allow": true, "due": "2026-03-03T12:00:00Z"}},
}

test_report[name] if {
	some name, tt in report_cases
	child.report == tt.answer with input as object.union(report_base, tt.but)
}

not_report := {
	"known is a word": {"known": "noon"},
	"what is unknown": {"what": "selfie"},
	"a member too many": {"vip": true},
}

test_report_undecided[name] if {
	some name, but in not_report
	child.report == undecided with input as object.union(report_base, but)
}

test_report_needs_every_member[name] if {
	some name, _ in report_base
	child.report == undecided with input as object.remove(report_base, {name})
}

test_report_of_nothing if child.report == undecided with input as null
