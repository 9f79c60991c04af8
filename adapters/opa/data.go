package opa

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// loadData joins the members of all data files, none of which may stand in two of them, and
// checks them: against schema.json, and for limits that contradict each other.
func (b *bundle) loadData(files fs.FS) error {
	names, err := fs.Glob(files, "data/*.json")
	if err != nil {
		return err
	}
	from := map[string]string{} // a member's file
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if err := named(json.NewDecoder(bytes.NewReader(content)), ""); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var members map[string]any
		if err := util.UnmarshalJSON(content, &members); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for member, value := range members {
			if _, twice := b.data[member]; twice {
				return fmt.Errorf("%s: %q stands in %s as well", name, member, from[member])
			}
			b.data[member], from[member] = value, name
		}
	}
	if err := b.checkSchema(files, from); err != nil {
		return err
	}
	return errors.Join(b.ties(from)...)
}

// named reads a JSON value and refuses a name that stands twice in one object: of two entries
// for the same thing, readers would take either.
func named(d *json.Decoder, at string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	opened, _ := token.(json.Delim)
	seen := map[any]bool{}
	for opened != 0 && d.More() {
		inside := at
		if opened == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			inside = strings.TrimPrefix(fmt.Sprintf("%s.%v", at, name), ".")
			if seen[name] {
				return fmt.Errorf("%s stands twice", inside)
			}
			seen[name] = true
		}
		if err := named(d, inside); err != nil {
			return err
		}
	}
	if opened != 0 {
		_, err = d.Token()
	} else if at == "" {
		_, err = d.Token()
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return err
}

// checkSchema holds all data against schema.json and names the file and entry of each mistake.
func (b *bundle) checkSchema(files fs.FS, from map[string]string) error {
	content, err := fs.ReadFile(files, "schema.json")
	if err != nil {
		return err
	}
	document, err := ast.InterfaceToValue(b.data)
	if err != nil {
		return err
	}
	var said *ast.Term
	match := topdown.GetBuiltin(ast.JSONMatchSchema.Name)
	operands := []*ast.Term{ast.NewTerm(document), ast.StringTerm(string(content))}
	if err := match(topdown.BuiltinContext{}, operands, func(t *ast.Term) error { said = t; return nil }); err != nil {
		return fmt.Errorf("schema.json: %w", err)
	}
	answer, err := ast.JSON(said.Value)
	if err != nil {
		return err
	}
	mistakes := answer.([]any)[1].([]any)
	wrong := make([]error, 0, len(mistakes))
	for _, mistake := range mistakes {
		m := mistake.(map[string]any)
		entry := fmt.Sprint(m["field"])
		member, _, _ := strings.Cut(entry, ".")
		file := from[member]
		if file == "" {
			file = "data"
		}
		wrong = append(wrong, fmt.Errorf("%s: %s: %v", file, entry, m["desc"]))
	}
	return errors.Join(wrong...)
}

// ties finds what the rules could not decide between: a law that keeps a field for longer than the
// longest period of its kind, a key that lives longer or shorter than what it seals,
// and a grant to whom nothing is ever given.
func (b *bundle) ties(from map[string]string) (all []error) {
	periods, lifetimes := entries(b.data["periods"]), entries(b.data["lifetimes"])
	for _, kind := range slices.Sorted(maps.Keys(periods)) {
		period := entries(periods[kind])
		longest := entries(period["maximum"])
		for _, field := range slices.Sorted(maps.Keys(entries(period["kept"]))) {
			if days(entries(entries(period["kept"])[field])) > days(longest) {
				all = append(all, fmt.Errorf("%s: periods.%s: a law keeps %q for longer than the longest period", from["periods"], kind, field))
			}
		}
		key, _ := period["key"].(string)
		lifetime := entries(lifetimes[key])
		if key == "" || lifetime["counts_from"] != "making" {
			continue
		}
		if days(lifetime) != days(longest) {
			all = append(all, fmt.Errorf("%s: periods.%s: the key %q in %s has another period", from["periods"], kind, key, from["lifetimes"]))
		}
	}
	for _, refused := range []string{"recipients", "purposes"} {
		for name, entry := range entries(b.data[refused]) {
			if entries(entry)["never"] != true {
				continue
			}
			for recipient, grants := range entries(b.data["grants"]) {
				if _, granted := entries(grants)[name]; granted || recipient == name {
					all = append(all, fmt.Errorf("%s: grants.%s: %s.%s is never granted anything", from["grants"], recipient, refused, name))
				}
			}
		}
	}
	return append(all, b.registerTies(from)...)
}

func entries(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

// days puts periods in order; a year of 366 days keeps "a year" above "365 days".
func days(period map[string]any) int64 {
	years, _ := period["years"].(json.Number)
	n, _ := period["days"].(json.Number)
	y, _ := years.Int64()
	d, _ := n.Int64()
	return y*366 + d
}
