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
	"no kind": {},
	"a member too many": {"kind": "image", "whole": true},
	"null": null,
}

test_requested_undecided[name] if {
	some name, asked in not_requests
	retention.requested == undecided with input as asked
}
