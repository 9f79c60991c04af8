package ledger

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// testKey seals with AES-256-GCM under a secret that everybody knows.
type testKey struct {
	name personal.KeyID
	cipher.AEAD
}

func newTestKey(name personal.KeyID) testKey {
	block, err := aes.NewCipher([]byte("an AES-256 key that all can read"))
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES fits GCM
	}
	return testKey{name, aead}
}

func (k testKey) ID() personal.KeyID { return k.name }

func (k testKey) Seal(plain, context []byte) ([]byte, error) {
	return k.AEAD.Seal(nil, nil, plain, context), nil
}

func (k testKey) Open(sealed, context []byte) ([]byte, error) {
	return k.AEAD.Open(nil, nil, sealed, context)
}

func (testKey) SealTo(io.Writer, []byte) (io.WriteCloser, error) { panic("not used here") }
func (testKey) OpenFrom(io.Reader, []byte) (io.Reader, error)    { panic("not used here") }
func (testKey) PlainSize(int64) int64                            { panic("not used here") }

// testKeys knows every key.
type testKeys struct{}

func (testKeys) Key(_ context.Context, name personal.KeyID) (personal.Key, error) {
	return newTestKey(name), nil
}

// noKeys answers every question with one error.
type noKeys struct{ err error }

func (k noKeys) Key(context.Context, personal.KeyID) (personal.Key, error) { return nil, k.err }

// person is a fact with everything that can stand in one.
type person struct {
	Name    personal.Text     `json:"name"`
	At      time.Time         `json:"at"`
	Home    address           `json:"home"`
	Tags    []string          `json:"tags"`
	Counts  map[string]int64  `json:"counts"`
	Maybe   *bool             `json:"maybe"`
	Nothing struct{}          `json:"nothing"`
	Ages    []struct{ A int } `json:"ages"`
}

type address struct {
	Street personal.Text `json:"street"`
	Floor  int           `json:"floor"`
}

func (person) EventName() event.Name { return "test.person.v1" }

// harmless has nothing personal.
type harmless struct {
	Text string `json:"text"`
}

func (harmless) EventName() event.Name { return "test.harmless.v1" }

func testCodec(keys Keys) *Codec {
	return NewCodec("test", event.NewRegistry([]event.Kind{event.KindOf[person](), event.KindOf[harmless]()}), keys)
}

var (
	factID = id.Fact("0190b0a0-0000-7000-8000-000000000001")
	noon   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func somebody(who string) event.Envelope {
	return event.Envelope{
		ID: factID, Stream: "test/1", Version: 1, At: noon,
		Actor: event.Actor{Role: event.Operator, Who: personal.Of(who)},
		Fact:  person{Name: personal.Of(who), Home: address{Street: personal.Of(who)}},
	}
}

// texts are personal texts in the states in which they can be recorded.
var texts = rapid.Map(rapid.String(), personal.Of)

// What is written is read again as it was, whatever it is; times to the millisecond.
func TestRoundTrip(t *testing.T) {
	codec := testCodec(testKeys{})
	times := rapid.Map(rapid.Int64Range(0, 4e12), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
	names := rapid.StringMatching(`[!-~]{1,200}`)
	rapid.Check(t, func(t *rapid.T) {
		env := event.Envelope{
			ID:      factID,
			Stream:  event.Stream(names.Draw(t, "stream")),
			Version: rapid.Int64Min(1).Draw(t, "version"),
			At:      times.Draw(t, "at"),
			Actor:   event.Actor{Role: event.Role(rapid.String().Draw(t, "role")), Who: texts.Draw(t, "who")},
			Fact:    harmless{Text: rapid.String().Draw(t, "text")},
		}
		if rapid.Bool().Draw(t, "personal") {
			p := person{
				Name: texts.Draw(t, "name"), At: times.Draw(t, "when"),
				Home: address{Street: texts.Draw(t, "street"), Floor: rapid.Int().Draw(t, "floor")},
				Tags: rapid.SliceOf(rapid.String()).Draw(t, "tags"), Counts: map[string]int64{"n": rapid.Int64().Draw(t, "n")},
			}
			env.Fact = p
		}
		if rapid.Bool().Draw(t, "caused") {
			env.Cause = event.Cause{Fact: factID, Request: id.Request(names.Draw(t, "request"))}
		}
		if rapid.Bool().Draw(t, "decided") {
			env.Decision = &event.Decision{
				Rule: rapid.String().Draw(t, "rule"), Promises: []string{"image.delete-24h"}, Revision: 3, Outcome: "allow",
				Input: json.RawMessage(`{"a":"<&>","b":[1,{"c":null}]}`),
			}
		}
		body, err := codec.Encode(env, newTestKey(personal.KeyID(env.Stream)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Decode(t.Context(), 7, body)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		env.Seq = 7
		if !reflect.DeepEqual(got, env) {
			t.Fatalf("wrote %+v\nread  %+v\n%s", env, got, body)
		}
	})
}

// Neither the presence of a personal value nor its length (to the block) can be told from
// the stored bytes, and no value stands in them.
func TestSealedBytesBetrayNothing(t *testing.T) {
	codec := testCodec(testKeys{})
	sizes := map[int]bool{}
	for _, who := range []string{"", "x", strings.Repeat("y", 63)} {
		body, err := codec.Encode(somebody(who), newTestKey("test/1"))
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(body)] = true
		if len(who) > 1 && bytes.Contains(body, []byte(who)) {
			t.Errorf("in clear: %s", body)
		}
	}
	if len(sizes) != 1 {
		t.Errorf("sizes %v", sizes)
	}
}

func TestKeysAndWhatIsRead(t *testing.T) {
	written := testCodec(nil)
	body, err := written.Encode(somebody("Ada"), newTestKey("test/1"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		given Keys
		then  func(personal.Text) bool
		fails error
	}{
		"no keys":       {then: personal.Text.IsSealed},
		"live key":      {given: testKeys{}, then: func(x personal.Text) bool { s, ok := x.Reveal(); return ok && s == "Ada" }},
		"destroyed key": {given: noKeys{personal.ErrDestroyed}, then: personal.Text.IsErased},
		"lost key":      {given: noKeys{personal.ErrNoKey}, fails: personal.ErrNoKey},
		"vault away":    {given: noKeys{context.DeadlineExceeded}, fails: context.DeadlineExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env, err := testCodec(tt.given).Decode(t.Context(), 1, body)
			if !errors.Is(err, tt.fails) || tt.fails != nil && env.Fact != nil {
				t.Fatalf("got %v, %v", env, err)
			}
			if tt.fails != nil {
				return
			}
			p := env.Fact.(person)
			for field, text := range map[string]personal.Text{"name": p.Name, "street": p.Home.Street, "who": env.Actor.Who} {
				if !tt.then(text) {
					t.Errorf("%s is %s", field, text)
				}
			}
		})
	}
}

// A sealed value is bound to its fact and its field.
func TestSealedValuesCannotBeMoved(t *testing.T) {
	codec := testCodec(testKeys{})
	body, err := codec.Encode(somebody("Ada"), newTestKey("test/1"))
	if err != nil {
		t.Fatal(err)
	}
	var env struct {
		Data struct {
			Fact struct {
				Name json.RawMessage `json:"name"`
				Home struct {
					Street json.RawMessage `json:"street"`
				} `json:"home"`
			} `json:"fact"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &env); err != nil {
		t.Fatal(err)
	}
	name, street := env.Data.Fact.Name, env.Data.Fact.Home.Street
	moved := bytes.Replace(body, name, street, 1)
	if _, err := codec.Decode(t.Context(), 1, moved); err == nil {
		t.Error("moved to another field, and opened")
	}
	other := bytes.Replace(body, []byte(factID), []byte("0190b0a0-0000-7000-8000-000000000002"), 1)
	if _, err := codec.Decode(t.Context(), 1, other); err == nil {
		t.Error("moved to another fact, and opened")
	}
}

func TestUnknownFact(t *testing.T) {
	codec := testCodec(testKeys{})
	env := somebody("Ada")
	body, err := codec.Encode(env, newTestKey("test/1"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewCodec("test", Facts(), testKeys{}).Decode(t.Context(), 9, body)
	if err != nil {
		t.Fatal(err)
	}
	unknown, ok := got.Fact.(event.Unknown)
	if !ok || unknown.Name != "test.person.v1" || !bytes.Contains(body, unknown.Body) || got.Version != 1 || got.Seq != 9 {
		t.Errorf("%+v", got)
	}
}

func TestStrictReading(t *testing.T) {
	codec := testCodec(testKeys{})
	body, err := codec.Encode(event.Envelope{
		ID: factID, Stream: "test/1", Version: 1, At: noon, Actor: event.Actor{Role: event.Clock}, Fact: harmless{Text: "t"},
		Cause: event.Cause{Fact: factID, Request: "r"}, Decision: &event.Decision{Rule: "r", Outcome: "allow", Input: json.RawMessage(`{}`)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := codec.Decode(t.Context(), 1, body); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ from, to string }{
		"not JSON":               {`{"specversion"`, `"specversion"`},
		"not UTF-8":              {`"clock"`, "\"\xff\""},
		"unknown member":         {`"source"`, `"extra":1,"source"`},
		"member twice":           {`"source"`, `"type":"x","source"`},
		"other letters":          {`"type"`, `"Type"`},
		"name with an escape":    {`"type"`, `"\u0074ype"`},
		"other version":          {`"1.0"`, `"1.1"`},
		"no id":                  {string(factID), "x"},
		"upper-case id":          {"0190b0a0", "0190B0A0"},
		"time with an offset":    {`12:00:00.000Z`, `12:00:00.000+01:00`},
		"time without fraction":  {`12:00:00.000Z`, `12:00:00Z`},
		"version zero":           {`"streamversion":1`, `"streamversion":0`},
		"version as text":        {`"streamversion":1`, `"streamversion":"1"`},
		"empty request":          {`"requestid":"r"`, `"requestid":""`},
		"null request":           {`"requestid":"r"`, `"requestid":null`},
		"no data":                {`"data"`, `"dota"`},
		"unknown in data":        {`"actor"`, `"x":1,"actor"`},
		"unknown in the fact":    {`{"text"`, `{"x":1,"text"`},
		"nothing in the fact":    {`{"text":"t"}`, `{}`},
		"fact's member is null":  {`{"text":"t"}`, `{"text":null}`},
		"fact's other type":      {`{"text":"t"}`, `{"text":1}`},
		"actor without role":     {`{"role":"clock"}`, `{}`},
		"unknown in the actor":   {`{"role":"clock"}`, `{"role":"clock","x":1}`},
		"decision without input": {`,"input":{}`, ``},
		"unknown in decision":    {`"rule"`, `"x":1,"rule"`},
		"salt too short":         {`"salt":"`, `"salt":"0`},
		"salt missing":           {`"salt"`, `"salt":"","solt"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Replace(body, []byte(tt.from), []byte(tt.to), 1)
			if bytes.Equal(changed, body) {
				t.Fatalf("nothing to change in %s", body)
			}
			if env, err := codec.Decode(t.Context(), 1, changed); !errors.Is(err, errMalformed) {
				t.Errorf("read %+v, %v", env, err)
			}
		})
	}
}

func TestNotRecordable(t *testing.T) {
	codec := testCodec(testKeys{})
	tests := map[string]func(*event.Envelope){
		"sealed text":        func(e *event.Envelope) { e.Fact = person{Name: personal.Sealed} },
		"erased text":        func(e *event.Envelope) { e.Fact = person{Name: personal.Erased} },
		"unregistered":       func(e *event.Envelope) { e.Fact = image.Downloaded{} },
		"no stream":          func(e *event.Envelope) { e.Stream = "" },
		"stream with spaces": func(e *event.Envelope) { e.Stream = "a b" },
		"no id":              func(e *event.Envelope) { e.ID = "" },
		"far future":         func(e *event.Envelope) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"input not JSON":     func(e *event.Envelope) { e.Decision = &event.Decision{Input: json.RawMessage(`{`)} },
		"input with spaces":  func(e *event.Envelope) { e.Decision = &event.Decision{Input: json.RawMessage(`{ }`)} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			env := somebody("Ada")
			change(&env)
			if body, err := codec.Encode(env, newTestKey("test/1")); err == nil {
				t.Errorf("recorded %s", body)
			}
		})
	}
}

type (
	hiddenText struct {
		Texts []personal.Text `json:"texts"`
	}
	noTag struct{ Text string }
	omits struct {
		Text string `json:"text,omitempty"`
	}
	anything struct {
		Value any `json:"value"`
	}
	unexported struct{ text string }
)

func (hiddenText) EventName() event.Name   { return "test.hidden_text.v1" }
func (noTag) EventName() event.Name        { return "test.no_tag.v1" }
func (omits) EventName() event.Name        { return "test.omits.v1" }
func (anything) EventName() event.Name     { return "test.anything.v1" }
func (u unexported) EventName() event.Name { return "test.unexported.v1" + event.Name(u.text) }

// A fact type that could lose or leak something is noticed when the program starts.
func TestUnfitFactTypesPanic(t *testing.T) {
	for _, kind := range []event.Kind{
		event.KindOf[hiddenText](), event.KindOf[noTag](), event.KindOf[omits](), event.KindOf[anything](), event.KindOf[unexported](),
	} {
		t.Run(string(kind.Name), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			NewCodec("test", event.NewRegistry([]event.Kind{kind}), nil)
		})
	}
}

func TestPadding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "plain")
		padded := pad(plain)
		got, err := unpad(padded)
		if err != nil || !bytes.Equal(got, plain) || len(padded)%block != 0 || len(padded) <= len(plain) {
			t.Fatalf("%x became %x, %v", plain, padded, err)
		}
	})
	for _, bad := range [][]byte{nil, make([]byte, 64), make([]byte, 63), bytes.Repeat([]byte{1}, 64), append(pad(nil), 0)} {
		if got, err := unpad(bad); err == nil {
			t.Errorf("%x became %x", bad, got)
		}
	}
}

// Whatever bytes come, decoding ends in a fact or an error, with keys or without, and
// nothing personal is printed.
func FuzzDecode(f *testing.F) {
	codec := testCodec(testKeys{})
	for _, who := range []string{"", "Ada"} {
		body, err := codec.Encode(somebody(who), newTestKey("test/1"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	plain, err := codec.Encode(event.Envelope{
		ID: factID, Stream: "test/1", Version: 1, At: noon, Actor: event.Actor{Role: event.Clock}, Fact: harmless{Text: "t"},
		Decision: &event.Decision{Rule: "r", Outcome: "allow", Input: json.RawMessage(`{"a":[1,"\\\""]}`)},
	}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(encoded1(f, decided(f, `{"age":"Ada","country":"FR"}`, "age")))
	f.Fuzz(func(t *testing.T, body []byte) {
		sealed, err := testCodec(nil).Decode(t.Context(), 1, body)
		if err != nil && !errors.Is(err, errMalformed) {
			t.Fatalf("an error of another kind: %v", err)
		}
		opened, openErr := codec.Decode(t.Context(), 1, body)
		if err != nil && openErr == nil {
			t.Fatalf("opened what cannot be read: %v", opened)
		}
		if err == nil && (sealed.Version < 1 || sealed.Stream == "" || sealed.Fact == nil) {
			t.Fatalf("read something that is none: %+v", sealed)
		}
		if text := fmt.Sprintf("%v %+v", opened, opened); strings.Contains(text, "Ada") {
			t.Fatalf("printed: %s", text)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	codec, known := testCodec(nil), testCodec(testKeys{})
	body, err := codec.Encode(somebody("Ada"), newTestKey("test/1"))
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]*Codec{"sealed": codec, "opened": known} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := c.Decode(b.Context(), 1, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
