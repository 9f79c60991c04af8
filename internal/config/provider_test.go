package config

import (
	"strings"
	"testing"
	"time"
)

const wholeProvider = "hosting; name=Example Cloud; country=US; contract=DPA of 2026-01-15; reviewed=2026-10-01; until=2027-10-01; safeguard=scc; safeguard-until=2028-01-01; assessed=yes; encrypted=no"

func TestProvider(t *testing.T) {
	date := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := Provider{
		Category: "hosting", Name: "Example Cloud", Country: "US", Contract: "DPA of 2026-01-15", Reviewed: date("2026-10-01"), Until: date("2027-10-01"),
		Safeguard: "scc", SafeguardUntil: date("2028-01-01"), Assessed: true,
	}
	if got, err := parseProvider(wholeProvider); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	short := "hosting;name=A;country=DE;contract=B;reviewed=2026-10-01;until=2027-10-01"
	if got, err := parseProvider(short); err != nil || got.Safeguard != "none" || got.SafeguardUntil != date("2027-10-01") || got.Encrypted {
		t.Errorf("got %+v, %v", got, err)
	}
	for wrong, says := range map[string]string{
		"":                         "category",
		"name=A":                   "category",
		"hosting":                  "name= is missing",
		short + "; vip=yes":        "nothing that is known",
		short + "; country=DE":     "stands twice",
		short + "; assessed=maybe": "yes or no",
		short + "; safeguard=":     "is empty",
		short + "\n":               "one line",
		strings.Replace(short, "DE", "Germany", 1):       "two capital letters",
		strings.Replace(short, "2026-10-01", "today", 1): "no day",
		strings.Replace(short, "2027", "2025", 1):        "after reviewed=",
		strings.Replace(short, "contract=B;", "", 1):     "contract= is missing",
	} {
		if _, err := parseProvider(wrong); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestProvidersNeedACountry(t *testing.T) {
	for name, tt := range map[string]struct {
		given Providers
		wrong string // setting
	}{
		"nobody":           {Providers{}, ""},
		"somebody":         {Providers{Country: "DE", Named: []string{wholeProvider}}, ""},
		"from nowhere":     {Providers{Named: []string{wholeProvider}}, "operator-country"},
		"from Germany":     {Providers{Country: "Germany"}, "operator-country"},
		"half a provider":  {Providers{Country: "DE", Named: []string{"hosting"}}, "provider"},
		"one right of two": {Providers{Country: "DE", Named: []string{wholeProvider, "mail"}}, "provider"},
	} {
		var m Mistakes
		tt.given.check(&m)
		if got := settingsOf(m); got != tt.wrong {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func settingsOf(m Mistakes) string {
	var all []string
	for _, one := range m {
		all = append(all, one.Setting)
	}
	return strings.Join(all, " ")
}

func FuzzProvider(f *testing.F) {
	f.Add(wholeProvider)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseProvider(text)
		if err == nil && (p.Name == "" || p.Contract == "" || !isCountry(p.Country) || !p.Until.After(p.Reviewed)) {
			t.Errorf("%q is %+v", text, p)
		}
	})
}
