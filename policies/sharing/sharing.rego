# METADATA
# title: Sharing
# description: |
#   What leaves the service, to whom, for what, and on which basis. Each rule answers {"decided":
#   bool, "allow": bool, "refused_by": reasons}; what is not decided is not allowed. Whom and
#   what no grant in the data names is not decided.
#
#   Training, sale, advertisers and brokers are refused before anything else is looked at.
#   A processor works for us under a contract (GDPR article 28); an authority only ever gets
#   what the rule disclose allows it.
package sharing

# METADATA
# title: May these fields be given to this recipient?
# description: |
#   Only fields that the data grants this recipient, for this purpose, out of this category, on
#   this basis, while the basis holds (the contract's next review, the consent's end). Special
#   categories (GDPR article 9) need explicit consent, an objection stops what rests on legitimate
#   interest, a restriction what rests on no consent, and Global Privacy Control every third party.
# scope: document
# custom:
#   promises: [basis.stated, image.no-training, share.consent-or-law, share.none, share.processors, tech.security-only]
#   keys: {basis: bases, category: categories, purpose: purposes, recipient: recipients}
#   personal: [gpc, objected, restricted]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [approvals, basis, category, expires, fields, gpc, now, objected, purpose, recipient, restricted]
#       properties:
#         approvals: {type: integer, minimum: 0}
#         basis: {type: string, enum: [consent, contract, explicit_consent, legal_obligation, legitimate_interest, right]}
#         category: {type: string, enum: [account, billing, health, sealed, support]}
#         expires: {type: string, format: date-time}
#         fields: {type: array, minItems: 1, items: {type: string, pattern: "^[a-z_]+$"}}
#         gpc: {type: boolean}
#         now: {type: string, format: date-time}
#         objected: {type: boolean}
#         purpose: {type: string, enum: [access, advertising, delivery, introduction, payment, sale, storage, training]}
#         recipient:
#           type: string
#           enum: [advertiser, buyer, data_broker, hosting, hosting_subprocessor, mail, model_trainer, partner, payment_processor, person]
#         restricted: {type: boolean}
default share := {"decided": false, "allow": false}

share := {"decided": true, "allow": false, "refused_by": {"never"}} if {
	true in [data.purposes[input.purpose].never, data.recipients[input.recipient].never]
	object.keys(input) == {"approvals", "basis", "category", "expires", "fields", "gpc", "now", "objected", "purpose", "recipient", "restricted"}
	input.approvals >= 0
	input.approvals == floor(input.approvals)
	is_boolean(input.gpc)
	is_boolean(input.objected)
	is_boolean(input.restricted)
	joined := concat(",", input.fields)
	regex.match("^[a-z_]+(,[a-z_]+)*$", joined)
	strings.count(joined, ",") == count(input.fields) - 1
	data.bases[input.basis]
	data.categories[input.category]
	time.parse_rfc3339_ns(input.now)
	time.parse_rfc3339_ns(input.expires)
}

share := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	grant := data.grants[input.recipient][input.purpose][input.category]
	object.keys(input) == {"approvals", "basis", "category", "expires", "fields", "gpc", "now", "objected", "purpose", "recipient", "restricted"}
	input.approvals >= 0
	input.approvals == floor(input.approvals)
	is_boolean(input.gpc)
	is_boolean(input.objected)
	is_boolean(input.restricted)
	joined := concat(",", input.fields)
	regex.match("^[a-z_]+(,[a-z_]+)*$", joined)
	strings.count(joined, ",") == count(input.fields) - 1
	basis := data.bases[input.basis]
	granted := {
		"approvals": input.approvals >= data.recipients[input.recipient].approvals,
		"basis": object.get(grant.bases, input.basis, false),
		"expired": time.parse_rfc3339_ns(input.now) < time.parse_rfc3339_ns(input.expires),
		"fields": count({field | some field in input.fields; not grant.fields[field]}) == 0,
		"gpc": [input.gpc, data.recipients[input.recipient].gpc_stops] != [true, true],
		"objection": [input.objected, basis.objection_stops] != [true, true],
		"restriction": [input.restricted, basis.restriction_stops] != [true, true],
		"special": [data.categories[input.category].special, basis.explicit] != [true, false],
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: May these fields be disclosed to an authority?
# description: |
#   Only what a law can demand, on a document with a legal basis, approved by as many people as the data asks
#   for, while the order is in force. An order from outside the Union counts only under
#   an international agreement (GDPR article 48). No picture is ever among it.
# scope: document
# custom:
#   promises: [image.no-view, share.consent-or-law]
#   keys: {category: disclosable, country: countries}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [approvals, category, country, document, expires, fields, now, treaty]
#       properties:
#         approvals: {type: integer, minimum: 0}
#         category: {type: string, enum: [account, payment, technical]}
#         country: {type: string, pattern: "^[A-Z]{2}$"}
#         document: {type: boolean}
#         expires: {type: string, format: date-time}
#         fields: {type: array, minItems: 1, items: {type: string, pattern: "^[a-z_]+$"}}
#         now: {type: string, format: date-time}
#         treaty: {type: boolean}
default disclose := {"decided": false, "allow": false}

disclose := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"approvals", "category", "country", "document", "expires", "fields", "now", "treaty"}
	is_boolean(input.document)
	is_boolean(input.treaty)
	input.approvals >= 0
	input.approvals == floor(input.approvals)
	joined := concat(",", input.fields)
	regex.match("^[a-z_]+(,[a-z_]+)*$", joined)
	strings.count(joined, ",") == count(input.fields) - 1
	disclosable := data.disclosable[input.category]
	granted := {
		"approvals": input.approvals >= disclosable.approvals,
		"document": input.document,
		"expired": time.parse_rfc3339_ns(input.now) < time.parse_rfc3339_ns(input.expires),
		"fields": count({field | some field in input.fields; not disclosable.fields[field]}) == 0,
		"treaty": [data.countries[input.country].orders, input.treaty] != ["treaty", false],
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}
