# METADATA
# title: Child
# description: |
#   What depends on age. The age screen asks for a band and stores no date of birth, so a band
#   is all that these rules know. What is not decided is not allowed.
package child

# METADATA
# title: May somebody of this age have an account?
# description: Not under thirteen, wherever they live.
# scope: document
# custom:
#   promises: [child.under-13]
#   keys: {band: age_bands}
#   personal: [band]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [band]
#       properties:
#         band: {type: string, enum: ["13", "14", "15", 16_or_more, under_13]}
default account := {"decided": false, "allow": false}

account := {"decided": true, "allow": allow} if {
	object.keys(input) == {"band"}
	allow := data.age_bands[input.band].years >= data.children.account.minimum_years
}

# METADATA
# title: May somebody of this age consent in this country?
# description: |
#   From the age that the country chose (GDPR article 8), and below it with whoever has parental
#   responsibility; under the age for an account not at all.
# scope: document
# custom:
#   promises: [child.under-13, consent.opt-in]
#   keys: {band: age_bands, country: countries}
#   personal: [band, country, parent]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [band, country, parent]
#       properties:
#         band: {type: string, enum: ["13", "14", "15", 16_or_more, under_13]}
#         country: {type: string, pattern: "^[A-Z]{2}$"}
#         parent: {type: boolean}
default consent := {"decided": false, "allow": false}

consent := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"band", "country", "parent"}
	is_boolean(input.parent)
	years := data.age_bands[input.band].years
	granted := {
		"age": years >= data.children.account.minimum_years,
		"parent": [years >= data.countries[input.country].consent_age, input.parent] != [false, false],
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: By when is what a child provided erased?
# description: |
#   At once when it becomes known: the rule always allows the erasure, and answers "due", the
#   latest moment. It is the same for an account and for a picture without one.
# scope: document
# custom:
#   promises: [child.under-13]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [known, what]
#       properties:
#         known: {type: string, format: date-time}
#         what: {type: string, enum: [account, image]}
default report := {"decided": false, "allow": false}

report := {"decided": true, "allow": true, "due": due} if {
	object.keys(input) == {"known", "what"}
	input.what in {"account", "image"}
	known_ns := time.parse_rfc3339_ns(input.known)
	due := time.format([known_ns + (data.children.report.erased_within_h * 3600000000000), "UTC", "RFC3339Nano"])
}
