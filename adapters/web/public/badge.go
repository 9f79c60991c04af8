package public

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/bgremover/bgremover/adapters/web/answer"
)

// halfAMinute is how long a badge may be shown again.
const halfAMinute = "public, max-age=30"

// badge says in a few words how the promises stand.
type badge struct {
	message string
	colour  string // of the message's ground
	name    string // of that, for https://shields.io/badges/endpoint-badge
}

// The grounds: white letters on each have a contrast of 4.5 and more.
const (
	green = "#1a7f37"
	amber = "#9a6700"
	red   = "#cf222e"
	grey  = "#59636e"
)

// badge is green only when nothing is broken or at risk, and more than half of all promises are kept.
func (n counts) badge() badge {
	of := fmt.Sprintf("%d of %d kept", n.Kept, n.Total)
	switch {
	case n.Broken > 0:
		return badge{fmt.Sprintf("%d broken, %s", n.Broken, of), red, "red"}
	case n.AtRisk > 0:
		return badge{fmt.Sprintf("%d at risk, %s", n.AtRisk, of), amber, "orange"}
	case 2*n.Kept <= n.Total && n.NotEstablished == 0:
		return badge{of, grey, "lightgrey"}
	case 2*n.Kept <= n.Total:
		return badge{fmt.Sprintf("%d not established, %s", n.NotEstablished, of), grey, "lightgrey"}
	}
	return badge{of, green, "brightgreen"}
}

// BadgeSVG serves GET /promises/badge.svg.
func (p Policy) BadgeSVG() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		share(w, "image/svg+xml", halfAMinute, p.stand(r.Context()).counts(p.Promises).badge().svg())
	}
}

// BadgeJSON serves GET /v1/badge.json, as https://shields.io/badges/endpoint-badge reads it.
func (p Policy) BadgeJSON() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b := p.stand(r.Context()).counts(p.Promises).badge()
		body, err := json.Marshal(struct {
			SchemaVersion int    `json:"schemaVersion"`
			Label         string `json:"label"`
			Message       string `json:"message"`
			Color         string `json:"color"`
			CacheSeconds  int    `json:"cacheSeconds"`
		}{1, badgeLabel, b.message, b.name, 60})
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		share(w, "application/json", halfAMinute, body)
	}
}

const badgeLabel = "promises"

// svg draws it: two words side by side, which a reader of screens gets as one. Nothing in it
// moves, loads or runs, and nothing has an id, so that many can stand in one page. All that is written
// into it is our own words and numbers.
func (b badge) svg() []byte {
	const height, pad = 20, 8
	wide := func(words string) int { return 2*pad + utf8.RuneCountInString(words)*13/2 } // of 11 px Verdana
	left, right := wide(badgeLabel), wide(b.message)
	var out bytes.Buffer
	text := func(x, width int, words string) {
		fmt.Fprintf(&out, `<text x="%d" y="14" textLength="%d">%s</text>`, x+width/2, width-2*pad, words)
	}
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" aria-label="%s: %s"><title>%s: %s</title>`,
		left+right, height, badgeLabel, b.message, badgeLabel, b.message)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" rx="3" fill="%s"/><path d="M3 0H%dV%dH3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#24292f"/>`,
		left+right, height, b.colour, left, height)
	out.WriteString(`<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`)
	text(0, left, badgeLabel)
	text(left, right, b.message)
	out.WriteString("</g></svg>\n")
	return out.Bytes()
}
