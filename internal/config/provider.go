package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Providers says who works for whoever runs the service, and in which countries.
type Providers struct {
	Country string   `name:"operator-country" placeholder:"XX" env:"BGREMOVER_OPERATOR_COUNTRY" help:"The country of the controller, from which data would be transferred, in two letters such as DE (${env})."`
	Named   []string `name:"provider" placeholder:"WHO" sep:"none" env:"BGREMOVER_PROVIDER" help:"Somebody who works for the service, as the register of processing names them: 'hosting; name=Example Cloud; country=DE; contract=DPA of 2026-01-15; reviewed=2026-10-01; until=2027-10-01', for another country with 'safeguard=scc', 'safeguard-until=2028-01-01', 'assessed=yes' and 'encrypted=yes'. The first word is a category of the policy's data: hosting, hosting_subprocessor. Repeat for more (${env})."`
}

// Provider is one of them.
type Provider struct {
	Category, Name, Country string
	Contract                string
	Reviewed, Until         time.Time // the last review of the contract, and when the next is due
	Safeguard               string    // "none" unless something else is stated
	SafeguardUntil          time.Time
	Assessed                bool
	Encrypted               bool
}

// All parses the providers. Their categories are checked by who knows the policy's data.
func (p Providers) All() ([]Provider, error) {
	all := make([]Provider, 0, len(p.Named))
	var wrong []error
	for _, text := range p.Named {
		one, err := parseProvider(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%.80q: %w", text, err))
			continue
		}
		all = append(all, one)
	}
	return all, errors.Join(wrong...)
}

// parseProvider reads "hosting; name=Example Cloud; country=DE; …".
func parseProvider(text string) (Provider, error) {
	category, rest, _ := strings.Cut(text, ";")
	p := Provider{Category: strings.TrimSpace(category), Safeguard: "none"}
	if p.Category == "" || strings.ContainsAny(p.Category, "= ") {
		return p, errors.New("begin with a category, such as hosting, and a semicolon")
	}
	if len([]rune(text)) > 4*longestStatement || strings.ContainsFunc(text, unicode.IsControl) {
		return p, errors.New("it stands in a register that people read: one line of moderate length")
	}
	seen := map[string]bool{}
	for _, part := range strings.Split(rest, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if seen[name] {
			return p, fmt.Errorf("%.40s stands twice", name)
		}
		seen[name] = true
		if err := p.set(name, value); err != nil {
			return p, err
		}
	}
	for _, needed := range []string{"name", "country", "contract", "reviewed", "until"} {
		if !seen[needed] {
			return p, fmt.Errorf("%s= is missing", needed)
		}
	}
	if !p.Until.After(p.Reviewed) {
		return p, errors.New("until= is when the next review is due, after reviewed=")
	}
	if p.SafeguardUntil.IsZero() {
		p.SafeguardUntil = p.Until
	}
	return p, nil
}

func (p *Provider) set(name, value string) (err error) {
	switch name {
	case "name":
		p.Name = value
	case "contract":
		p.Contract = value
	case "country":
		p.Country = value
		if !isCountry(value) {
			return fmt.Errorf("country=%.40s is not two capital letters", value)
		}
	case "safeguard":
		p.Safeguard = value
	case "reviewed":
		p.Reviewed, err = day(name, value)
	case "until":
		p.Until, err = day(name, value)
	case "safeguard-until":
		p.SafeguardUntil, err = day(name, value)
	case "assessed":
		p.Assessed, err = yes(name, value)
	case "encrypted":
		p.Encrypted, err = yes(name, value)
	default:
		return fmt.Errorf("%.40s= is nothing that is known of a provider", name)
	}
	if err == nil && value == "" {
		return fmt.Errorf("%s= is empty", name)
	}
	return err
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

func day(name, value string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return t, fmt.Errorf("%s=%.40s is no day such as 2026-10-01", name, value)
	}
	return t, nil
}

func yes(name, value string) (bool, error) {
	if value != "yes" && value != "no" {
		return false, fmt.Errorf("%s= is yes or no", name)
	}
	return value == "yes", nil
}

func (p Providers) check(m *Mistakes) {
	if p.Country != "" && !isCountry(p.Country) {
		m.add("operator-country", "is %.40q, and is two capital letters, such as DE", p.Country)
	}
	all, err := p.All()
	if err != nil {
		m.add("provider", "%v", err)
	}
	if len(all) > 0 && p.Country == "" {
		m.add("operator-country", "is missing, and without it nobody can say whether data goes to another country with --provider")
	}
}
