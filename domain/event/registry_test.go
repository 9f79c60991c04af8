package event_test

import (
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
)

// A fact in its three versions: first it counted, then it had a unit, then a name.
type (
	happenedV1 struct{ Count int }
	happenedV2 struct {
		Count int
		Unit  string
	}
	happened struct{ What string }
)

func (happenedV1) EventName() event.Name { return "thing.happened.v1" }
func (happenedV2) EventName() event.Name { return "thing.happened.v2" }
func (happened) EventName() event.Name   { return "thing.happened.v3" }

// impostor has the name of another type.
type impostor struct{}

func (impostor) EventName() event.Name { return "thing.happened.v2" }

type (
	nameless struct{}
	tenth    struct{}
	lone     struct{}
)

func (nameless) EventName() event.Name { return "thing.happened" }
func (tenth) EventName() event.Name    { return "thing.happened.v01" }
func (lone) EventName() event.Name     { return "thing.alone.v1" }

func toV2(old happenedV1) happenedV2 { return happenedV2{Count: old.Count, Unit: "times"} }
func toV3(old happenedV2) happened {
	return happened{What: strings.Repeat("x", old.Count) + " " + old.Unit}
}

func TestOldVersionsAreReadAsTheNewest(t *testing.T) {
	r := event.NewRegistry([]event.Kind{
		event.KindOf[happened](), event.Upcast(toV2), event.Upcast(toV3), event.KindOf[lone](),
	})
	tests := map[string]struct{ given, then event.Fact }{
		"first":        {happenedV1{Count: 2}, happened{What: "xx times"}},
		"second":       {happenedV2{Count: 1, Unit: "day"}, happened{What: "x day"}},
		"newest":       {happened{What: "as it is"}, happened{What: "as it is"}},
		"only version": {lone{}, lone{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := r.Newest(tt.given); got != tt.then {
				t.Errorf("got %#v, want %#v", got, tt.then)
			}
		})
	}
	for name, old := range map[event.Name]bool{"thing.happened.v1": true, "thing.happened.v2": true, "thing.happened.v3": false, "thing.alone.v1": false} {
		if k, known := r.Kind(name); !known || k.Old() != old {
			t.Errorf("%s: known %v, old %v", name, known, k.Old())
		}
	}
}

func TestRegistryRefuses(t *testing.T) {
	v1, v2, v3 := event.Upcast(toV2), event.Upcast(toV3), event.KindOf[happened]()
	tests := map[string][]event.Kind{
		"the same name twice":                 {event.KindOf[lone](), event.KindOf[lone]()},
		"an old version that leads nowhere":   {v1},
		"a version left out":                  {v1, v3},
		"the first version left out":          {v2, v3},
		"two versions that are both current":  {event.KindOf[happenedV1](), event.KindOf[happenedV2]()},
		"a step over a version":               {event.Upcast(func(happenedV1) happened { return happened{} }), v2, v3},
		"a step backwards":                    {v1, event.Upcast(func(happenedV2) happenedV1 { return happenedV1{} })},
		"a step to itself":                    {event.Upcast(func(h happenedV1) happenedV1 { return h })},
		"a step to another fact":              {event.Upcast(func(happenedV1) lone { return lone{} }), event.KindOf[lone]()},
		"a step to another type of that name": {event.Upcast(func(happenedV1) impostor { return impostor{} }), v2, v3},
		"a name without a version":            {event.KindOf[nameless]()},
		"a version written otherwise":         {event.KindOf[tenth]()},
	}
	for name, kinds := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			event.NewRegistry(kinds)
		})
	}
}
