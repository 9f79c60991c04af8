# METADATA
# title: Retention
# description: |
#   When things must be gone. Each rule answers {"decided": bool, "allow": bool}, with more
#   where it says so. An input that lacks a member, has one too many, or holds a value of
#   another type or an unknown kind is not decided, and what is not decided is not allowed.
#
#   Periods are data, looked up by the kind of thing. Times are input, in RFC 3339; no rule
#   reads a clock.
package retention

# METADATA
# title: By when is it gone?
# description: |
#   The configured period counts from the upload and may be shorter than the longest one
#   that is promised, never longer. Answers also "due", and "maximum_s", the longest period.
# scope: document
# custom:
#   promises: [image.delete-24h]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind, period_s, uploaded]
#       properties:
#         kind: {type: string, enum: [image]}
#         period_s: {type: integer, minimum: 1}
#         uploaded: {type: string, format: date-time}
default deadline := {"decided": false, "allow": false}

deadline := {"decided": true, "allow": allow, "due": due, "maximum_s": maximum_s} if {
	object.keys(input) == {"kind", "period_s", "uploaded"}
	is_number(input.period_s)
	input.period_s > 0
	input.period_s == floor(input.period_s)
	maximum_s := data.periods[input.kind].maximum_s
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
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind, whole]
#       properties:
#         kind: {type: string, enum: [image]}
#         whole: {type: boolean}
default downloaded := {"decided": false, "allow": false}

downloaded := {"decided": true, "allow": input.whole} if {
	object.keys(input) == {"kind", "whole"}
	is_boolean(input.whole)
	data.periods[input.kind]
}

# METADATA
# title: Is it deleted because its time has come?
# description: |
#   Yes from a lead before the moment that was promised, so that the deletion is carried out and
#   recorded when that moment comes.
# scope: document
# custom:
#   promises: [image.delete-24h]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [due, kind, now]
#       properties:
#         due: {type: string, format: date-time}
#         kind: {type: string, enum: [image]}
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
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind]
#       properties:
#         kind: {type: string, enum: [image]}
default requested := {"decided": false, "allow": false}

requested := {"decided": true, "allow": true} if {
	object.keys(input) == {"kind"}
	data.periods[input.kind]
}
