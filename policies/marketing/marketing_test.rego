package marketing_test

import data.marketing

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# marketing.send: an input that it allows, what others change in it, and what it does not decide.
send_base := {"category": "marketing", "consent": "given", "registered": true, "suppressed": false, "wording": 1}

send_cases := {
	"with consent": {"but": {}, "answer": refused(set())},
	"to a later wording": {"but": {"wording": 2}, "answer": refused(set())},
	"to an older wording": {"but": {"wording": 0}, "answer": refused({"wording"})},
	"withdrawn": {"but": {"consent": "withdrawn"}, "answer": refused({"consent"})},
	"expired": {"but": {"consent": "expired"}, "answer": refused({"consent"})},
	"never given": {"but": {"consent": "none", "wording": 0}, "answer": refused({"consent", "wording"})},
	"to somebody unknown": {"but": {"registered": false}, "answer": refused({"registered"})},
	"suppressed": {"but": {"suppressed": true}, "answer": refused({"suppressed"})},
	"a plan's update, without consent": {"but": {"category": "plan", "consent": "none", "wording": 0}, "answer": refused(set())},
	"a plan's update, suppressed": {"but": {"category": "plan", "suppressed": true}, "answer": refused({"suppressed"})},
	"a service notice, suppressed": {"but": {"category": "service", "consent": "withdrawn", "suppressed": true, "wording": 0}, "answer": refused(set())},
}

test_send[name] if {
	some name, tt in send_cases
	marketing.send == tt.answer with input as object.union(send_base, tt.but)
}

not_send := {
	"registered is text": {"registered": "true"},
	"suppressed is text": {"suppressed": "true"},
	"wording is text": {"wording": "1"},
	"wording is too low": {"wording": -1},
	"wording is no whole number": {"wording": 3.5},
	"wording is null": {"wording": null},
	"category is unknown": {"category": "selfie"},
	"consent is unknown": {"consent": "selfie"},
	"a member too many": {"vip": true},
}

test_send_undecided[name] if {
	some name, but in not_send
	marketing.send == undecided with input as object.union(send_base, but)
}

test_send_needs_every_member[name] if {
	some name, _ in send_base
	marketing.send == undecided with input as object.remove(send_base, {name})
}

test_send_of_nothing if marketing.send == undecided with input as null
