package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// member is one of an object, whose order is kept.
type member struct {
	name  string
	value any
}

// object is a mapping in the order in which it is written down.
type object []member

// MarshalYAML implements [yaml.Marshaler].
func (o object) MarshalYAML() (any, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range o {
		var name, value yaml.Node
		if err := name.Encode(m.name); err != nil {
			return nil, err
		}
		if err := value.Encode(m.value); err != nil {
			return nil, err
		}
		node.Content = append(node.Content, &name, &value)
	}
	return node, nil
}

func reference(path string) object { return object{{"$ref", "#/components/" + path}} }

// closed are the types with values that Go cannot list; a test compares them with the source.
var closed = map[reflect.Type][]string{
	reflect.TypeFor[event.Role](): {
		string(event.Visitor), string(event.Processor), string(event.Clock), string(event.Operator), string(event.Officer), string(event.Responder), string(event.DPO),
	},
	reflect.TypeFor[image.SizeClass]():       {string(image.UpTo1MiB), string(image.UpTo5MiB), string(image.UpTo25MiB)},
	reflect.TypeFor[image.DimensionsClass](): {string(image.UpTo1MP), string(image.UpTo4MP), string(image.UpTo12MP), string(image.UpTo50MP)},
	reflect.TypeFor[image.Why]():             {string(image.BecauseDownloaded), string(image.BecauseDue), string(image.BecauseRequested)},
}

var (
	personalText = reflect.TypeFor[personal.Text]()
	instant      = reflect.TypeFor[time.Time]()
	ownJSON      = reflect.TypeFor[json.Marshaler]()
	ownText      = reflect.TypeFor[encoding.TextMarshaler]()
	question     = reflect.TypeFor[json.RawMessage]()
	octets       = reflect.TypeFor[[]byte]()
)

// schemaOf describes how values of a type stand in the record. A type that it cannot
// describe is a programming error.
func schemaOf(t reflect.Type) object {
	switch {
	case t == personalText:
		return reference("schemas/sealed")
	case t == instant:
		return reference("schemas/time")
	case t == question:
		return object{
			{"type", []string{"object", "null"}},
			{"description", "What a rule was asked, in its canonical form; null for questions that are only counted, because they say something about one person."},
		}
	case t == octets:
		return object{{"type", "string"}, {"contentEncoding", "base64"}}
	case t.Implements(ownText):
		return object{{"type", "string"}}
	case t.Implements(ownJSON):
		panic(fmt.Sprintf("asyncapi: %s writes JSON of its own, which nobody has described", t))
	}
	switch t.Kind() { //nolint:exhaustive // The rest cannot stand in a fact; the codec refuses it.
	case reflect.String:
		if values, known := closed[t]; known {
			return object{{"type", "string"}, {"enum", values}}
		}
		return object{{"type", "string"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{{"type", "integer"}}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 0}}
	case reflect.Float32, reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Slice:
		return object{{"type", []string{"array", "null"}}, {"items", schemaOf(t.Elem())}}
	case reflect.Array:
		return object{{"type", "array"}, {"items", schemaOf(t.Elem())}, {"minItems", t.Len()}, {"maxItems", t.Len()}}
	case reflect.Map:
		return object{{"type", []string{"object", "null"}}, {"additionalProperties", schemaOf(t.Elem())}}
	case reflect.Pointer:
		return object{{"oneOf", []any{schemaOf(t.Elem()), object{{"type", "null"}}}}}
	case reflect.Struct:
		return structSchema(t)
	}
	panic(fmt.Sprintf("asyncapi: a %s cannot stand in a fact", t))
}

// structSchema describes a struct: exactly its members, all of them.
func structSchema(t reflect.Type) object {
	properties, required := object{}, []string{}
	for f := range t.Fields() {
		name := f.Tag.Get("json")
		properties, required = append(properties, member{name, schemaOf(f.Type)}), append(required, name)
	}
	return closedObject(properties, required...)
}

func closedObject(properties object, required ...string) object {
	return object{{"type", "object"}, {"additionalProperties", false}, {"required", required}, {"properties", properties}}
}

// pattern is a string of a form, with what it says.
func pattern(form, description string) object {
	return object{{"type", "string"}, {"pattern", form}, {"description", description}}
}

const (
	uuidForm = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
	timeForm = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$`
	nameForm = "^[!-~]{1,200}$"
	saltForm = "^[0-9a-f]{32}$"
)

// sharedSchemas are what all facts have.
func sharedSchemas() object {
	return object{
		{"place", closedObject(object{{"seq", pattern("^[1-9][0-9]*$", "Its place in the record; the leaf of the tree has the index one below.")}}, "seq")},
		{"time", object{{"type", "string"}, {"format", "date-time"}, {"pattern", timeForm}, {"description", "UTC, to the millisecond."}}},
		{"sealed", append(closedObject(object{
			{"sealed", object{{"type", "string"}, {"contentEncoding", "base64"}, {"description", "AES-256-GCM over the padded text; the fact's id and the path of the field are the associated data."}}},
			{"key", pattern(nameForm, "The key of the vault that opens it. Once that is destroyed, nobody can.")},
		}, "sealed", "key"), member{"description", "A personal value. It says neither whether there is a text nor how long it is."})},
		{"salt", object{{"description", "128 random bits, so that nobody finds out a fact by trying hashes; sealed in facts that seal anything."}, {"oneOf", []any{
			object{{"type", "string"}, {"pattern", saltForm}}, reference("schemas/sealed"),
		}}}},
		{"actor", object{
			{"type", "object"},
			{"additionalProperties", false},
			{"required", []string{"role"}},
			{"properties", object{{"role", schemaOf(reflect.TypeFor[event.Role]())}, {"who", reference("schemas/sealed")}}},
		}},
		{"decision", closedObject(object{
			{"rule", object{{"type", "string"}}},
			{"promises", object{{"type", "array"}, {"items", object{{"type", "string"}}}}},
			{"revision", object{{"type", "integer"}, {"description", "Of the policy bundle."}}},
			{"outcome", object{{"type", "string"}, {"enum", []string{"allow", "deny"}}}},
			{"input", object{{"type", "object"}, {"description", "Exactly what the rule was asked, without anything personal."}}},
			{"personal", object{
				{"type", "array"},
				{"items", object{{"type", "string"}}},
				{"description", "The attributes that say something about one person, where the rule has such. Together with sealed, or neither."},
			}},
			{"sealed", reference("schemas/sealed")},
		}, "rule", "promises", "revision", "outcome", "input")},
		{"envelope", envelopeSchema()},
	}
}

// envelopeSchema describes what stands around every fact.
func envelopeSchema() object {
	data := object{
		{"type", "object"},
		{"additionalProperties", false},
		{"required", []string{"fact", "actor", "salt"}},
		{"properties", object{
			{"fact", object{{"type", "object"}}},
			{"actor", reference("schemas/actor")},
			{"decision", reference("schemas/decision")},
			{"salt", reference("schemas/salt")},
		}},
	}
	return object{
		{"type", "object"},
		{"description", "CloudEvents 1.0. These exact bytes, without a space between them and with the members in this order, are the leaf of the Merkle tree."},
		{"additionalProperties", false},
		{"required", []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "streamversion", "data"}},
		{"properties", object{
			{"specversion", object{{"type", "string"}, {"const", "1.0"}}},
			{"id", pattern(uuidForm, "Of the fact, for ever: a UUID, version 7.")},
			{"source", pattern(nameForm, "The cell of the service that wrote it.")},
			{"type", pattern(nameForm, "The permanent, versioned name of the kind of fact.")},
			{"subject", pattern(nameForm, "The stream: what the fact is about.")},
			{"time", reference("schemas/time")},
			{"datacontenttype", object{{"type", "string"}, {"const", "application/json"}}},
			{"streamversion", object{{"type", "integer"}, {"minimum", 1}, {"description", "Its place in the stream: 1, 2, 3 …"}}},
			{"causationid", pattern(uuidForm, "The fact that led to it, if one did.")},
			{"requestid", pattern(nameForm, "The request that led to it, if one did.")},
			{"data", data},
		}},
	}
}
