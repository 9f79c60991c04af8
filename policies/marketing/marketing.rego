# METADATA
# title: Marketing
# description: |
#   Which mail goes out, asked at the moment of sending. What is not decided is not allowed,
#   so mail of an unknown category is not sent.
package marketing

# METADATA
# title: May this mail be sent to this person now?
# description: |
#   Marketing only with a consent that is in force, given to a wording that still covers it. Who may
#   not be written to (a bounce, a complaint) gets only what they have to be told. Nothing
#   goes to somebody who is not registered.
# scope: document
# custom:
#   promises: [consent.opt-in, notice.service]
#   keys: {category: mail}
#   personal: [consent, registered, suppressed, wording]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [category, consent, registered, suppressed, wording]
#       properties:
#         category: {type: string, enum: [marketing, plan, service]}
#         consent: {type: string, enum: [expired, given, none, withdrawn]}
#         registered: {type: boolean}
#         suppressed: {type: boolean}
#         wording: {type: integer, minimum: 0}
default send := {"decided": false, "allow": false}

send := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"category", "consent", "registered", "suppressed", "wording"}
	input.consent in {"expired", "given", "none", "withdrawn"}
	is_boolean(input.registered)
	is_boolean(input.suppressed)
	input.wording >= 0
	input.wording == floor(input.wording)
	mail := data.mail[input.category]
	granted := {
		"consent": [mail.needs_consent, input.consent == "given"] != [true, false],
		"registered": input.registered,
		"suppressed": [mail.stopped_by_suppression, input.suppressed] != [true, true],
		"wording": input.wording >= mail.wording,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}
