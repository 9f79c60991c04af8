package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// A fact that was published in three versions.
type (
	greetedV1 struct {
		Name personal.Text `json:"name"`
	}
	greetedV2 struct {
		Name  personal.Text `json:"name"`
		Times int           `json:"times"`
	}
	greeted struct {
		Guest  guest `json:"guest"`
		Warmly bool  `json:"warmly"`
	}
	guest struct {
		Name personal.Text `json:"name"`
	}
)

func (greetedV1) EventName() event.Name { return "test.greeted.v1" }
func (greetedV2) EventName() event.Name { return "test.greeted.v2" }
func (greeted) EventName() event.Name   { return "test.greeted.v3" }

func greetings() *event.Registry {
	return event.NewRegistry([]event.Kind{
		event.Upcast(func(old greetedV1) greetedV2 { return greetedV2{Name: old.Name, Times: 1} }),
		event.Upcast(func(old greetedV2) greeted { return greeted{Guest: guest{old.Name}, Warmly: old.Times > 2} }),
		event.KindOf[greeted](),
	})
}

// goldenGreetings are the bytes as they were written when their version was the newest.
var goldenGreetings = map[event.Name]string{
	"test.greeted.v1": `{"specversion":"1.0","id":"0190b0a0-0000-7000-8000-000000000001","source":"test","type":"test.greeted.v1","subject":"test/1","time":"2026-03-02T12:00:00.000Z","datacontenttype":"application/json","streamversion":1,"data":{"fact":{"name":{"sealed":"/gysfZyYHYgHesPL5fgQ5oLAdONNgxor9c9d3cuO4im2LzrFLWRnFDLiBpz5ShyMMPcDcsCaXV0BkqIJ1EyqGxc1Y/U7/G4JSOXc7J5uyatsLmKuMQWnAhW7Y4s=","key":"test/1"}},"actor":{"role":"visitor","who":{"sealed":"29c0C7BdZUlngW9nQkagEybFDQlSFLvSOItqxLzqyuY9dcAy328smArkVmgtZoAFe1yjArE4EBasZ6QlOmZY+MFR1rbVodcuqP96RdgELlghmj3q2Rr++uuFoNU=","key":"test/1"}},"salt":{"sealed":"ZEWwr8EOpenrNpTtgRhJFwzwesny13RehzjtBepQ88rmVHeqLv7Nei5ifX/TfHrCUcmi4ymdx5AP9M2lemFu2MGZECeokLZ8G94F/eBoZfTCSiYdM4SOoqgMGkg=","key":"test/1"}}}`,
	"test.greeted.v2": `{"specversion":"1.0","id":"0190b0a0-0000-7000-8000-000000000001","source":"test","type":"test.greeted.v2","subject":"test/1","time":"2026-03-02T12:00:00.000Z","datacontenttype":"application/json","streamversion":1,"data":{"fact":{"name":{"sealed":"rwQvn8Rktc17mDr4OpGv03Ogiq6LbTnJad2A4MnN6kVbo3A5lCON8L/JrOBE5uSS/9/38JweMY5Ee0QNcgiiDDmffUM1C1n8NyDIerwrZ29S4PREdzRuFX58MJU=","key":"test/1"},"times":3},"actor":{"role":"visitor","who":{"sealed":"rRUVe8Hgk+126WL0n1UqKdmWGV1Ud34daKbPHCSt0gji6ovDKBXo+FkJpqa2pmkgyTs7wO1smOFYssQUqRAD1fjgFIqZSjdbsi8NHBowg/FR0/Br1fa/uyZxkM0=","key":"test/1"}},"salt":{"sealed":"mkMZi5zzrgiqZNUvZi6zJguc550xxbS5CnSAdGQdlNCvWcgU8W+X56qGg7BDuy8yosL1iPljOEpfNSYTwSi6Os0rmxTTHzK4lq9/PM1A3U5iEcQ4Je9cVi4PTd0=","key":"test/1"}}}`,
}

func TestOldBytesAreReadAsTheNewestVersion(t *testing.T) {
	codec := NewCodec("test", greetings(), testKeys{})
	tests := map[event.Name]bool{"test.greeted.v1": false, "test.greeted.v2": true}
	for name, warmly := range tests {
		t.Run(string(name), func(t *testing.T) {
			body := []byte(goldenGreetings[name])
			env, err := codec.Decode(t.Context(), 5, body)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := env.Fact.(greeted)
			if !ok || got.Guest.Name != personal.Of("Ada") || got.Warmly != warmly || env.Seq != 5 {
				t.Errorf("read %#v", env.Fact)
			}
			if string(body) != goldenGreetings[name] {
				t.Error("the stored bytes were changed")
			}
		})
	}
}

// What an old version sealed stays sealed, or erased, in the newest.
func TestUpcastingOpensNothing(t *testing.T) {
	tests := map[string]struct {
		given Keys
		then  personal.Text
		fails error
	}{
		"no keys":       {nil, personal.Sealed, nil},
		"destroyed key": {noKeys{personal.ErrDestroyed}, personal.Erased, nil},
		"lost key":      {noKeys{personal.ErrNoKey}, personal.Text{}, personal.ErrNoKey},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env, err := NewCodec("test", greetings(), tt.given).Decode(t.Context(), 1, []byte(goldenGreetings["test.greeted.v1"]))
			if !errors.Is(err, tt.fails) {
				t.Fatal(err)
			}
			if err == nil && env.Fact.(greeted).Guest.Name != tt.then {
				t.Errorf("read as %v", env.Fact)
			}
		})
	}
}

func TestOldVersionsAreNotWritten(t *testing.T) {
	codec := NewCodec("test", greetings(), testKeys{})
	env := somebody("Ada")
	env.Fact = greetedV2{Name: personal.Of("Ada"), Times: 2}
	if _, err := codec.Encode(env, newTestKey("test/1")); err == nil || !strings.Contains(err.Error(), "not written any more") {
		t.Errorf("got %v", err)
	}
	env.Fact = greeted{Guest: guest{personal.Of("Ada")}}
	if _, err := codec.Encode(env, newTestKey("test/1")); err != nil {
		t.Error(err)
	}
}
