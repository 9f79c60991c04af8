# METADATA
# title: Access
# description: |
#   Who may read what, and do what. Each rule answers {"decided": bool, "allow": bool}, most
#   with "refused_by", the reasons of a no; what is not decided is not allowed. What a role
#   may do is data; a read or an act that the data does not name is not decided.
package access

# METADATA
# title: May the bytes of this picture be read?
# description: |
#   Every read names its purpose, and there are two: the cutout, by the processor that works on
#   this picture or its holder, and support, after the rule view allowed it ("own").
# scope: document
# custom:
#   promises: [image.no-view, image.purpose]
#   keys: {purpose: blob_purposes}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [own, purpose, reader]
#       properties:
#         own: {type: boolean}
#         purpose: {type: string, enum: [cutout, support]}
#         reader: {type: string, enum: [holder, processor, support]}
default blob := {"decided": false, "allow": false}

blob := {"decided": true, "allow": input.own} if {
	object.keys(input) == {"own", "purpose", "reader"}
	is_boolean(input.own)
	data.blob_purposes[input.purpose].readers[input.reader]
}

# METADATA
# title: May this member of staff see this picture?
# description: |
#   Only in an open case, under a grant that the owner gave for this very picture and that
#   still holds, with a reason, signed in under a name, and in a role that views.
# scope: document
# custom:
#   promises: [image.no-view, staff.least]
#   keys: {role: roles}
#   personal: [granted, until]
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [case_open, granted, named, now, reason, role, until]
#       properties:
#         case_open: {type: boolean}
#         granted: {type: boolean}
#         named: {type: boolean}
#         now: {type: string, format: date-time}
#         reason: {type: boolean}
#         role: {type: string, enum: [dpo, officer, operator, responder, support]}
#         until: {type: string, format: date-time}
default view := {"decided": false, "allow": false}

view := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"case_open", "granted", "named", "now", "reason", "role", "until"}
	is_boolean(input.case_open)
	is_boolean(input.granted)
	is_boolean(input.named)
	is_boolean(input.reason)
	granted := {
		"case": input.case_open,
		"expired": time.parse_rfc3339_ns(input.now) < time.parse_rfc3339_ns(input.until),
		"grant": input.granted,
		"name": input.named,
		"reason": input.reason,
		"role": data.roles[input.role].views,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: May the owner grant support a view for so long?
# description: |
#   The owner alone, for a picture that is still there, and no longer than the data says.
# scope: document
# custom:
#   promises: [image.no-view]
#   keys: {kind: support_grants}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [holder, hours, kind]
#       properties:
#         holder: {type: boolean}
#         hours: {type: integer, minimum: 1}
#         kind: {type: string, enum: [image]}
default grant := {"decided": false, "allow": false}

grant := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"holder", "hours", "kind"}
	is_boolean(input.holder)
	input.hours > 0
	input.hours == floor(input.hours)
	granted := {
		"holder": input.holder,
		"hours": input.hours <= data.support_grants[input.kind].maximum_h,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: May this member of staff read personal data of this category?
# description: |
#   Only what the data names for the role and the purpose, signed in under a name, with a reason, and
#   in a matter (a case, a request, an incident) that is assigned to them.
# scope: document
# custom:
#   promises: [staff.least, usage.improve]
#   keys: {role: roles}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [assigned, category, named, purpose, reason, role]
#       properties:
#         assigned: {type: boolean}
#         category: {type: string, enum: [account, consent, disclosure, request, support, technical]}
#         named: {type: boolean}
#         purpose: {type: string, enum: [audit, disclosure, incident, request, support]}
#         reason: {type: boolean}
#         role: {type: string, enum: [dpo, officer, operator, responder, support]}
default personal := {"decided": false, "allow": false}

personal := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"assigned", "category", "named", "purpose", "reason", "role"}
	is_boolean(input.assigned)
	is_boolean(input.named)
	is_boolean(input.reason)
	data.roles[input.role].reads[input.category][input.purpose]
	granted := {
		"assigned": input.assigned,
		"name": input.named,
		"reason": input.reason,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: May this member of staff do this?
# description: |
#   Only what the data names for the role, signed in under a name, and with a second person
#   where the data asks for one.
# scope: document
# custom:
#   promises: [staff.least]
#   keys: {role: roles}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [action, named, role, second]
#       properties:
#         action:
#           type: string
#           enum: [activate_policy, answer_request, approve_disclosure, approve_notice, approve_policy, attest, declare_incident, open_case, place_hold, release_hold, rotate_key, skip_fact]
#         named: {type: boolean}
#         role: {type: string, enum: [dpo, officer, operator, responder, support]}
#         second: {type: boolean}
default act := {"decided": false, "allow": false}

act := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"action", "named", "role", "second"}
	is_boolean(input.named)
	is_boolean(input.second)
	granted := {
		"name": input.named,
		"second": [data.roles[input.role].acts[input.action].second, input.second] != [true, false],
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}
