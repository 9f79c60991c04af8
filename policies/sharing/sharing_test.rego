package sharing_test

import data.sharing

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# sharing.share: an input that it allows, what others change in it, and what it does not decide.
share_base := {"approvals": 2, "basis": "explicit_consent", "category": "account", "expires": "2026-03-02T12:00:01Z", "fields": ["email", "name"], "gpc": false, "now": "2026-03-02T12:00:00Z", "objected": false, "purpose": "introduction", "recipient": "partner", "restricted": false}

share_cases := {
	"nothing": {"but": {}, "answer": refused(set())},
	"three approvals": {"but": {"approvals": 3}, "answer": refused(set())},
	"one approval": {"but": {"approvals": 1}, "answer": refused({"approvals"})},
	"no approval": {"but": {"approvals": 0}, "answer": refused({"approvals"})},
	"no approval, and a field too many": {"but": {"approvals": 0, "fields": ["password"]}, "answer": refused({"approvals", "fields"})},
	"one field": {"but": {"fields": ["name"]}, "answer": refused(set())},
	"a field too many": {"but": {"fields": ["email", "password"]}, "answer": refused({"fields"})},
	"only a field too many": {"but": {"fields": ["passkeys"]}, "answer": refused({"fields"})},
	"the consent has ended": {"but": {"expires": "2026-03-02T12:00:00Z"}, "answer": refused({"expired"})},
	"another basis": {"but": {"basis": "contract"}, "answer": refused({"basis"})},
	"the signal of a browser": {"but": {"gpc": true}, "answer": refused({"gpc"})},
	"health with explicit consent": {"but": {"category": "health", "fields": ["text"]}, "answer": refused(set())},
	"health with consent": {"but": {"basis": "consent", "category": "health", "fields": ["text"]}, "answer": refused({"basis", "special"})},
	"objection to what was consented to": {"but": {"objected": true}, "answer": refused(set())},
	"restriction of what was consented to": {"but": {"restricted": true}, "answer": refused(set())},
	"a processor, without approvals": {"but": {"approvals": 0, "basis": "legitimate_interest", "category": "sealed", "fields": ["blob"], "purpose": "storage", "recipient": "hosting"}, "answer": refused(set())},
	"a processor, and a signal": {"but": {"basis": "legitimate_interest", "category": "sealed", "fields": ["blob"], "gpc": true, "purpose": "storage", "recipient": "hosting"}, "answer": refused(set())},
	"a processor, after an objection": {"but": {"basis": "legitimate_interest", "category": "sealed", "fields": ["blob"], "objected": true, "purpose": "storage", "recipient": "hosting"}, "answer": refused({"objection"})},
	"a processor, under restriction": {"but": {"basis": "legitimate_interest", "category": "sealed", "fields": ["blob"], "purpose": "storage", "recipient": "hosting", "restricted": true}, "answer": refused({"restriction"})},
	"a sub-processor, on its contract": {"but": {"basis": "contract", "category": "sealed", "fields": ["blob", "fact"], "objected": true, "purpose": "storage", "recipient": "hosting_subprocessor"}, "answer": refused(set())},
	"a sub-processor, on no interest of its own": {"but": {"basis": "legitimate_interest", "category": "sealed", "fields": ["blob"], "purpose": "storage", "recipient": "hosting_subprocessor"}, "answer": refused({"basis"})},
	"the person, without approvals": {"but": {"approvals": 0, "basis": "right", "category": "health", "fields": ["text"], "gpc": true, "objected": true, "purpose": "access", "recipient": "person", "restricted": true}, "answer": refused(set())},
	"training, whoever asks": {"but": {"purpose": "training"}, "answer": refused({"never"})},
	"training, without approvals": {"but": {"approvals": 0, "purpose": "training"}, "answer": refused({"never"})},
	"training, also for the person": {"but": {"purpose": "training", "recipient": "person"}, "answer": refused({"never"})},
	"training, also on a contract": {"but": {"basis": "contract", "category": "sealed", "purpose": "training", "recipient": "hosting"}, "answer": refused({"never"})},
	"training with one field": {"but": {"fields": ["name"], "purpose": "training"}, "answer": refused({"never"})},
	"sale": {"but": {"purpose": "sale"}, "answer": refused({"never"})},
	"advertising": {"but": {"purpose": "advertising"}, "answer": refused({"never"})},
	"an advertiser, whatever for": {"but": {"recipient": "advertiser"}, "answer": refused({"never"})},
	"a broker": {"but": {"recipient": "data_broker"}, "answer": refused({"never"})},
	"a buyer": {"but": {"recipient": "buyer"}, "answer": refused({"never"})},
	"who trains models": {"but": {"recipient": "model_trainer"}, "answer": refused({"never"})},
}

test_share[name] if {
	some name, tt in share_cases
	sharing.share == tt.answer with input as object.union(share_base, tt.but)
}

not_share := {
	"approvals is text": {"approvals": "1"},
	"approvals is too low": {"approvals": -1},
	"approvals is no whole number": {"approvals": 3.5},
	"approvals is null": {"approvals": null},
	"gpc is text": {"gpc": "true"},
	"objected is text": {"objected": "true"},
	"restricted is text": {"restricted": "true"},
	"now is a word": {"now": "noon"},
	"expires is a word": {"expires": "noon"},
	"basis is unknown": {"basis": "selfie"},
	"category is unknown": {"category": "selfie"},
	"purpose is unknown": {"purpose": "selfie"},
	"recipient is unknown": {"recipient": "selfie"},
	"no grant": {"purpose": "payment"},
	"no field": {"fields": []},
	"a field is a number": {"fields": ["email", 1]},
	"a field is free text": {"fields": ["the e-mail"]},
	"a field is empty": {"fields": ["email", ""]},
	"a field is two": {"fields": ["email,name"]},
	"fields are text": {"fields": "email"},
	"fields are an object": {"fields": {"a": "email"}},
	"a member too many": {"vip": true},
}

test_share_undecided[name] if {
	some name, but in not_share
	sharing.share == undecided with input as object.union(share_base, but)
}

test_share_needs_every_member[name] if {
	some name, _ in share_base
	sharing.share == undecided with input as object.remove(share_base, {name})
}

test_share_of_nothing if sharing.share == undecided with input as null

# What is refused to everybody is refused only as an answer to a question that the rule knows.
never := object.union(share_base, {"purpose": "training"})

not_never := {
	"approvals is text": {"approvals": "1"},
	"approvals is too low": {"approvals": -1},
	"approvals is no whole number": {"approvals": 3.5},
	"approvals is null": {"approvals": null},
	"gpc is text": {"gpc": "true"},
	"objected is text": {"objected": "true"},
	"restricted is text": {"restricted": "true"},
	"now is a word": {"now": "noon"},
	"expires is a word": {"expires": "noon"},
	"basis is unknown": {"basis": "selfie"},
	"category is unknown": {"category": "selfie"},
	"no field": {"fields": []},
	"a field is a number": {"fields": ["email", 1]},
	"a field is free text": {"fields": ["the e-mail"]},
	"a field is empty": {"fields": ["email", ""]},
	"a field is two": {"fields": ["email,name"]},
	"fields are text": {"fields": "email"},
	"fields are an object": {"fields": {"a": "email"}},
	"a member too many": {"vip": true},
}

test_share_never_undecided[name] if {
	some name, but in not_never
	sharing.share == undecided with input as object.union(never, but)
}

test_share_never_needs_every_member[name] if {
	some name, _ in never
	sharing.share == undecided with input as object.remove(never, {name})
}

test_what_is_never_shared_has_no_grant[name] if {
	some name, recipient in data.recipients
	refused_to_all := name in {"advertiser", "buyer", "data_broker", "model_trainer"}
	recipient.never == refused_to_all
	[recipient.never, is_object(object.get(data.grants, name, null))] != [true, true]
}

# Whoever is neither the person nor at work for us gets nothing on one member of staff's word.
test_third_parties_take_two_approvals[name] if {
	some name, recipient in data.recipients
	least := {"person": 0, "processor": 0, "sub_processor": 0, "third_party": 2}
	recipient.approvals == least[recipient.role]
}

# sharing.disclose: an input that it allows, what others change in it, and what it does not decide.
disclose_base := {"approvals": 2, "category": "account", "country": "DE", "document": true, "expires": "2026-03-02T12:00:01Z", "fields": ["email"], "now": "2026-03-02T12:00:00Z", "treaty": false}

disclose_cases := {
	"two approvals": {"but": {}, "answer": refused(set())},
	"three": {"but": {"approvals": 3}, "answer": refused(set())},
	"one approval": {"but": {"approvals": 1}, "answer": refused({"approvals"})},
	"none": {"but": {"approvals": 0}, "answer": refused({"approvals"})},
	"no document": {"but": {"document": false}, "answer": refused({"document"})},
	"expired": {"but": {"expires": "2026-03-02T12:00:00Z"}, "answer": refused({"expired"})},
	"a field too many": {"but": {"fields": ["email", "password"]}, "answer": refused({"fields"})},
	"from outside the Union": {"but": {"country": "US"}, "answer": refused({"treaty"})},
	"from outside the Union, under a treaty": {"but": {"country": "US", "treaty": true}, "answer": refused(set())},
	"from anywhere": {"but": {"country": "ZZ", "document": false}, "answer": refused({"document", "treaty"})},
}

test_disclose[name] if {
	some name, tt in disclose_cases
	sharing.disclose == tt.answer with input as object.union(disclose_base, tt.but)
}

not_disclose := {
	"document is text": {"document": "true"},
	"treaty is text": {"treaty": "true"},
	"now is a word": {"now": "noon"},
	"expires is a word": {"expires": "noon"},
	"country is unknown": {"country": "selfie"},
	"approvals is text": {"approvals": "1"},
	"approvals is too low": {"approvals": -1},
	"approvals is no whole number": {"approvals": 3.5},
	"approvals is null": {"approvals": null},
	"a picture": {"category": "image"},
	"no field": {"fields": []},
	"a field is a number": {"fields": ["email", 1]},
	"a field is free text": {"fields": ["the e-mail"]},
	"a field is empty": {"fields": ["email", ""]},
	"a field is two": {"fields": ["email,name"]},
	"fields are an object": {"fields": {"a": "email"}},
	"a member too many": {"vip": true},
}

test_disclose_undecided[name] if {
	some name, but in not_disclose
	sharing.disclose == undecided with input as object.union(disclose_base, but)
}

test_disclose_needs_every_member[name] if {
	some name, _ in disclose_base
	sharing.disclose == undecided with input as object.remove(disclose_base, {name})
}

test_disclose_of_nothing if sharing.disclose == undecided with input as null
