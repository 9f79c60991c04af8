# METADATA
# title: Transfer
# description: |
#   What goes from one country to another (GDPR chapter V). Countries belong to regions, and
#   each pair of regions names the safeguards that it accepts; a pair that the data does not
#   name is not decided, and what is not decided is not allowed.
package transfer

# METADATA
# title: May personal data go from this country to that one?
# description: |
#   Encrypted, under a safeguard that the pair of regions accepts and that still holds, and with an assessment
#   of the other country's law where the pair asks for one. Answers also "from" and "to", the regions.
# scope: document
# custom:
#   promises: [transfer.safeguards]
#   keys: {from: countries, to: countries}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [assessed, encrypted, expires, from, now, safeguard, to]
#       properties:
#         assessed: {type: boolean}
#         encrypted: {type: boolean}
#         expires: {type: string, format: date-time}
#         from: {type: string, pattern: "^[A-Z]{2}$"}
#         now: {type: string, format: date-time}
#         safeguard: {type: string, enum: [adequacy, bcr, dpf, none, scc]}
#         to: {type: string, pattern: "^[A-Z]{2}$"}
default move := {"decided": false, "allow": false}

move := answer if {
	object.keys(input) == {"assessed", "encrypted", "expires", "from", "now", "safeguard", "to"}
	is_boolean(input.assessed)
	is_boolean(input.encrypted)
	input.safeguard in {"adequacy", "bcr", "dpf", "none", "scc"}
	from := data.countries[input.from].region
	to := data.countries[input.to].region
	pair := data.transfers[from][to]
	granted := {
		"assessment": [pair.assessment, input.assessed] != [true, false],
		"encryption": input.encrypted,
		"expired": time.parse_rfc3339_ns(input.now) < time.parse_rfc3339_ns(input.expires),
		"safeguard": object.get(pair.safeguards, input.safeguard, false),
	}
	refused_by := {reason | some reason, holds in granted; not holds}
	answer := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by, "from": from, "to": to}
}
