package event

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// upcast is the step from one version of a fact to the next.
type upcast struct {
	to   Name
	made reflect.Type
	step func(Fact) Fact
}

// Upcast makes the entry of an old version: what the record holds as an Old is read as a
// New, which is the version after it. step is pure and knows no defaults that may change: it
// says for ever what an old fact means. Personal texts are passed on as they are, because
// they may be sealed or erased.
func Upcast[Old, New Fact](step func(Old) New) Kind {
	k := KindOf[Old]()
	var next New
	k.old = &upcast{
		to:   next.EventName(),
		made: reflect.TypeFor[New](),
		step: func(f Fact) Fact { return step(f.(Old)) }, // only asked with facts of its kind
	}
	return k
}

// Newest returns a fact as the version that readers get. One that is no old version is
// returned as it is.
func (r *Registry) Newest(f Fact) Fact {
	for {
		k, known := r.kinds[f.EventName()]
		if !known || k.old == nil {
			return f
		}
		f = k.old.step(f)
	}
}

// check holds the rules of versions: "image.uploaded.v1" is the first, each is numbered one
// above the one before, leads to it, and nothing leads past the newest.
func (r *Registry) check(k Kind) error {
	stem, version, ok := k.Name.version()
	if !ok {
		return fmt.Errorf("the name %s does not end with its version, such as .v1", k.Name)
	}
	if version > 1 {
		before := stem + Name(strconv.Itoa(version-1))
		if old, known := r.kinds[before]; !known || old.old == nil {
			return fmt.Errorf("%s is registered and nothing says how %s is read as one", k.Name, before)
		}
	}
	if k.old == nil {
		return nil
	}
	if want := stem + Name(strconv.Itoa(version+1)); k.old.to != want {
		return fmt.Errorf("%s is read as %s and not as %s", k.Name, k.old.to, want)
	}
	next, known := r.kinds[k.old.to]
	if !known {
		return fmt.Errorf("%s is read as %s, which is not registered", k.Name, k.old.to)
	}
	if next.Type() != k.old.made {
		return fmt.Errorf("%s is read as another %s (%s) than is registered (%s)", k.Name, next.Name, k.old.made, next.Type())
	}
	return nil
}

// version splits "image.uploaded.v1" into "image.uploaded.v" and 1.
func (n Name) version() (stem Name, version int, ok bool) {
	dot := strings.LastIndex(string(n), ".v")
	if dot < 1 {
		return "", 0, false
	}
	stem, digits := n[:dot+2], string(n[dot+2:])
	version, err := strconv.Atoi(digits)
	return stem, version, err == nil && version >= 1 && strconv.Itoa(version) == digits
}
