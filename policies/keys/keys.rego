# METADATA
# title: Keys
# description: |
#   How long the keys of the vault live. A key ends everything that was sealed under it, so
#   these are the retention periods of what facts hold sealed. Each rule answers {"decided":
#   bool, "allow": bool}, with more where it says so; what is not decided is not allowed, so no
#   key of an unknown kind is made.
#
#   Periods are data, looked up by the kind of key, each with the law or the promise that it
#   comes from. They count from the making of the key, or from the fact that is named there.
#   Times are input, in RFC 3339.
package keys

# METADATA
# title: May such a key be made, and when does it end by itself?
# description: |
#   Only of a kind whose lifetime is known. Answers also "owns_stream" (a stream of the record
#   has the key's name) and, where the period counts from the making, "due".
# scope: document
# custom:
#   promises: [image.no-permanent-store]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [kind, made]
#       properties:
#         kind:
#           type: string
#           enum: [account, audit, consent, credential, disclosure, image, incident, log, notice, payment, policy, projection, request, retention, staff, support, visit]
#         made: {type: string, format: date-time}
default lifetime := {"decided": false, "allow": false}

lifetime := {"decided": true, "allow": true, "owns_stream": owns_stream, "due": due} if {
	object.keys(input) == {"kind", "made"}
	data.lifetimes[input.kind].counts_from == "making"
	owns_stream := data.lifetimes[input.kind].owns_stream
	years := data.lifetimes[input.kind].years
	days := data.lifetimes[input.kind].days
	made_ns := time.parse_rfc3339_ns(input.made)
	due := time.format([time.add_date(made_ns, years, 0, days), "UTC", "RFC3339Nano"])
}

lifetime := {"decided": true, "allow": true, "owns_stream": owns_stream} if {
	object.keys(input) == {"kind", "made"}
	data.lifetimes[input.kind].counts_from != "making"
	owns_stream := data.lifetimes[input.kind].owns_stream
	time.parse_rfc3339_ns(input.made)
}

# METADATA
# title: Is a key destroyed because its time has come?
# description: |
#   Yes from the moment on that its making set. Other kinds end with the fact that their
#   lifetime names, and not by this rule.
# scope: document
# custom:
#   promises: [image.no-permanent-store]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [due, kind, now]
#       properties:
#         due: {type: string, format: date-time}
#         kind:
#           type: string
#           enum: [audit, disclosure, log, notice, payment, policy, projection, retention, visit]
#         now: {type: string, format: date-time}
default due := {"decided": false, "allow": false}

due := {"decided": true, "allow": allow} if {
	object.keys(input) == {"due", "kind", "now"}
	data.lifetimes[input.kind].counts_from == "making"
	allow := time.parse_rfc3339_ns(input.now) >= time.parse_rfc3339_ns(input.due)
}

# METADATA
# title: Is a retired key-encryption key destroyed?
# description: |
#   Yes, some days after another took its place. Until then copies of the database from before
#   can be opened, and after that never.
# scope: document
# custom:
#   promises: [image.no-permanent-store]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [now, retired]
#       properties:
#         now: {type: string, format: date-time}
#         retired: {type: string, format: date-time}
default retired := {"decided": false, "allow": false}

retired := {"decided": true, "allow": allow} if {
	object.keys(input) == {"now", "retired"}
	until_ns := time.add_date(time.parse_rfc3339_ns(input.retired), 0, 0, data.wrapping.retired_days)
	allow := time.parse_rfc3339_ns(input.now) >= until_ns
}
