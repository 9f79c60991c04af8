package disclosure

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// The kinds of sender and basis that only authorities have. All others are those of the
// sharing data.
const (
	Authority   = "authority"    // who orders: a court, a prosecutor, a tax office
	Order       = "order"        // the basis: a document that a law gives force to
	TreatyOrder = "treaty_order" // one from outside the Union, under an international agreement (GDPR article 48)
	NoDocument  = "none"         // nothing was shown
)

// Technical is the category of data that visits hold.
const Technical = "technical"

// Reasons a request is not registered.
var (
	ErrSender = refusal.New(refusal.Invalid, "disclosure.sender",
		"Who asks, for what and on which basis are words of the form's lists.", "Choose from the lists.")
	ErrCountry = refusal.New(refusal.Invalid, "disclosure.country",
		"A country is two capital letters, as in ISO 3166-1.", "Write DE, FR or US, for instance.")
	ErrFields = refusal.New(refusal.Invalid, "disclosure.fields",
		"A request names at least one field, and at most 20, in small letters and underscores.", "Write address, access_time, for instance.")
	ErrName = refusal.New(refusal.Invalid, "disclosure.name",
		"Who asks is written down by name, on one line of at most 200 characters.", "Write the name of the court, the office or the company.")
	ErrReference = refusal.New(refusal.Invalid, "disclosure.reference",
		"The reference has at most 200 characters, the text at most 4000.", "Write shorter ones.")
	ErrNoText = refusal.New(refusal.Invalid, "disclosure.text",
		"What was asked is written down in the words of those who ask.", "Copy the sentence of the request that says it.")
	ErrExpired = refusal.New(refusal.Invalid, "disclosure.expires",
		"The day on which the order or the consent ends lies within the next ten years.", "Write the day that the document names.")
	ErrAddress = refusal.New(refusal.Invalid, "disclosure.address",
		"This is no network address.", "Write one such as 192.0.2.7 or 2001:db8::7, or none.")
	ErrDays = refusal.New(refusal.Invalid, "disclosure.days",
		"Days are written as 2026-11-24, the first before the last.", "Write both, also when they are the same.")
	ErrNoDays = refusal.New(refusal.Invalid, "disclosure.no_days",
		"A request for technical data names its days: an address is one person's today, and another's tomorrow.", "Write the days that the document names, or ask those who sent it.")
	ErrTooWide = refusal.New(refusal.Invalid, "disclosure.too_wide",
		"Without a network address a request covers one day at most: everybody's data is nobody's case.", "Write the address that is asked about, or one day.")
	ErrRegistered = refusal.New(refusal.Conflict, "disclosure.registered",
		"This request was registered before.", "Look at the one that is there.")
)

// Request is somebody's wish for data, as it was written down.
type Request struct {
	From, Country, Category, Basis, Purpose string
	Fields                                  []string
	Expires                                 time.Time
	Reference, Text                         string
	Sender                                  string        // by name
	Key                                     personal.Text // a public key that was checked
	Address                                 string
	FirstDay, LastDay                       string
	At                                      time.Time
}

// The limits of what is written down.
const (
	longestReference = 200
	longestText      = 4000
	mostFields       = 20
	longestOrder     = 10 * 366 * 24 * time.Hour
)

var (
	word    = regexp.MustCompile(`^[a-z_]{1,40}$`)
	country = regexp.MustCompile(`^[A-Z]{2}$`)
)

// DecideRequest returns the facts that follow, or what is wrong with how it was written down.
// What may be given is not decided here: a request for what is never given is registered like any other.
func DecideRequest(d Disclosure, r Request) (Requested, Scoped, error) {
	if d.Known() {
		return Requested{}, Scoped{}, ErrRegistered
	}
	if err := r.check(); err != nil {
		return Requested{}, Scoped{}, err
	}
	fields := slices.Compact(slices.Sorted(slices.Values(r.Fields)))
	scope, err := r.scope()
	if err != nil {
		return Requested{}, Scoped{}, err
	}
	return Requested{
		From: r.From, Country: r.Country, Category: r.Category, Fields: fields, Basis: r.Basis, Expires: r.Expires.UTC(),
		Reference: personal.Of(strings.TrimSpace(r.Reference)), Text: personal.Of(strings.TrimSpace(r.Text)),
	}, scope, nil
}

func (r Request) check() error {
	switch text := strings.TrimSpace(r.Text); {
	case !word.MatchString(r.From) || !word.MatchString(r.Category) || !word.MatchString(r.Basis) || !word.MatchString(r.Purpose):
		return ErrSender
	case !country.MatchString(r.Country):
		return ErrCountry
	case len(r.Fields) == 0 || len(r.Fields) > mostFields || slices.ContainsFunc(r.Fields, func(f string) bool { return !word.MatchString(f) }):
		return ErrFields
	case strings.TrimSpace(r.Sender) == "" || !fits(r.Sender, longestReference) || strings.ContainsAny(r.Sender, "\r\n"):
		return ErrName
	case text == "":
		return ErrNoText
	case !fits(r.Reference, longestReference) || !fits(text, longestText):
		return ErrReference
	case !r.Expires.After(r.At) || r.Expires.After(r.At.Add(longestOrder)):
		return ErrExpired
	}
	return nil
}

func fits(s string, most int) bool { return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most }

// scope says what is looked for. One for technical data has days, because an address says whose it was only with
// them; one for anything else has neither.
func (r Request) scope() (Scoped, error) {
	s := Scoped{Purpose: r.Purpose, Sender: personal.Of(strings.TrimSpace(r.Sender)), Key: r.Key}
	if r.Category != Technical {
		return s, nil
	}
	s.FirstDay, s.LastDay = r.FirstDay, r.LastDay
	if r.Address != "" {
		address, err := netip.ParseAddr(strings.TrimSpace(r.Address))
		if err != nil {
			return Scoped{}, ErrAddress
		}
		s.Address = personal.Of(asKept(address))
	}
	first, last, err := r.days()
	switch {
	case err != nil:
		return Scoped{}, err
	case r.Address == "" && !first.Equal(last):
		return Scoped{}, ErrTooWide
	}
	return s, nil
}

// asKept writes an address as visits do: one of IPv4 whole, and of IPv6 the 64 bits that one
// household or device has to itself. More is not kept, so more cannot be looked for.
func asKept(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	kept, _ := a.Prefix(64) // every address of IPv6 has one
	return kept.String()
}

func (r Request) days() (first, last time.Time, err error) {
	if r.FirstDay == "" && r.LastDay == "" {
		return first, last, ErrNoDays
	}
	first, e1 := time.Parse(time.DateOnly, r.FirstDay)
	last, e2 := time.Parse(time.DateOnly, r.LastDay)
	if e1 != nil || e2 != nil || last.Before(first) {
		return first, last, ErrDays
	}
	return first, last, nil
}
