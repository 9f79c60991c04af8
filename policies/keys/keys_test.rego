package keys_test

import data.keys

undecided := {"decided": false, "allow": false}

made := "2026-03-02T12:00:00.5+01:00"

# The kinds of the catalogue of facts. What ends by itself, ends on this day.
lifetimes := {
	"account": {},
	"audit": {"due": "2029-03-02T11:00:00.5Z"},
	"consent": {},
	"credential": {},
	"disclosure": {"due": "2029-03-02T11:00:00.5Z"},
	"image": {},
	"incident": {},
	"log": {"due": "2029-03-02T11:00:00.5Z"},
	"notice": {"due": "2029-03-02T11:00:00.5Z"},
	"payment": {"due": "2033-03-02T11:00:00.5Z"},
	"policy": {"due": "2029-03-02T11:00:00.5Z"},
	"projection": {"due": "2029-03-02T11:00:00.5Z"},
	"request": {},
	"retention": {"due": "2029-03-02T11:00:00.5Z"},
	"staff": {},
	"support": {},
	"visit": {"due": "2026-05-31T11:00:00.5Z"},
}

test_lifetime[kind] if {
	some kind, ends in lifetimes
	answer := keys.lifetime with input as {"kind": kind, "made": made}
	answer == object.union({"decided": true, "allow": true, "owns_stream": kind != "credential"}, ends)
}

test_every_kind_is_here if object.keys(lifetimes) == object.keys(data.lifetimes)

test_every_kind_has_a_source[kind] if {
	some kind, lifetime in data.lifetimes
	count(lifetime.source) > 20
	is_boolean(lifetime.owns_stream)
	lifetime.years + lifetime.days >= 0
}

# What ends with no fact has a period.
test_no_kind_ends_as_it_begins[kind] if {
	some kind, lifetime in data.lifetimes
	{lifetime.counts_from, lifetime.years + lifetime.days} != {"making", 0}
}

not_lifetimes := {
	"unknown kind": {"kind": "selfie", "made": made},
	"no kind": {"made": made},
	"no time": {"kind": "visit"},
	"no time, and none needed": {"kind": "image"},
	"time is a word": {"kind": "visit", "made": "noon"},
	"time is a word, and none needed": {"kind": "image", "made": "noon"},
	"time is a number": {"kind": "image", "made": 1772452800},
	"a member too many": {"kind": "visit", "made": made, "vip": true},
	"a member too many, of another kind": {"kind": "image", "made": made, "vip": true},
	"kind is a list": {"kind": ["visit"], "made": made},
	"null": null,
}

test_lifetime_undecided[name] if {
	some name, asked in not_lifetimes
	keys.lifetime == undecided with input as asked
}

# A kind without a period is no permission to keep things.
test_lifetime_needs_data if {
	asked := {"kind": "visit", "made": made}
	keys.lifetime == undecided with input as asked with data.lifetimes as {}
	keys.lifetime == undecided with input as asked with data.lifetimes as {"visit": {"counts_from": "making"}}
}

dues := {
	"a nanosecond before": {"now": "2026-05-31T10:59:59.999999999Z", "allow": false},
	"to the nanosecond": {"now": "2026-05-31T11:00:00Z", "allow": true},
	"in another zone": {"now": "2026-05-31T12:00:00+01:00", "allow": true},
	"a month late": {"now": "2026-07-01T00:00:00Z", "allow": true},
}

test_due[name] if {
	some name, tt in dues
	asked := {"kind": "visit", "due": "2026-05-31T11:00:00Z", "now": tt.now}
	keys.due == {"decided": true, "allow": tt.allow} with input as asked
}

not_dues := {
	"ends with a fact": {"kind": "image", "due": made, "now": made},
	"unknown kind": {"kind": "selfie", "due": made, "now": made},
	"no due": {"kind": "visit", "now": made},
	"no now": {"kind": "visit", "due": made},
	"due is a word": {"kind": "visit", "due": "soon", "now": made},
	"a member too many": {"kind": "visit", "due": made, "now": made, "hold": true},
	"null": null,
}

test_due_undecided[name] if {
	some name, asked in not_dues
	keys.due == undecided with input as asked
}

retirements := {
	"at once": {"now": "2026-03-02T12:00:00Z", "allow": false},
	"a nanosecond before": {"now": "2026-03-09T11:59:59.999999999Z", "allow": false},
	"after a week": {"now": "2026-03-09T12:00:00Z", "allow": true},
}

test_retired[name] if {
	some name, tt in retirements
	asked := {"retired": "2026-03-02T12:00:00Z", "now": tt.now}
	keys.retired == {"decided": true, "allow": tt.allow} with input as asked
}

not_retirements := {
	"no now": {"retired": made},
	"now is a word": {"retired": made, "now": "later"},
	"a member too many": {"retired": made, "now": made, "kind": "image"},
	"null": null,
}

test_retired_undecided[name] if {
	some name, asked in not_retirements
	keys.retired == undecided with input as asked
}

test_retired_needs_data if {
	asked := {"retired": made, "now": "2036-03-02T12:00:00Z"}
	keys.retired == undecided with input as asked with data.wrapping as {}
}
