package model_test

import data.model

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# model.load: an input that it allows, what others change in it, and what it does not decide.
load_base := {"accepted": false, "code": "Apache-2.0", "data": "CC-BY-4.0", "digest_matches": true, "weights": "MIT"}

load_cases := {
	"all is licensed": {"but": {}, "answer": object.union(refused(set()), {"established": true})},
	"accepted without need": {"but": {"accepted": true}, "answer": object.union(refused(set()), {"established": true})},
	"nobody knows the data's": {"but": {"data": "not established"}, "answer": object.union(refused({"data"}), {"established": false})},
	"the operator answers for it": {"but": {"accepted": true, "data": "not established"}, "answer": object.union(refused(set()), {"established": false})},
	"data for no commerce": {"but": {"data": "CC-BY-NC-4.0"}, "answer": object.union(refused({"data"}), {"established": false})},
	"data for no commerce, accepted": {"but": {"accepted": true, "data": "CC-BY-NC-4.0"}, "answer": object.union(refused({"data"}), {"established": false})},
	"nobody knows the code's": {"but": {"accepted": true, "code": "not established"}, "answer": object.union(refused({"code"}), {"established": false})},
	"weights for no commerce": {"but": {"accepted": true, "weights": "CC-BY-NC-4.0"}, "answer": object.union(refused({"weights"}), {"established": false})},
	"nobody knows the weights'": {"but": {"weights": "not established"}, "answer": object.union(refused({"weights"}), {"established": false})},
	"other bytes": {"but": {"accepted": true, "digest_matches": false}, "answer": object.union(refused({"digest"}), {"established": false})},
}

test_load[name] if {
	some name, tt in load_cases
	model.load == tt.answer with input as object.union(load_base, tt.but)
}

not_load := {
	"accepted is text": {"accepted": "true"},
	"digest_matches is text": {"digest_matches": "true"},
	"code is unknown": {"code": "selfie"},
	"data is unknown": {"data": "selfie"},
	"weights is unknown": {"weights": "selfie"},
	"a member too many": {"vip": true},
}

test_load_undecided[name] if {
	some name, but in not_load
	model.load == undecided with input as object.union(load_base, but)
}

test_load_needs_every_member[name] if {
	some name, _ in load_base
	model.load == undecided with input as object.remove(load_base, {name})
}

test_load_of_nothing if model.load == undecided with input as null
