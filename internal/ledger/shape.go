package ledger

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// shape is how a struct of a fact stands in the record: which members it has, and which
// of them are sealed. It is worked out once, at start.
type shape struct {
	fields   []field
	personal bool // some field, here or further in, is sealed
}

type field struct {
	name  string
	index int
	kind  fieldKind
	inner shape // of an object
	own   bool  // its type reads its own JSON
}

type fieldKind uint8

const (
	plain  fieldKind = iota // whatever encoding/json makes of it
	moment                  // time.Time
	sealed                  // personal.Text
	object                  // a struct with members of its own
)

var (
	textType            = reflect.TypeFor[personal.Text]()
	timeType            = reflect.TypeFor[time.Time]()
	marshalerType       = reflect.TypeFor[json.Marshaler]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shapesOf works out the shape of every kind of fact. A fact that could not be read again
// as it was written is a programming error and panics at start.
func shapesOf(facts *event.Registry) map[event.Name]shape {
	shapes := map[event.Name]shape{}
	for _, name := range facts.Names() {
		kind, _ := facts.Kind(name)
		shapes[name] = shapeOf(string(name), kind.New().Type().Elem())
	}
	return shapes
}

func shapeOf(path string, t reflect.Type) shape {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("ledger: the fact %s is no struct", path))
	}
	var s shape
	for f := range t.Fields() {
		name := f.Tag.Get("json")
		if !f.IsExported() || f.Anonymous || name == "" || name == "-" || strings.Contains(name, ",") {
			panic(fmt.Sprintf("ledger: %s.%s needs to be exported and have a json tag that is its permanent name and nothing else", path, f.Name))
		}
		one := fieldOf(path+"."+name, f.Type)
		one.name, one.index = name, f.Index[0]
		s.fields = append(s.fields, one)
		s.personal = s.personal || one.kind == sealed || one.inner.personal
	}
	return s
}

func fieldOf(path string, t reflect.Type) field {
	switch {
	case t == textType:
		return field{kind: sealed}
	case t == timeType:
		return field{kind: moment}
	case t.Kind() == reflect.Struct && !t.Implements(marshalerType):
		return field{kind: object, inner: shapeOf(path, t)}
	}
	mustBePlain(path, t)
	p := reflect.PointerTo(t)
	return field{kind: plain, own: p.Implements(unmarshalerType) || p.Implements(textUnmarshalerType)}
}

// mustBePlain refuses what encoding/json would write but the codec could not seal, or
// could not read again into what it was.
func mustBePlain(path string, t reflect.Type) {
	switch {
	case t == textType, t.Kind() == reflect.Interface, t.Kind() == reflect.Func, t.Kind() == reflect.Chan:
		panic(fmt.Sprintf("ledger: %s holds a %s where it can be neither sealed nor read again", path, t))
	case t.Kind() == reflect.Struct && t != timeType:
		for f := range t.Fields() {
			mustBePlain(path+"."+f.Name, f.Type)
		}
	case t.Kind() == reflect.Map:
		mustBePlain(path, t.Key())
		mustBePlain(path, t.Elem())
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array, t.Kind() == reflect.Pointer:
		mustBePlain(path, t.Elem())
	}
}

// write appends v as an object. seal writes a sealed field; it is asked for every one,
// the empty ones too.
func (s shape) write(to []byte, path string, v reflect.Value, seal func(to []byte, path string, t personal.Text) ([]byte, error)) ([]byte, error) {
	var err error
	for i, f := range s.fields {
		to = append(to, "{,"[min(i, 1)], '"')
		to = append(append(to, f.name...), `":`...)
		at, value := path+"."+f.name, v.Field(f.index)
		switch f.kind {
		case sealed:
			to, err = seal(to, at, value.Interface().(personal.Text))
		case moment:
			to, err = appendTime(to, value.Interface().(time.Time))
		case object:
			to, err = f.inner.write(to, at, value, seal)
		case plain:
			to, err = appendJSON(to, value.Interface())
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	if len(s.fields) == 0 {
		to = append(to, '{')
	}
	return append(to, '}'), nil
}

// read fills v from an object that has exactly these members.
func (s shape) read(raw []byte, path string, v reflect.Value, open func(raw []byte, path string) (personal.Text, error)) error {
	m, err := readObject(raw)
	if err != nil {
		return err
	}
	if len(m.names) != len(s.fields) {
		return malformed("%s has %d members instead of %d", path, len(m.names), len(s.fields))
	}
	for _, f := range s.fields {
		value, there := m.get(f.name)
		if !there {
			return malformed("%s has no member %s", path, f.name)
		}
		if err := f.read(value, path+"."+f.name, v.Field(f.index), open); err != nil {
			return err
		}
	}
	return nil
}

func (f field) read(raw []byte, path string, v reflect.Value, open func(raw []byte, path string) (personal.Text, error)) error {
	switch f.kind {
	case sealed:
		t, err := open(raw, path)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
	case moment:
		t, err := readTime(path, raw)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
	case object:
		return f.inner.read(raw, path, v, open)
	case plain:
		nullable := v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.Pointer
		if string(raw) == "null" && !nullable {
			return malformed("%s is null", path)
		}
		if !f.own && readPlain(raw, v) {
			return nil
		}
		if err := readStrict(raw, v.Addr().Interface()); err != nil {
			return malformed("%s is of another type", path)
		}
	}
	return nil
}
