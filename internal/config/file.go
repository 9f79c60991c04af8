package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"
)

// File is the path of the configuration file. Kong calls its hook once the path is known.
type File string

// BeforeResolve makes the file's values stand behind the command line and the environment.
// The default file may be missing; one that was asked for may not.
func (f File) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(File))
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && path == defaultFile() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	values, err := readFile(path)
	if err != nil {
		return err
	}
	ctx.AddResolver(&file{path: path, mode: info.Mode(), values: values})
	return nil
}

// file is the content of a configuration file, as a kong.Resolver.
type file struct {
	path   string
	mode   fs.FileMode
	values map[string]any
}

// Resolve gives a flag's value, unless its variable is set: that stands before the file.
func (f *file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if variable(flag) != "" {
		return nil, nil
	}
	return f.values[flag.Name], nil
}

// Validate refuses names that no command of the program knows.
func (f *file) Validate(app *kong.Application) error {
	var known []string
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Name)
		}
		return next(nil)
	})
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(f.values)) {
		if !slices.Contains(known, name) {
			unknown = append(unknown, fmt.Sprintf("%q", name))
		}
	}
	if err == nil && len(unknown) > 0 {
		err = fmt.Errorf("%s sets what is no setting: %s", f.path, strings.Join(unknown, ", "))
	}
	return err
}

var atLine = regexp.MustCompile(`line \d+`)

// readFile reads a YAML file of one level. Errors say where, and quote nothing: a secret may
// stand there.
func readFile(path string) (map[string]any, error) {
	values := map[string]any{}
	err := kongyaml.YAMLFileMapper.Decode(&kong.DecodeContext{Scan: kong.ScanAsType(kong.FlagValueToken, path)}, reflect.ValueOf(&values).Elem())
	var unreadable *fs.PathError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return values, nil
	case errors.As(err, &unreadable):
		return nil, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	where := atLine.FindString(err.Error())
	if where == "" {
		where = "as a whole"
	}
	return nil, fmt.Errorf("%s is not the YAML that is expected here (%s): one 'name: value' a line, nothing nested", path, where)
}
