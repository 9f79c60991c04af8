# METADATA
# title: Model
# description: |
#   Which models the service uses, by their passports. A licence that the data does not know is
#   not decided, and what is not decided is not allowed.
package model

# METADATA
# title: May this model be loaded?
# description: |
#   Its bytes are those of the passport, and code, weights and training data are licensed for
#   what the service does. Where nobody established the licence of the training data, the
#   operator can answer for it ("accepted"); the promise is then not established, which "established" says.
# scope: document
# custom:
#   promises: [model.licensed]
#   keys: {code: licences, data: licences, weights: licences}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [accepted, code, data, digest_matches, weights]
#       properties:
#         accepted: {type: boolean}
#         code: {type: string, enum: [Apache-2.0, BSD-3-Clause, CC-BY-4.0, CC-BY-NC-4.0, CC0-1.0, MIT, not established]}
#         data: {type: string, enum: [Apache-2.0, BSD-3-Clause, CC-BY-4.0, CC-BY-NC-4.0, CC0-1.0, MIT, not established]}
#         digest_matches: {type: boolean}
#         weights: {type: string, enum: [Apache-2.0, BSD-3-Clause, CC-BY-4.0, CC-BY-NC-4.0, CC0-1.0, MIT, not established]}
default load := {"decided": false, "allow": false}

load := answer if {
	object.keys(input) == {"accepted", "code", "data", "digest_matches", "weights"}
	is_boolean(input.accepted)
	is_boolean(input.digest_matches)
	training := data.licences[input.data].data
	granted := {
		"code": data.licences[input.code].code == "permits",
		"data": [training, input.accepted] in {["permits", false], ["permits", true], ["unknown", true]},
		"digest": input.digest_matches,
		"weights": data.licences[input.weights].weights == "permits",
	}
	refused_by := {reason | some reason, holds in granted; not holds}
	answer := {
		"decided": true,
		"allow": count(refused_by) == 0,
		"refused_by": refused_by,
		"established": [training, count(refused_by)] == ["permits", 0],
	}
}
