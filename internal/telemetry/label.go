package telemetry

import "regexp"

// other is the label of what does not look like what belongs there. So a path that is passed
// for a pattern, or an error's text for its code, costs precision and betrays nobody.
const other = "other"

var (
	// "GET /v1/images/{id}/events": words too short for an id or a token, and named gaps.
	route = regexp.MustCompile(`^([A-Z]{3,7} )?(/[a-z0-9_.-]{0,16}|/\{[a-z.$]{1,12}\})+$`)
	// "image.too_large"
	code = regexp.MustCompile(`^[a-z]{1,20}\.[a-z_]{1,30}$`)
	word = regexp.MustCompile(`^[a-z]{1,20}$`)
	// "idempotency_answer", a kind of the retention data
	kind = regexp.MustCompile(`^[a-z]{1,20}(_[a-z]{1,20}){0,2}$`)
)

func routeLabel(s string) string {
	if s == "" {
		return "none"
	}
	return only(route, s)
}

func codeLabel(s string) string { return only(code, s) }
func wordLabel(s string) string { return only(word, s) }
func kindLabel(s string) string { return only(kind, s) }

func only(form *regexp.Regexp, s string) string {
	if form.MatchString(s) {
		return s
	}
	return other
}
