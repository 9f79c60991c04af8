package ledger

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// decided is a fact without anything personal of its own, by a decision on a question.
func decided(t testing.TB, question string, attributes ...string) event.Envelope {
	t.Helper()
	d := event.Decision{Rule: "sharing.share", Promises: []string{"share.none"}, Revision: 5, Outcome: "allow"}
	if err := d.Ask(json.RawMessage(question), attributes); err != nil {
		t.Fatal(err)
	}
	return event.Envelope{
		ID: factID, Stream: "test/1", Version: 1, At: noon, Actor: event.Actor{Role: event.Clock}, Fact: harmless{Text: "t"}, Decision: &d,
	}
}

func encoded1(t testing.TB, env event.Envelope) []byte {
	t.Helper()
	body, err := testCodec(nil).Encode(env, newTestKey("test/1"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Whatever a rule is asked, and whichever attributes are personal: it is read as the same bytes while there is the
// key, and once that is destroyed the personal ones are gone, also from the bytes of the record.
func TestPersonalAttributesOfDecisions(t *testing.T) {
	const secret = "canary-"
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,8}`), rapid.StringMatching(secret+`[a-z0-9 <&>]{0,20}`), 0, 6).Draw(rt, "attributes")
		closed := []string{}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if rapid.Bool().Draw(rt, name+" is personal") {
				closed = append(closed, name)
			}
		}
		question, err := appendJSON(nil, all)
		if err != nil {
			rt.Fatal(err)
		}
		env := decided(t, string(question), closed...)
		body := encoded1(t, env)

		live, err := testCodec(testKeys{}).Decode(rt.Context(), 1, body)
		if err != nil {
			rt.Fatal(err)
		}
		if again, whole := live.Decision.Question(); !whole || !bytes.Equal(again, question) || !reflect.DeepEqual(live.Decision, env.Decision) {
			rt.Fatalf("asked %s, and read %s, %v", question, again, whole)
		}
		if again := encoded1(t, live); len(again) != len(body) {
			rt.Fatalf("written again as %s, not %s", again, body)
		}
		for _, name := range closed {
			value, _ := json.Marshal(name)
			if bytes.Contains(body, append(value, ':')) {
				rt.Fatalf("%s stands in clear in %s", name, body)
			}
		}
		if got := bytes.Count(body, []byte(secret)); got != len(all)-len(closed) {
			rt.Fatalf("%d of %d values stand in %s", got, len(all)-len(closed), body)
		}

		for name, keys := range map[string]Keys{"erased": noKeys{personal.ErrDestroyed}, "sealed": nil} {
			gone, err := testCodec(keys).Decode(rt.Context(), 1, body)
			if err != nil {
				rt.Fatal(err)
			}
			d := gone.Decision
			if part, whole := d.Question(); whole != (len(closed) == 0) {
				rt.Fatalf("%s, and the question is %s", name, part)
			}
			if !bytes.Equal(d.Input, env.Decision.Input) || !slices.Equal(d.Personal, env.Decision.Personal) ||
				d.Sealed.IsErased() != (name == "erased" && len(closed) > 0) || d.Sealed.IsSealed() != (name == "sealed" && len(closed) > 0) {
				rt.Fatalf("%s, and reads %+v", name, d)
			}
		}
	})
}

// fixedKey seals the same bytes for the same text.
type fixedKey struct{ testKey }

func (k fixedKey) Seal(plain, context []byte) ([]byte, error) {
	cipherBlock, err := aes.NewCipher([]byte("an AES-256 key that all can read"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(cipherBlock)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	return aead.Seal(nonce, nonce, plain, context), nil
}

// These bytes stand in records for ever.
func TestGoldenDecision(t *testing.T) {
	const (
		open   = `{"rule":"sharing.share","promises":["share.none"],"revision":5,"outcome":"allow","input":{"country":"FR"}}`
		closed = `{"rule":"sharing.share","promises":["share.none"],"revision":5,"outcome":"allow","input":{"country":"FR"},"personal":["gpc","objected","restricted"],` +
			`"sealed":{"sealed":"AAAAAAAAAAAAAAAA0OULnbPSQ/1LB0ASptbI5Ht6lbycJs33sRGNTcu3n4RkKp2PYDduDE6kWGnycbW98UXKjlI8W9y8pXsuTSLR2AOEzSS9gFOXAyoWUvOnYTw=","key":"test/1"}}`
	)
	for want, env := range map[string]event.Envelope{
		open:   decided(t, `{"country":"FR"}`),
		closed: decided(t, `{"country":"FR","gpc":true,"objected":false,"restricted":false}`, "gpc", "objected", "restricted"),
	} {
		got, err := appendDecision(nil, *env.Decision, func(to []byte, path string, text personal.Text) ([]byte, error) {
			plain, _ := text.Reveal()
			return appendSealed(to, fixedKey{newTestKey("test/1")}, factID, path, []byte(plain))
		})
		if err != nil || string(got) != want {
			t.Errorf("%v, written as\n%s\nnot\n%s", err, got, want)
		}
		data := members{names: []string{"decision"}, values: [][]byte{[]byte(want)}}
		d, err := readDecision(&data, &opener{ctx: t.Context(), keys: testKeys{}, fact: factID})
		if err != nil || !reflect.DeepEqual(d, env.Decision) {
			t.Errorf("%v, read as %+v", err, d)
		}
	}
}

// What is personal is written under a key or not at all.
func TestPersonalAttributesNeedAKey(t *testing.T) {
	env := decided(t, `{"gpc":true}`, "gpc")
	if body, err := testCodec(nil).Encode(env, nil); !errors.Is(err, errKeyless) {
		t.Errorf("written as %s, %v", body, err)
	}
	for name, change := range map[string]func(*event.Decision){
		"erased":         func(d *event.Decision) { d.Sealed = personal.Erased },
		"sealed":         func(d *event.Decision) { d.Sealed = personal.Sealed },
		"not there":      func(d *event.Decision) { d.Sealed = personal.Text{} },
		"without a name": func(d *event.Decision) { d.Personal = nil },
		"also open":      func(d *event.Decision) { d.Input = json.RawMessage(`{"gpc":true}`) },
		"no object":      func(d *event.Decision) { d.Sealed = personal.Of(`true`) },
		"left out":       func(d *event.Decision) { d.Input = nil },
	} {
		t.Run(name, func(t *testing.T) {
			env := decided(t, `{"gpc":true}`, "gpc")
			change(env.Decision)
			if body, err := testCodec(nil).Encode(env, newTestKey("test/1")); err == nil {
				t.Errorf("written as %s", body)
			}
		})
	}
}

func TestDecisionsAreReadStrictly(t *testing.T) {
	body := encoded1(t, decided(t, `{"country":"FR","gpc":true}`, "gpc"))
	for name, tt := range map[string]struct{ from, to string }{
		"no names":         {`"personal":["gpc"],`, ``},
		"null names":       {`["gpc"]`, `null`},
		"no name":          {`["gpc"]`, `[]`},
		"names twice":      {`["gpc"]`, `["gpc","gpc"]`},
		"also open":        {`{"country":"FR"}`, `{"country":"FR","gpc":true}`},
		"no sealed part":   {`"sealed":{"sealed"`, `"x":{"sealed"`},
		"sealed is open":   {`"sealed":{"sealed":`, `"sealed":{"gpc":`},
		"input is no more": {`{"country":"FR"}`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Replace(body, []byte(tt.from), []byte(tt.to), 1)
			if bytes.Equal(changed, body) {
				t.Fatalf("nothing to change in %s", body)
			}
			for _, keys := range []Keys{nil, testKeys{}, noKeys{personal.ErrDestroyed}} {
				if env, err := testCodec(keys).Decode(t.Context(), 1, changed); !errors.Is(err, errMalformed) {
					t.Errorf("read %+v, %v", env, err)
				}
			}
		})
	}
	// What is inside is seen only with the key.
	other := strings.Replace(string(body), `["gpc"]`, `["objected"]`, 1)
	if env, err := testCodec(testKeys{}).Decode(t.Context(), 1, []byte(other)); !errors.Is(err, errMalformed) {
		t.Errorf("read %+v, %v", env, err)
	}
}

func BenchmarkEncode(b *testing.B) {
	codec, key := testCodec(nil), newTestKey("test/1")
	for name, env := range map[string]event.Envelope{
		"open":   decided(b, `{"kind":"image","period_s":86400,"uploaded":"2026-03-02T12:00:00Z"}`),
		"sealed": decided(b, `{"country":"FR","gpc":true,"objected":false}`, "gpc", "objected"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := codec.Encode(env, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
