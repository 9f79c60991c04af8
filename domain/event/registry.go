package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Kind is one entry of the registry: a permanent name, and the Go type with the fields that
// facts of this name have in the record.
type Kind struct {
	Name Name
	zero Fact
	old  *upcast // nil: this is the version that is written and read
}

// KindOf makes the entry of the fact type F.
func KindOf[F Fact]() Kind {
	var zero F
	return Kind{Name: zero.EventName(), zero: zero}
}

// New returns a pointer to a zero fact of this kind, for a decoder to fill.
func (k Kind) New() reflect.Value { return reflect.New(k.Type()) }

// Type returns the Go type of facts of this kind, as they were written.
func (k Kind) Type() reflect.Type { return reflect.TypeOf(k.zero) }

// Old says that facts of this kind are only read, as a newer version, and written no more.
func (k Kind) Old() bool { return k.old != nil }

// Registry knows every kind of fact that the record can hold.
type Registry struct{ kinds map[Name]Kind }

// NewRegistry joins the kinds of several packages. A name that stands twice, or versions of
// a fact that do not lead to the newest one by one, are a programming error and panic at start.
func NewRegistry(groups ...[]Kind) *Registry {
	r := &Registry{kinds: map[Name]Kind{}}
	for _, group := range groups {
		for _, k := range group {
			if _, taken := r.kinds[k.Name]; taken {
				panic(fmt.Sprintf("event: the name %s is registered twice", k.Name))
			}
			r.kinds[k.Name] = k
		}
	}
	for _, name := range r.Names() {
		if err := r.check(r.kinds[name]); err != nil {
			panic("event: " + err.Error())
		}
	}
	return r
}

// Names returns all permanent names, sorted.
func (r *Registry) Names() []Name {
	names := make([]Name, 0, len(r.kinds))
	for name := range r.kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Kind returns the entry of a name.
func (r *Registry) Kind(name Name) (Kind, bool) {
	k, ok := r.kinds[name]
	return k, ok
}

// Unknown stands for a fact whose name this build does not know: a newer release wrote
// it. Readers that do not need it pass over it; its bytes are kept as they are.
type Unknown struct {
	Name Name
	Body json.RawMessage
}

// EventName implements [Fact].
func (u Unknown) EventName() Name { return u.Name }
