package transfer_test

import data.transfer

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# transfer.move: an input that it allows, what others change in it, and what it does not decide.
move_base := {"assessed": true, "encrypted": true, "expires": "2026-03-02T12:00:01Z", "from": "DE", "now": "2026-03-02T12:00:00Z", "safeguard": "scc", "to": "US"}

move_cases := {
	"clauses and an assessment": {"but": {}, "answer": object.union(refused(set()), {"from": "eea", "to": "us"})},
	"not assessed": {"but": {"assessed": false}, "answer": object.union(refused({"assessment"}), {"from": "eea", "to": "us"})},
	"in clear": {"but": {"encrypted": false}, "answer": object.union(refused({"encryption"}), {"from": "eea", "to": "us"})},
	"expired": {"but": {"expires": "2026-03-02T12:00:00Z"}, "answer": object.union(refused({"expired"}), {"from": "eea", "to": "us"})},
	"a certified recipient": {"but": {"safeguard": "dpf"}, "answer": object.union(refused(set()), {"from": "eea", "to": "us"})},
	"no safeguard": {"but": {"safeguard": "none"}, "answer": object.union(refused({"safeguard"}), {"from": "eea", "to": "us"})},
	"no decision covers it": {"but": {"safeguard": "adequacy"}, "answer": object.union(refused({"safeguard"}), {"from": "eea", "to": "us"})},
	"within the Union": {"but": {"assessed": false, "safeguard": "none", "to": "IS"}, "answer": object.union(refused(set()), {"from": "eea", "to": "eea"})},
	"to Japan": {"but": {"assessed": false, "safeguard": "adequacy", "to": "JP"}, "answer": object.union(refused(set()), {"from": "eea", "to": "adequate"})},
	"anywhere, by the firm's own rules": {"but": {"safeguard": "bcr", "to": "ZZ"}, "answer": object.union(refused(set()), {"from": "eea", "to": "other"})},
	"from Britain": {"but": {"from": "GB"}, "answer": object.union(refused(set()), {"from": "adequate", "to": "us"})},
}

test_move[name] if {
	some name, tt in move_cases
	transfer.move == tt.answer with input as object.union(move_base, tt.but)
}

not_move := {
	"assessed is text": {"assessed": "true"},
	"encrypted is text": {"encrypted": "true"},
	"now is a word": {"now": "noon"},
	"expires is a word": {"expires": "noon"},
	"from is unknown": {"from": "selfie"},
	"to is unknown": {"to": "selfie"},
	"safeguard is unknown": {"safeguard": "selfie"},
	"a pair that nobody has looked at": {"from": "ZZ"},
	"a member too many": {"vip": true},
}

test_move_undecided[name] if {
	some name, but in not_move
	transfer.move == undecided with input as object.union(move_base, but)
}

test_move_needs_every_member[name] if {
	some name, _ in move_base
	transfer.move == undecided with input as object.remove(move_base, {name})
}

test_move_of_nothing if transfer.move == undecided with input as null
