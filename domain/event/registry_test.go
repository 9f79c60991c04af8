package event_test

import (
	"testing"

	"github.com/bgremover/bgremover/domain/event"
)

type happened struct{}

func (happened) EventName() event.Name { return "thing.happened.v1" }

func TestRegistryRefusesTheSameNameTwice(t *testing.T) {
	kinds := []event.Kind{event.KindOf[happened]()}
	if r := event.NewRegistry(kinds); len(r.Names()) != 1 {
		t.Errorf("got %v", r.Names())
	}
	defer func() {
		if recover() == nil {
			t.Error("a name that stands twice was taken")
		}
	}()
	event.NewRegistry(kinds, kinds)
}
