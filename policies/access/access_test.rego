package access_test

import data.access

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# access.blob: an input that it allows, what others change in it, and what it does not decide.
blob_base := {"own": true, "purpose": "cutout", "reader": "processor"}

blob_cases := {
	"the processor of this picture": {"but": {}, "answer": {"decided": true, "allow": true}},
	"another processor": {"but": {"own": false}, "answer": {"decided": true, "allow": false}},
	"its holder": {"but": {"reader": "holder"}, "answer": {"decided": true, "allow": true}},
	"support, after a view was allowed": {"but": {"purpose": "support", "reader": "support"}, "answer": {"decided": true, "allow": true}},
}

test_blob[name] if {
	some name, tt in blob_cases
	access.blob == tt.answer with input as object.union(blob_base, tt.but)
}

not_blob := {
	"own is text": {"own": "true"},
	"purpose is unknown": {"purpose": "selfie"},
	"reader is unknown": {"reader": "selfie"},
	"for training": {"purpose": "training"},
	"support makes no cutout": {"reader": "support"},
	"the processor does not look": {"purpose": "support"},
	"a member too many": {"vip": true},
}

test_blob_undecided[name] if {
	some name, but in not_blob
	access.blob == undecided with input as object.union(blob_base, but)
}

test_blob_needs_every_member[name] if {
	some name, _ in blob_base
	access.blob == undecided with input as object.remove(blob_base, {name})
}

test_blob_of_nothing if access.blob == undecided with input as null

# access.view: an input that it allows, what others change in it, and what it does not decide.
view_base := {"case_open": true, "granted": true, "named": true, "now": "2026-03-02T12:00:00Z", "reason": true, "role": "support", "until": "2026-03-02T12:00:01Z"}

view_cases := {
	"support": {"but": {}, "answer": refused(set())},
	"no case": {"but": {"case_open": false}, "answer": refused({"case"})},
	"no grant": {"but": {"granted": false}, "answer": refused({"grant"})},
	"nobody": {"but": {"named": false}, "answer": refused({"name"})},
	"no reason": {"but": {"reason": false}, "answer": refused({"reason"})},
	"too late": {"but": {"until": "2026-03-02T12:00:00Z"}, "answer": refused({"expired"})},
	"an officer": {"but": {"role": "officer"}, "answer": refused({"role"})},
	"nothing at all": {"but": {"case_open": false, "granted": false, "named": false, "reason": false, "role": "operator", "until": "2026-03-02T11:00:00Z"}, "answer": refused({"case", "expired", "grant", "name", "reason", "role"})},
}

test_view[name] if {
	some name, tt in view_cases
	access.view == tt.answer with input as object.union(view_base, tt.but)
}

not_view := {
	"case_open is text": {"case_open": "true"},
	"granted is text": {"granted": "true"},
	"named is text": {"named": "true"},
	"reason is text": {"reason": "true"},
	"now is a word": {"now": "noon"},
	"until is a word": {"until": "noon"},
	"role is unknown": {"role": "selfie"},
	"a member too many": {"vip": true},
}

test_view_undecided[name] if {
	some name, but in not_view
	access.view == undecided with input as object.union(view_base, but)
}

test_view_needs_every_member[name] if {
	some name, _ in view_base
	access.view == undecided with input as object.remove(view_base, {name})
}

test_view_of_nothing if access.view == undecided with input as null

# access.grant: an input that it allows, what others change in it, and what it does not decide.
grant_base := {"holder": true, "hours": 24, "kind": "image"}

grant_cases := {
	"a day": {"but": {}, "answer": refused(set())},
	"an hour": {"but": {"hours": 1}, "answer": refused(set())},
	"longer than a picture lives": {"but": {"hours": 25}, "answer": refused({"hours"})},
	"somebody else": {"but": {"holder": false}, "answer": refused({"holder"})},
}

test_grant[name] if {
	some name, tt in grant_cases
	access.grant == tt.answer with input as object.union(grant_base, tt.but)
}

not_grant := {
	"holder is text": {"holder": "true"},
	"kind is unknown": {"kind": "selfie"},
	"hours is text": {"hours": "1"},
	"hours is too low": {"hours": 0},
	"hours is no whole number": {"hours": 3.5},
	"hours is null": {"hours": null},
	"a member too many": {"vip": true},
}

test_grant_undecided[name] if {
	some name, but in not_grant
	access.grant == undecided with input as object.union(grant_base, but)
}

test_grant_needs_every_member[name] if {
	some name, _ in grant_base
	access.grant == undecided with input as object.remove(grant_base, {name})
}

test_grant_of_nothing if access.grant == undecided with input as null

# access.personal: an input that it allows, what others change in it, and what it does not decide.
personal_base := {"assigned": true, "category": "account", "named": true, "purpose": "support", "reason": true, "role": "support"}

personal_cases := {
	"the account of a case": {"but": {}, "answer": refused(set())},
	"not assigned": {"but": {"assigned": false}, "answer": refused({"assigned"})},
	"nobody": {"but": {"named": false}, "answer": refused({"name"})},
	"no reason": {"but": {"reason": false}, "answer": refused({"reason"})},
	"an incident": {"but": {"category": "technical", "purpose": "incident", "role": "responder"}, "answer": refused(set())},
}

test_personal[name] if {
	some name, tt in personal_cases
	access.personal == tt.answer with input as object.union(personal_base, tt.but)
}

not_personal := {
	"assigned is text": {"assigned": "true"},
	"named is text": {"named": "true"},
	"reason is text": {"reason": "true"},
	"role is unknown": {"role": "selfie"},
	"category is unknown": {"category": "selfie"},
	"purpose is unknown": {"purpose": "selfie"},
	"the operator": {"role": "operator"},
	"for another purpose": {"purpose": "audit"},
	"a member too many": {"vip": true},
}

test_personal_undecided[name] if {
	some name, but in not_personal
	access.personal == undecided with input as object.union(personal_base, but)
}

test_personal_needs_every_member[name] if {
	some name, _ in personal_base
	access.personal == undecided with input as object.remove(personal_base, {name})
}

test_personal_of_nothing if access.personal == undecided with input as null

# access.act: an input that it allows, what others change in it, and what it does not decide.
act_base := {"action": "activate_policy", "named": true, "role": "officer", "second": true}

act_cases := {
	"with a second": {"but": {}, "answer": refused(set())},
	"alone": {"but": {"second": false}, "answer": refused({"second"})},
	"nobody": {"but": {"named": false}, "answer": refused({"name"})},
	"alone, where one is enough": {"but": {"action": "open_case", "role": "support", "second": false}, "answer": refused(set())},
	"signing for what people know": {"but": {"action": "attest", "second": false}, "answer": refused(set())},
	"signing under no name": {"but": {"action": "attest", "named": false}, "answer": refused({"name"})},
	"with more than are needed": {"but": {"action": "open_case", "role": "support"}, "answer": refused(set())},
}

test_act[name] if {
	some name, tt in act_cases
	access.act == tt.answer with input as object.union(act_base, tt.but)
}

not_act := {
	"named is text": {"named": "true"},
	"second is text": {"second": "true"},
	"role is unknown": {"role": "selfie"},
	"action is unknown": {"action": "selfie"},
	"another role": {"role": "support"},
	"signing in another role": {"action": "attest", "role": "responder"},
	"a member too many": {"vip": true},
}

test_act_undecided[name] if {
	some name, but in not_act
	access.act == undecided with input as object.union(act_base, but)
}

test_act_needs_every_member[name] if {
	some name, _ in act_base
	access.act == undecided with input as object.remove(act_base, {name})
}

test_act_of_nothing if access.act == undecided with input as null
