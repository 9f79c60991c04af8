package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
)

// setting is one value in force.
type setting struct {
	name   string
	value  string // masked where it is secret
	origin string
	secret bool
}

// The origins that are neither a variable nor a file.
const (
	fromCommandLine = "command line"
	fromDefault     = "default"
)

// collect notes what is in force among the flags of the command that was called, and where
// each value came from.
func (g *Ground) collect(ctx *kong.Context) {
	given := map[*kong.Flag]string{}
	for _, path := range ctx.Path {
		if path.Flag == nil {
			continue
		}
		given[path.Flag] = fromCommandLine
		if path.Resolved {
			given[path.Flag] = string(g.File)
		}
	}
	g.settings = nil
	for _, flag := range ctx.Flags() {
		if flag.Name == "help" {
			continue
		}
		origin, ok := given[flag]
		if name := variable(flag); !ok && name != "" {
			origin, ok = name, true
		}
		if !ok {
			origin = fromDefault
		}
		g.settings = append(g.settings, setting{flag.Name, show(flag.Target.Interface()), origin, isSecret(flag.Target.Interface())})
	}
	g.strays = strays(ctx.Model)
}

// variable returns the environment variable that gives a flag its value, if one does.
func variable(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

// show renders a value for people; types with secrets mask themselves.
func show(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case *time.Duration:
		if v == nil {
			return ""
		}
		return v.String()
	case File:
		if _, err := os.Stat(string(v)); err != nil {
			return string(v) + " (not there)"
		}
	}
	return fmt.Sprint(value)
}

func isSecret(value any) bool {
	switch v := value.(type) {
	case Secret:
		return v != ""
	case Postgres:
		return v.hasPassword()
	}
	return false
}

// otherVariables are BGREMOVER_ variables that are read elsewhere.
var otherVariables = []string{"BGREMOVER_RUNTIME"}

// strays lists variables that look like settings and are none.
func strays(app *kong.Application) (names []string) {
	known := slices.Clone(otherVariables)
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Envs...)
		}
		return next(nil)
	})
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "BGREMOVER_") && !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Print writes what is in force and where each value came from, secrets masked.
func (g *Ground) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, one := range g.settings {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", one.name, cmp.Or(one.value, "-"), one.origin)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, name := range g.strays {
		if _, err := fmt.Fprintf(w, "\n%s is set in the environment, and no setting has that name.\n", name); err != nil {
			return err
		}
	}
	return nil
}
