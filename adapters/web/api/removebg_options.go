package api

import (
	"fmt"
	"strings"

	"github.com/bgremover/bgremover/domain/refusal"
)

// The fields of a request that carry the photo.
const (
	fieldFile   = "image_file"
	fieldBase64 = "image_file_b64"
	fieldURL    = "image_url"
)

// sizes maps remove.bg's names of sizes to the most pixels each has. There are no credits
// to save here, so "auto" is the full size. 0 is no limit but that of uploads.
var sizes = map[string]int{
	"":        0,
	"auto":    0,
	"preview": 250_000,
	"small":   250_000,
	"regular": 250_000,
	"medium":  1_500_000,
	"hd":      4_000_000,
	"full":    25_000_000,
	"4k":      25_000_000,
	"50mp":    50_000_000,
}

// onlyDefault lists the parameters of remove.bg's of which only the default works here, with that
// default; "" is to leave them out.
var onlyDefault = map[string]string{
	"type":             "auto",
	"type_level":       "1",
	"roi":              "0% 0% 100% 100%",
	"crop":             "false",
	"crop_margin":      "0",
	"scale":            "original",
	"position":         "original",
	"add_shadow":       "false",
	"shadow_type":      "",
	"shadow_opacity":   "",
	"semitransparency": "true",
	"bg_color":         "",
	"bg_image_url":     "",
	"bg_image_file":    "",
}

// Refusals in remove.bg's words. Their codes are theirs where they have one.
var (
	errNoSource = refusal.New(refusal.Invalid, "missing_source",
		"There is no photo in the request.", "Send it as image_file, or as base64 in image_file_b64.")
	errFileAsText = refusal.New(refusal.Invalid, "missing_source",
		"The field image_file holds text instead of a file.", "Send the file in a multipart form, or as base64 in image_file_b64.")
	errSeveralSources = refusal.New(refusal.Invalid, "multiple_sources",
		"There is more than one photo in the request.", "Send exactly one of image_file and image_file_b64.")
	errNoFetching = refusal.New(refusal.Invalid, "invalid_image_url",
		"Photos are not fetched from addresses here.", "Send the photo itself, as image_file or image_file_b64.")
	errSize = refusal.New(refusal.Invalid, "invalid_size",
		"There is no such size.", "Use auto, preview, small, regular, medium, hd, full, 4k or 50MP.")
	errFormat = refusal.New(refusal.Invalid, "invalid_format",
		"Results are not made in this format here.", "Use png, or auto, which is png.")
	errChannels = refusal.New(refusal.Invalid, "invalid_channels",
		"There is no such choice of channels.", "Use rgba or alpha.")
	errBase64 = refusal.New(refusal.Invalid, "failed_to_read_image",
		"What is in image_file_b64 is not base64.", "Encode the photo's bytes as base64, without a prefix.")
	errParameter = refusal.New(refusal.Invalid, "unknown_parameter",
		"The request has a parameter that is not known here.", "Check its spelling, or leave it out.")
	errRepeated = refusal.New(refusal.Invalid, "repeated_parameter",
		"The request has the same parameter twice.", "Send each parameter once.")
	errContentType = refusal.New(refusal.Unsupported, "unsupported_content_type",
		"The request's body is of a type that is not read here.",
		"Send multipart/form-data, application/json or application/x-www-form-urlencoded.")
	errBody = refusal.New(refusal.Invalid, "malformed_request",
		"The request's body ends early or is not what its type says.", "Send it again, complete.")
)

// known says whether a parameter exists in remove.bg's interface.
func known(name string) bool {
	switch name {
	case fieldFile, fieldBase64, fieldURL, "size", "format", "channels":
		return true
	}
	_, listed := onlyDefault[name]
	return listed
}

// optionsOf reads the parameters that shape the result. An empty one is as good as absent: their own
// client sends every option that was not set that way.
func optionsOf(fields map[string]string) (Options, error) {
	for name, fallback := range onlyDefault {
		if v := fields[name]; v != "" && !strings.EqualFold(v, fallback) {
			return Options{}, notYet(name, fallback)
		}
	}
	maxPixels, ok := sizes[strings.ToLower(fields["size"])]
	if !ok {
		return Options{}, errSize
	}
	if f := strings.ToLower(fields["format"]); f != "" && f != "auto" && f != "png" {
		return Options{}, errFormat
	}
	o := Options{MaxPixels: maxPixels}
	switch strings.ToLower(fields["channels"]) {
	case "", "rgba":
	case "alpha":
		o.AlphaOnly = true
	default:
		return Options{}, errChannels
	}
	return o, nil
}

// notYet refuses a value that would be ignored otherwise.
func notYet(name, fallback string) *refusal.Error {
	help := "Leave it out."
	if fallback != "" {
		help = fmt.Sprintf("Leave it out, or send %q.", fallback)
	}
	return refusal.New(refusal.Invalid, "invalid_"+name, fmt.Sprintf("Of %s only the default works here.", name), help)
}
