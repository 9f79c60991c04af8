# METADATA
# title: Retention
# description: |
#   When things must be gone. Each rule answers {"decided": bool, "allow": bool}, with more
#   where it says so. An input that lacks a member, has one too many, or holds a value of
#   another type or an unknown kind is not decided, and what is not decided is not allowed.
#
#   Periods are data, looked up by the kind of thing. Times are input, in RFC 3339; no rule
#   reads a clock.
#
#   The first four rules are about pictures, which end at the download, at the request or
#   at the deadline. The others are about every kind, with what can lengthen a life: a legal
#   hold, a restriction, and a law that keeps some fields of it. None lengthens a picture's.
package retention

# METADATA
# title: By when is a picture gone?
# description: |
#   The configured period counts from the upload and may be shorter than the longest one
#   that is promised, never longer. Answers also "due", and "maximum_s", the longest period.
# scope: document
# custom:
#   promises: [image.delete-24h]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind, period_s, uploaded]
#       properties:
#         kind: {type: string, enum: [image, preview, result]}
#         period_s: {type: integer, minimum: 1}
#         uploaded: {type: string, format: date-time}
default deadline := {"decided": false, "allow": false}

deadline := {"decided": true, "allow": allow, "due": due, "maximum_s": maximum_s} if {
	object.keys(input) == {"kind", "period_s", "uploaded"}
	is_number(input.period_s)
	input.period_s > 0
	input.period_s == floor(input.period_s)
	data.periods[input.kind].ends_at_download
	maximum_s := data.periods[input.kind].maximum.seconds
	allow := input.period_s <= maximum_s
	uploaded_ns := time.parse_rfc3339_ns(input.uploaded)
	due := time.format([uploaded_ns + (input.period_s * 1000000000), "UTC", "RFC3339Nano"])
}

# METADATA
# title: Is it deleted because its result was downloaded?
# description: Yes if the download was whole; one that broke off is no reason to delete.
# scope: document
# custom:
#   promises: [image.delete-on-download]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind, whole]
#       properties:
#         kind: {type: string, enum: [image, preview, result]}
#         whole: {type: boolean}
default downloaded := {"decided": false, "allow": false}

downloaded := {"decided": true, "allow": input.whole} if {
	object.keys(input) == {"kind", "whole"}
	is_boolean(input.whole)
	data.periods[input.kind].ends_at_download
}

# METADATA
# title: Is it deleted because its time has come?
# description: |
#   Yes from a lead before the moment that was promised, so that the deletion is carried out and
#   recorded when that moment comes.
# scope: document
# custom:
#   promises: [image.delete-24h]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [due, kind, now]
#       properties:
#         due: {type: string, format: date-time}
#         kind: {type: string, enum: [image, preview, result]}
#         now: {type: string, format: date-time}
default due := {"decided": false, "allow": false}

due := {"decided": true, "allow": allow} if {
	object.keys(input) == {"due", "kind", "now"}
	lead_ns := data.periods[input.kind].lead_s * 1000000000
	allow := (time.parse_rfc3339_ns(input.now) + lead_ns) >= time.parse_rfc3339_ns(input.due)
}

# METADATA
# title: Is it deleted because its holder asks?
# description: Yes, always, without a reason.
# scope: document
# custom:
#   promises: [right.delete]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind]
#       properties:
#         kind: {type: string, enum: [image, preview, result]}
default requested := {"decided": false, "allow": false}

requested := {"decided": true, "allow": true} if {
	object.keys(input) == {"kind"}
	data.periods[input.kind].ends_at_request
}

# METADATA
# title: By when is it gone at the latest?
# description: |
#   The longest period of its kind, counted from the fact that starts it. Where an earlier
#   answer ("due") came sooner, that one stays: a period that became shorter holds at once for
#   what waits, one that became longer never for what is there. Answers also "due".
# scope: document
# custom:
#   promises: [account.delete-30d, apilog.keep-90d, image.delete-24h, payment.keep-7y, tech.keep-90d, usage.keep-12m]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind, started]
#       properties:
#         due: {type: string, format: date-time}
#         kind: {type: string, pattern: "^[a-z_]+$"}
#         started: {type: string, format: date-time}
default limit := {"decided": false, "allow": false}

limit := {"decided": true, "allow": true, "due": due} if {
	object.keys(input) == {"kind", "started"}
	maximum := data.periods[input.kind].maximum
	calendar_ns := time.add_date(time.parse_rfc3339_ns(input.started), maximum.years, 0, maximum.days)
	due := time.format([calendar_ns + (maximum.seconds * 1000000000), "UTC", "RFC3339Nano"])
}

limit := {"decided": true, "allow": true, "due": due} if {
	object.keys(input) == {"due", "kind", "started"}
	maximum := data.periods[input.kind].maximum
	calendar_ns := time.add_date(time.parse_rfc3339_ns(input.started), maximum.years, 0, maximum.days)
	earliest_ns := min([calendar_ns + (maximum.seconds * 1000000000), time.parse_rfc3339_ns(input.due)])
	due := time.format([earliest_ns, "UTC", "RFC3339Nano"])
}

# METADATA
# title: Is this field of it deleted now?
# description: |
#   Yes when its limit ("due", as the rule limit answers it) has come, or its erasure was asked
#   for and no law keeps this field until later. No while a legal hold names the field or the
#   person's restriction is in force (GDPR article 18), where its kind lets these stop a deletion.
#   Answers also "because" (limit, erasure), "kept_by" (hold, law, restriction) and "kept_until",
#   the moment until which the law keeps the field.
# scope: document
# custom:
#   promises: [account.delete-30d, apilog.keep-90d, image.delete-24h, payment.keep-7y, right.delete, tech.keep-90d, usage.keep-12m]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [due, erasure, field, held, kind, now, restricted, started]
#       properties:
#         due: {type: string, format: date-time}
#         erasure: {type: boolean}
#         field: {type: string, pattern: "^[a-z_]+$"}
#         held: {type: boolean}
#         kind: {type: string, pattern: "^[a-z_]+$"}
#         now: {type: string, format: date-time}
#         restricted: {type: boolean}
#         started: {type: string, format: date-time}
default deletion := {"decided": false, "allow": false}

deletion := answer if {
	object.keys(input) == {"due", "erasure", "field", "held", "kind", "now", "restricted", "started"}
	is_boolean(input.erasure)
	is_boolean(input.held)
	is_boolean(input.restricted)
	regex.match("^[a-z_]+$", input.field)
	kind := data.periods[input.kind]
	now_ns := time.parse_rfc3339_ns(input.now)
	keeping := object.get(kind.kept, input.field, {"years": 0, "days": 0})
	kept_ns := time.add_date(time.parse_rfc3339_ns(input.started), keeping.years, 0, keeping.days)
	causes := {
		"limit": now_ns >= time.parse_rfc3339_ns(input.due),
		"erasure": [input.erasure, now_ns >= kept_ns] == [true, true],
	}
	keepers := {
		"hold": [input.held, kind.on_hold] == [true, "stops"],
		"law": [input.erasure, now_ns >= kept_ns] == [true, false],
		"restriction": [input.restricted, kind.on_restriction] == [true, "stops"],
	}
	because := {cause | some cause, there_is in causes; there_is}
	kept_by := {keeper | some keeper, there_is in keepers; there_is}
	answer := {
		"decided": true,
		"allow": [count(because) > 0, count(kept_by - {"law"})] == [true, 0],
		"because": because,
		"kept_by": kept_by,
		"kept_until": time.format([kept_ns, "UTC", "RFC3339Nano"]),
	}
}

# METADATA
# title: May a legal hold stop the deletion of this kind?
# description: |
#   Where its kind lets it; never for a picture, whose life nothing lengthens.
# scope: document
# custom:
#   promises: [image.delete-24h, image.no-permanent-store]
#   keys: {kind: periods}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind]
#       properties:
#         kind: {type: string, pattern: "^[a-z_]+$"}
default hold := {"decided": false, "allow": false}

hold := {"decided": true, "allow": allow} if {
	object.keys(input) == {"kind"}
	allow := data.periods[input.kind].on_hold == "stops"
}
