package retention_test

import data.retention

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

uploaded := "2026-03-02T12:00:00Z"

deadlines := {
	"a day, the most": {"period_s": 86400, "allow": true, "due": "2026-03-03T12:00:00Z"},
	"an hour": {"period_s": 3600, "allow": true, "due": "2026-03-02T13:00:00Z"},
	"a second": {"period_s": 1, "allow": true, "due": "2026-03-02T12:00:01Z"},
	"a second too long": {"period_s": 86401, "allow": false, "due": "2026-03-03T12:00:01Z"},
	"a year": {"period_s": 31536000, "allow": false, "due": "2027-03-02T12:00:00Z"},
}

test_deadline[name] if {
	some name, tt in deadlines
	answer := retention.deadline with input as {"kind": "image", "period_s": tt.period_s, "uploaded": uploaded}
	answer == {"decided": true, "allow": tt.allow, "due": tt.due, "maximum_s": 86400}
}

test_deadline_counts_in_nanoseconds if {
	answer := retention.deadline with input as {"kind": "image", "period_s": 2, "uploaded": "2026-03-02T23:59:59.123456789+01:00"}
	answer.due == "2026-03-02T23:00:01.123456789Z"
}

not_deadlines := {
	"no period": {"kind": "image", "uploaded": uploaded},
	"no kind": {"period_s": 60, "uploaded": uploaded},
	"no time": {"kind": "image", "period_s": 60},
	"a member too many": {"kind": "image", "period_s": 60, "uploaded": uploaded, "vip": true},
	"period of nothing": {"kind": "image", "period_s": 0, "uploaded": uploaded},
	"negative period": {"kind": "image", "period_s": -1, "uploaded": uploaded},
	"half a second": {"kind": "image", "period_s": 0.5, "uploaded": uploaded},
	"period is text": {"kind": "image", "period_s": "60", "uploaded": uploaded},
	"period is null": {"kind": "image", "period_s": null, "uploaded": uploaded},
	"unknown kind": {"kind": "invoice", "period_s": 60, "uploaded": uploaded},
	"no picture": {"kind": "account", "period_s": 60, "uploaded": uploaded},
	"kind is a list": {"kind": ["image"], "period_s": 60, "uploaded": uploaded},
	"time is a word": {"kind": "image", "period_s": 60, "uploaded": "noon"},
	"time without zone": {"kind": "image", "period_s": 60, "uploaded": "2026-03-02T12:00:00"},
	"time is a number": {"kind": "image", "period_s": 60, "uploaded": 1772452800},
	"empty": {},
	"not an object": "image",
	"null": null,
}

test_deadline_undecided[name] if {
	some name, asked in not_deadlines
	retention.deadline == undecided with input as asked
}

# A period that nobody set is no permission to keep things.
test_deadline_needs_a_maximum if {
	asked := {"kind": "image", "period_s": 60, "uploaded": uploaded}
	retention.deadline == undecided with input as asked with data.periods as {}
	retention.deadline == undecided with input as asked with data.periods as {"image": {}}
}

test_downloaded_whole if {
	retention.downloaded == {"decided": true, "allow": true} with input as {"kind": "image", "whole": true}
}

test_downloaded_in_part if {
	retention.downloaded == {"decided": true, "allow": false} with input as {"kind": "image", "whole": false}
}

not_downloads := {
	"unknown kind": {"kind": "invoice", "whole": true},
	"no picture": {"kind": "account", "whole": true},
	"whole is text": {"kind": "image", "whole": "true"},
	"no whole": {"kind": "image"},
	"a member too many": {"kind": "image", "whole": true, "vip": true},
	"null": null,
}

test_downloaded_undecided[name] if {
	some name, asked in not_downloads
	retention.downloaded == undecided with input as asked
}

dues := {
	"a nanosecond before the lead": {"now": "2026-03-03T11:59:29.999999999Z", "allow": false},
	"from the lead on": {"now": "2026-03-03T11:59:30Z", "allow": true},
	"to the nanosecond": {"now": "2026-03-03T12:00:00Z", "allow": true},
	"in another zone": {"now": "2026-03-03T12:59:30+01:00", "allow": true},
	"a month late": {"now": "2026-04-03T12:00:00Z", "allow": true},
}

test_due[name] if {
	some name, tt in dues
	asked := {"kind": "image", "due": "2026-03-03T12:00:00Z", "now": tt.now}
	retention.due == {"decided": true, "allow": tt.allow} with input as asked
}

not_dues := {
	"unknown kind": {"kind": "invoice", "due": uploaded, "now": uploaded},
	"no picture": {"kind": "account", "due": uploaded, "now": uploaded},
	"no now": {"kind": "image", "due": uploaded},
	"no due": {"kind": "image", "now": uploaded},
	"due is a word": {"kind": "image", "due": "soon", "now": uploaded},
	"a member too many": {"kind": "image", "due": uploaded, "now": uploaded, "hold": true},
	"null": null,
}

test_due_undecided[name] if {
	some name, asked in not_dues
	retention.due == undecided with input as asked
}

test_requested if {
	retention.requested == {"decided": true, "allow": true} with input as {"kind": "image"}
}

not_requests := {
	"unknown kind": {"kind": "invoice"},
	"no picture": {"kind": "account"},
	"no kind": {},
	"a member too many": {"kind": "image", "whole": true},
	"null": null,
}

test_requested_undecided[name] if {
	some name, asked in not_requests
	retention.requested == undecided with input as asked
}

# retention.limit: an input that it allows, what others change in it, and what it does not decide.
limit_base := {"due": "2036-01-01T00:00:00Z", "kind": "account", "started": "2026-03-02T12:00:00Z"}

limit_cases := {
	"thirty days": {"but": {}, "answer": {"decided": true, "allow": true, "due": "2026-04-01T12:00:00Z"}},
	"shorter holds at once": {"but": {"due": "2030-01-01T00:00:00Z", "kind": "payment"}, "answer": {"decided": true, "allow": true, "due": "2030-01-01T00:00:00Z"}},
	"longer never": {"but": {"due": "2026-03-20T12:00:00Z"}, "answer": {"decided": true, "allow": true, "due": "2026-03-20T12:00:00Z"}},
	"a picture": {"but": {"kind": "image"}, "answer": {"decided": true, "allow": true, "due": "2026-03-03T12:00:00Z"}},
	"seven years": {"but": {"kind": "payment"}, "answer": {"decided": true, "allow": true, "due": "2033-03-02T12:00:00Z"}},
	"another zone": {"but": {"due": "2026-03-03T10:00:00+01:00", "kind": "result"}, "answer": {"decided": true, "allow": true, "due": "2026-03-03T09:00:00Z"}},
}

test_limit[name] if {
	some name, tt in limit_cases
	retention.limit == tt.answer with input as object.union(limit_base, tt.but)
}

not_limit := {
	"kind is unknown": {"kind": "selfie"},
	"due is a word": {"due": "noon"},
	"started is a word": {"started": "noon"},
	"a member too many": {"vip": true},
}

test_limit_undecided[name] if {
	some name, but in not_limit
	retention.limit == undecided with input as object.union(limit_base, but)
}

test_limit_needs_every_member[name] if {
	some name in {"kind", "started"}
	retention.limit == undecided with input as object.remove(limit_base, {name})
	retention.limit == undecided with input as object.remove(limit_base, {"due", name})
}

test_limit_of_what_is_new[name] if {
	some name, tt in {
		"account": "2026-04-01T12:00:00Z",
		"payment": "2033-03-02T12:00:00Z",
		"image": "2026-03-03T12:00:00Z",
		"credential": "2026-03-02T12:00:00Z",
	}
	answer := retention.limit with input as {"kind": name, "started": "2026-03-02T12:00:00Z"}
	answer == {"decided": true, "allow": true, "due": tt}
}

test_limit_of_what_is_new_undecided[name] if {
	some name, but in {"kind": {"kind": "selfie"}, "time": {"started": "noon"}, "more": {"vip": true}}
	retention.limit == undecided with input as object.union({"kind": "account", "started": "2026-03-02T12:00:00Z"}, but)
}

test_limit_of_nothing if retention.limit == undecided with input as null

# retention.deletion: an input that it allows, what others change in it, and what it does not decide.
deletion_base := {"due": "2026-04-01T12:00:00Z", "erasure": false, "field": "email", "held": false, "kind": "account", "now": "2026-04-01T12:00:00Z", "restricted": false, "started": "2026-03-02T12:00:00Z"}

deletion_cases := {
	"its limit has come": {"but": {}, "answer": {"decided": true, "allow": true, "because": {"limit"}, "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
	"not yet": {"but": {"now": "2026-04-01T11:59:59.999999999Z"}, "answer": {"decided": true, "allow": false, "because": set(), "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
	"erasure before": {"but": {"erasure": true, "now": "2026-03-05T00:00:00Z"}, "answer": {"decided": true, "allow": true, "because": {"erasure"}, "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
	"both": {"but": {"erasure": true}, "answer": {"decided": true, "allow": true, "because": {"erasure", "limit"}, "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
	"a hold names it": {"but": {"held": true}, "answer": {"decided": true, "allow": false, "because": {"limit"}, "kept_by": {"hold"}, "kept_until": "2026-03-02T12:00:00Z"}},
	"erasure under a hold": {"but": {"erasure": true, "held": true}, "answer": {"decided": true, "allow": false, "because": {"erasure", "limit"}, "kept_by": {"hold"}, "kept_until": "2026-03-02T12:00:00Z"}},
	"a restriction": {"but": {"restricted": true}, "answer": {"decided": true, "allow": false, "because": {"limit"}, "kept_by": {"restriction"}, "kept_until": "2026-03-02T12:00:00Z"}},
	"both keep it": {"but": {"held": true, "restricted": true}, "answer": {"decided": true, "allow": false, "because": {"limit"}, "kept_by": {"hold", "restriction"}, "kept_until": "2026-03-02T12:00:00Z"}},
	"a law keeps the field": {"but": {"due": "2033-03-02T12:00:00Z", "erasure": true, "field": "payer", "kind": "payment"}, "answer": {"decided": true, "allow": false, "because": set(), "kept_by": {"law"}, "kept_until": "2033-03-02T12:00:00Z"}},
	"a law keeps the field to its last moment": {"but": {"due": "2033-03-02T12:00:00Z", "erasure": true, "field": "payer", "kind": "payment", "now": "2033-03-02T11:59:59Z"}, "answer": {"decided": true, "allow": false, "because": set(), "kept_by": {"law"}, "kept_until": "2033-03-02T12:00:00Z"}},
	"and no longer": {"but": {"due": "2033-03-02T12:00:00Z", "erasure": true, "field": "payer", "kind": "payment", "now": "2033-03-02T12:00:00Z"}, "answer": {"decided": true, "allow": true, "because": {"erasure", "limit"}, "kept_by": set(), "kept_until": "2033-03-02T12:00:00Z"}},
	"a law keeps another field": {"but": {"due": "2033-03-02T12:00:00Z", "erasure": true, "field": "note", "kind": "payment"}, "answer": {"decided": true, "allow": true, "because": {"erasure"}, "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
	"a law, nobody asks": {"but": {"due": "2033-03-02T12:00:00Z", "field": "payer", "kind": "payment"}, "answer": {"decided": true, "allow": false, "because": set(), "kept_by": set(), "kept_until": "2033-03-02T12:00:00Z"}},
	"an earlier limit than the law's": {"but": {"erasure": true, "field": "payer", "kind": "payment"}, "answer": {"decided": true, "allow": true, "because": {"limit"}, "kept_by": {"law"}, "kept_until": "2033-03-02T12:00:00Z"}},
	"a hold lengthens no picture": {"but": {"field": "pixels", "held": true, "kind": "image"}, "answer": {"decided": true, "allow": true, "because": {"limit"}, "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
	"a restriction lengthens no picture": {"but": {"field": "pixels", "kind": "result", "restricted": true}, "answer": {"decided": true, "allow": true, "because": {"limit"}, "kept_by": set(), "kept_until": "2026-03-02T12:00:00Z"}},
}

test_deletion[name] if {
	some name, tt in deletion_cases
	retention.deletion == tt.answer with input as object.union(deletion_base, tt.but)
}

not_deletion := {
	"erasure is text": {"erasure": "true"},
	"held is text": {"held": "true"},
	"restricted is text": {"restricted": "true"},
	"due is a word": {"due": "noon"},
	"now is a word": {"now": "noon"},
	"started is a word": {"started": "noon"},
	"kind is unknown": {"kind": "selfie"},
	"field is a number": {"field": 1},
	"field is free text": {"field": "the e-mail"},
	"a member too many": {"vip": true},
}

test_deletion_undecided[name] if {
	some name, but in not_deletion
	retention.deletion == undecided with input as object.union(deletion_base, but)
}

test_deletion_needs_every_member[name] if {
	some name, _ in deletion_base
	retention.deletion == undecided with input as object.remove(deletion_base, {name})
}

test_deletion_of_nothing if retention.deletion == undecided with input as null

# A law counts in years and days, both.
test_law_counts_days if {
	kind := object.union(data.periods.payment, {"kept": {"payer": {"years": 1, "days": 1}}})
	asked := object.union(deletion_base, {"field": "payer", "kind": "payment"})
	answer := retention.deletion with input as asked with data.periods as {"payment": kind}
	answer.kept_until == "2027-03-03T12:00:00Z"
}

# retention.hold: an input that it allows, what others change in it, and what it does not decide.
hold_base := {"kind": "account"}

hold_cases := {
	"an account": {"but": {}, "answer": {"decided": true, "allow": true}},
	"a picture": {"but": {"kind": "image"}, "answer": {"decided": true, "allow": false}},
	"a result": {"but": {"kind": "result"}, "answer": {"decided": true, "allow": false}},
}

test_hold[name] if {
	some name, tt in hold_cases
	retention.hold == tt.answer with input as object.union(hold_base, tt.but)
}

not_hold := {
	"kind is unknown": {"kind": "selfie"},
	"a member too many": {"vip": true},
}

test_hold_undecided[name] if {
	some name, but in not_hold
	retention.hold == undecided with input as object.union(hold_base, but)
}

test_hold_needs_every_member[name] if {
	some name, _ in hold_base
	retention.hold == undecided with input as object.remove(hold_base, {name})
}

test_hold_of_nothing if retention.hold == undecided with input as null
