# METADATA
# title: Consent
# description: |
#   What counts as a consent, how long it holds, and how it ends (GDPR article 7). Using the
#   service is never a way of consenting. What is not decided is not allowed.
package consent

# METADATA
# title: Is this a consent that counts?
# description: |
#   Given in a way that the purpose knows, by an act of the person's own, asked for apart from
#   anything else, to a wording that is still in use, and by somebody who may consent themselves.
# scope: document
# custom:
#   promises: [consent.opt-in, cookie.essential, policy.accept]
#   keys: {purpose: consents}
#   personal: [active, capable]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [active, apart, capable, purpose, way, wording]
#       properties:
#         active: {type: boolean}
#         apart: {type: boolean}
#         capable: {type: boolean}
#         purpose: {type: string, enum: [analytics, disclosure, marketing]}
#         way: {type: string, enum: [banner, checkbox, continued_use, form, settings]}
#         wording: {type: integer, minimum: 0}
default given := {"decided": false, "allow": false}

given := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"active", "apart", "capable", "purpose", "way", "wording"}
	is_boolean(input.active)
	is_boolean(input.apart)
	is_boolean(input.capable)
	input.way in {"banner", "checkbox", "continued_use", "form", "settings"}
	input.wording >= 0
	input.wording == floor(input.wording)
	asked := data.consents[input.purpose]
	granted := {
		"active": input.active,
		"apart": input.apart,
		"capable": input.capable,
		"way": object.get(asked.ways, input.way, false),
		"wording": input.wording >= asked.wording,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: Is a consent still in force?
# description: |
#   Until it is withdrawn, or until its purpose's period has passed since it was given. Answers
#   also "until".
# scope: document
# custom:
#   promises: [consent.opt-in, cookie.essential]
#   keys: {purpose: consents}
#   personal: [given, withdrawn]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [given, now, purpose, withdrawn]
#       properties:
#         given: {type: string, format: date-time}
#         now: {type: string, format: date-time}
#         purpose: {type: string, enum: [analytics, disclosure, marketing]}
#         withdrawn: {type: boolean}
default live := {"decided": false, "allow": false}

live := {"decided": true, "allow": allow, "until": until} if {
	object.keys(input) == {"given", "now", "purpose", "withdrawn"}
	is_boolean(input.withdrawn)
	asked := data.consents[input.purpose]
	until_ns := time.add_date(time.parse_rfc3339_ns(input.given), asked.years, 0, asked.days)
	allow := [input.withdrawn, time.parse_rfc3339_ns(input.now) < until_ns] == [false, true]
	until := time.format([until_ns, "UTC", "RFC3339Nano"])
}

# METADATA
# title: Is a withdrawal accepted?
# description: |
#   Yes, always and by every way that the data names; for a browser's signal where the purpose
#   is one that it speaks of.
# scope: document
# custom:
#   promises: [consent.opt-in, cookie.essential, right.gdpr-ccpa]
#   keys: {purpose: consents, way: withdrawals}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [purpose, way]
#       properties:
#         purpose: {type: string, enum: [analytics, disclosure, marketing]}
#         way: {type: string, enum: [banner, settings, signal, support, unsubscribe_link]}
default withdrawn := {"decided": false, "allow": false}

withdrawn := {"decided": true, "allow": allow} if {
	object.keys(input) == {"purpose", "way"}
	data.withdrawals[input.way]
	allow := [input.way, data.consents[input.purpose].gpc_withdraws] != ["signal", false]
}
