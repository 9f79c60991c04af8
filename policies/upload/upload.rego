# METADATA
# title: Upload
# description: |
#   What may be uploaded, and how much of it. Counts are input: no rule remembers anybody.
#   What is not decided is not allowed.
package upload

# METADATA
# title: May a picture of this type and size be taken in?
# description: A known type, up to the size in bytes and in pixels that the data says.
# scope: document
# custom:
#   promises: [abuse.prevent, image.purpose]
#   keys: {type: upload_types}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [bytes, pixels, type]
#       properties:
#         bytes: {type: integer, minimum: 1}
#         pixels: {type: integer, minimum: 1}
#         type: {type: string, enum: [gif, jpeg, png, webp]}
default accept := {"decided": false, "allow": false}

accept := {"decided": true, "allow": count(refused_by) == 0, "refused_by": refused_by} if {
	object.keys(input) == {"bytes", "pixels", "type"}
	input.bytes > 0
	input.bytes == floor(input.bytes)
	input.pixels > 0
	input.pixels == floor(input.pixels)
	type := data.upload_types[input.type]
	granted := {
		"bytes": input.bytes <= type.maximum_bytes,
		"pixels": input.pixels <= type.maximum_pixels,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
}

# METADATA
# title: Is there room for this upload now?
# description: |
#   With it, uploads and pixels of the last minute stay within what the data allows a visitor, a
#   network or an API key. Answers also "uploads_minute", the limit, and "retry_after_s".
# scope: document
# custom:
#   promises: [abuse.prevent]
#   keys: {scope: rates}
# schemas:
#   - input:
#       type: object
#       additionalProperties: false
#       required: [pixels, pixels_minute, scope, uploads_minute]
#       properties:
#         pixels: {type: integer, minimum: 1}
#         pixels_minute: {type: integer, minimum: 0}
#         scope: {type: string, enum: [api_key, network, visitor]}
#         uploads_minute: {type: integer, minimum: 0}
default rate := {"decided": false, "allow": false}

rate := answer if {
	object.keys(input) == {"pixels", "pixels_minute", "scope", "uploads_minute"}
	input.pixels > 0
	input.pixels == floor(input.pixels)
	input.pixels_minute >= 0
	input.pixels_minute == floor(input.pixels_minute)
	input.uploads_minute >= 0
	input.uploads_minute == floor(input.uploads_minute)
	limits := data.rates[input.scope]
	granted := {
		"pixels": (input.pixels_minute + input.pixels) <= limits.pixels_minute,
		"uploads": input.uploads_minute < limits.uploads_minute,
	}
	refused_by := {reason | some reason, holds in granted; not holds}
	answer := {
		"decided": true,
		"allow": count(refused_by) == 0,
		"refused_by": refused_by,
		"retry_after_s": limits.retry_after_s,
		"uploads_minute": limits.uploads_minute,
	}
}
