package upload_test

import data.upload

# What every rule answers to an input that it does not know.
undecided := {"decided": false, "allow": false}

refused(reasons) := {"decided": true, "allow": count(reasons) == 0, "refused_by": reasons}

# upload.accept: an input that it allows, what others change in it, and what it does not decide.
accept_base := {"bytes": 26214400, "pixels": 50000000, "type": "jpeg"}

accept_cases := {
	"the largest": {"but": {}, "answer": refused(set())},
	"the smallest": {"but": {"bytes": 1, "pixels": 1}, "answer": refused(set())},
	"a byte too many": {"but": {"bytes": 26214401}, "answer": refused({"bytes"})},
	"a pixel too many": {"but": {"pixels": 50000001, "type": "gif"}, "answer": refused({"pixels"})},
	"both, of another type": {"but": {"bytes": 26214401, "pixels": 50000001, "type": "webp"}, "answer": refused({"bytes", "pixels"})},
	"png": {"but": {"type": "png"}, "answer": refused(set())},
}

test_accept[name] if {
	some name, tt in accept_cases
	upload.accept == tt.answer with input as object.union(accept_base, tt.but)
}

not_accept := {
	"bytes is text": {"bytes": "1"},
	"bytes is too low": {"bytes": 0},
	"bytes is no whole number": {"bytes": 3.5},
	"bytes is null": {"bytes": null},
	"pixels is text": {"pixels": "1"},
	"pixels is too low": {"pixels": 0},
	"pixels is no whole number": {"pixels": 3.5},
	"pixels is null": {"pixels": null},
	"svg": {"type": "svg"},
	"a member too many": {"vip": true},
}

test_accept_undecided[name] if {
	some name, but in not_accept
	upload.accept == undecided with input as object.union(accept_base, but)
}

test_accept_needs_every_member[name] if {
	some name, _ in accept_base
	upload.accept == undecided with input as object.remove(accept_base, {name})
}

test_accept_of_nothing if upload.accept == undecided with input as null

# upload.rate: an input that it allows, what others change in it, and what it does not decide.
rate_base := {"pixels": 50000000, "pixels_minute": 250000000, "scope": "visitor", "uploads_minute": 19}

rate_cases := {
	"the last one": {"but": {}, "answer": object.union(refused(set()), {"retry_after_s": 60, "uploads_minute": 20})},
	"the first": {"but": {"pixels": 1, "pixels_minute": 0, "uploads_minute": 0}, "answer": object.union(refused(set()), {"retry_after_s": 60, "uploads_minute": 20})},
	"one too many": {"but": {"uploads_minute": 20}, "answer": object.union(refused({"uploads"}), {"retry_after_s": 60, "uploads_minute": 20})},
	"a pixel too many": {"but": {"pixels_minute": 250000001}, "answer": object.union(refused({"pixels"}), {"retry_after_s": 60, "uploads_minute": 20})},
	"both": {"but": {"pixels_minute": 300000000, "uploads_minute": 500}, "answer": object.union(refused({"pixels", "uploads"}), {"retry_after_s": 60, "uploads_minute": 20})},
	"a network": {"but": {"pixels_minute": 950000000, "scope": "network", "uploads_minute": 119}, "answer": object.union(refused(set()), {"retry_after_s": 60, "uploads_minute": 120})},
	"an API key": {"but": {"pixels_minute": 1450000000, "scope": "api_key", "uploads_minute": 120}, "answer": object.union(refused({"uploads"}), {"retry_after_s": 60, "uploads_minute": 120})},
}

test_rate[name] if {
	some name, tt in rate_cases
	upload.rate == tt.answer with input as object.union(rate_base, tt.but)
}

not_rate := {
	"pixels is text": {"pixels": "1"},
	"pixels is too low": {"pixels": 0},
	"pixels is no whole number": {"pixels": 3.5},
	"pixels is null": {"pixels": null},
	"pixels_minute is text": {"pixels_minute": "1"},
	"pixels_minute is too low": {"pixels_minute": -1},
	"pixels_minute is no whole number": {"pixels_minute": 3.5},
	"pixels_minute is null": {"pixels_minute": null},
	"uploads_minute is text": {"uploads_minute": "1"},
	"uploads_minute is too low": {"uploads_minute": -1},
	"uploads_minute is no whole number": {"uploads_minute": 3.5},
	"uploads_minute is null": {"uploads_minute": null},
	"scope is unknown": {"scope": "selfie"},
	"a member too many": {"vip": true},
}

test_rate_undecided[name] if {
	some name, but in not_rate
	upload.rate == undecided with input as object.union(rate_base, but)
}

test_rate_needs_every_member[name] if {
	some name, _ in rate_base
	upload.rate == undecided with input as object.remove(rate_base, {name})
}

test_rate_of_nothing if upload.rate == undecided with input as null
