package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// MaxFact is how many bytes one fact may have as it is stored. More is [event.ErrTooLarge].
const MaxFact = 256 << 10

// Codec turns facts into the bytes that are the Kafka value, and back.
type Codec struct {
	source string
	facts  *event.Registry
	shapes map[event.Name]shape
	keys   Keys
}

// NewCodec returns a codec. source names the cell of the service that writes. Without keys
// personal fields are read as [personal.Sealed]. A fact type that cannot be read again as it
// was written panics here.
func NewCodec(source string, facts *event.Registry, keys Keys) *Codec {
	return &Codec{source: source, facts: facts, shapes: shapesOf(facts), keys: keys}
}

// seals says whether a fact seals anything: then it needs the key of its stream.
func (c *Codec) seals(env event.Envelope) bool {
	return c.shapes[env.Fact.EventName()].personal || !env.Actor.Who.IsEmpty() ||
		env.Decision != nil && len(env.Decision.Personal) > 0
}

// Encode returns the bytes of a fact; seq is no part of them. key is needed when the fact
// seals anything.
func (c *Codec) Encode(env event.Envelope, key personal.Key) ([]byte, error) {
	name := env.Fact.EventName()
	s, known := c.shapes[name]
	if !known {
		return nil, fmt.Errorf("ledger: the fact %s is not registered", name)
	}
	if kind, _ := c.facts.Kind(name); kind.Old() {
		return nil, fmt.Errorf("ledger: the fact %s is an old version, which is not written any more", name)
	}
	h := header{id: env.ID, source: c.source, name: name, stream: env.Stream, version: env.Version, at: env.At, cause: env.Cause}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	body, err := h.appendTo(make([]byte, 0, 2048))
	if err == nil {
		body, err = c.appendData(body, s, env, key)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return append(body, '}'), nil
}

func (c *Codec) appendData(to []byte, s shape, env event.Envelope, key personal.Key) ([]byte, error) {
	seal := func(to []byte, path string, t personal.Text) ([]byte, error) {
		plain, ok := t.Reveal()
		if !ok {
			return nil, fmt.Errorf("a text that is %s cannot be recorded", t)
		}
		return appendSealed(to, key, env.ID, path, []byte(plain))
	}
	to, err := s.write(append(to, `{"fact":`...), "fact", reflect.ValueOf(env.Fact), seal)
	if err != nil {
		return nil, err
	}
	to = append(to, `,"actor":{"role":`...)
	if to, err = appendJSON(to, env.Actor.Role); err != nil {
		return nil, err
	}
	sealing := c.seals(env)
	if sealing {
		if to, err = seal(append(to, `,"who":`...), "actor.who", env.Actor.Who); err != nil {
			return nil, err
		}
	}
	to = append(to, '}')
	if env.Decision != nil {
		if to, err = appendDecision(append(to, `,"decision":`...), *env.Decision, seal); err != nil {
			return nil, err
		}
	}
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails
	to = append(to, `,"salt":`...)
	if sealing {
		to, err = appendSealed(to, key, env.ID, "salt", salt[:])
	} else {
		to = append(hex.AppendEncode(append(to, '"'), salt[:]), '"')
	}
	return append(to, '}'), err
}

// Decode reads a fact as it stands in the record under seq. An old version is read as the
// newest one; a fact of a kind that this build does not know is an [event.Unknown]. Personal
// fields are opened with the codec's keys: those of a destroyed key are [personal.Erased], a
// key that is missing without having been destroyed is an error at which a reader must stop.
func (c *Codec) Decode(ctx context.Context, seq int64, body []byte) (event.Envelope, error) {
	env, err := c.decode(ctx, body, c.keys)
	if err != nil {
		return event.Envelope{}, fmt.Errorf("decode fact %d of the record: %w", seq, err)
	}
	env.Seq = seq
	return env, nil
}

func (c *Codec) decode(ctx context.Context, body []byte, keys Keys) (event.Envelope, error) {
	env, err := c.decodeStored(ctx, body, keys)
	if err == nil {
		env.Fact = c.facts.Newest(env.Fact)
	}
	return env, err
}

// decodeStored reads a fact as the version that it was written as.
func (c *Codec) decodeStored(ctx context.Context, body []byte, keys Keys) (event.Envelope, error) {
	h, raw, err := readEnvelope(body)
	if err != nil {
		return event.Envelope{}, err
	}
	data, err := readObject(raw)
	if err != nil {
		return event.Envelope{}, err
	}
	if err := data.only("fact", "actor", "decision", "salt"); err != nil {
		return event.Envelope{}, err
	}
	env := event.Envelope{ID: h.id, Stream: h.stream, Version: h.version, At: h.at, Cause: h.cause}
	open := &opener{ctx: ctx, keys: keys, fact: h.id}
	if env.Fact, err = c.readFact(h.name, &data, open); err != nil {
		return event.Envelope{}, err
	}
	if env.Actor, err = readActor(&data, open); err != nil {
		return event.Envelope{}, err
	}
	if env.Decision, err = readDecision(&data, open); err != nil {
		return event.Envelope{}, err
	}
	return env, checkSalt(&data)
}

func (c *Codec) readFact(name event.Name, data *members, open *opener) (event.Fact, error) {
	raw, there := data.get("fact")
	if !there {
		return nil, malformed("no member fact")
	}
	kind, known := c.facts.Kind(name)
	if !known {
		if _, err := readObject(raw); err != nil {
			return nil, err
		}
		return event.Unknown{Name: name, Body: slices.Clone(raw)}, nil
	}
	v := kind.New().Elem()
	if err := c.shapes[name].read(raw, "fact", v, open.text); err != nil {
		return nil, err
	}
	return v.Interface().(event.Fact), nil // a registered kind is a fact
}

func readActor(data *members, open *opener) (event.Actor, error) {
	raw, there := data.get("actor")
	if !there {
		return event.Actor{}, malformed("no member actor")
	}
	m, err := readObject(raw)
	if err != nil {
		return event.Actor{}, err
	}
	if err := m.only("role", "who"); err != nil {
		return event.Actor{}, err
	}
	role, err := m.text("role")
	if err != nil {
		return event.Actor{}, err
	}
	actor := event.Actor{Role: event.Role(role)}
	if who, there := m.get("who"); there {
		actor.Who, err = open.text(who, "actor.who")
	}
	return actor, err
}

// checkSalt checks the salt's form. Nobody needs its value: it makes the bytes unguessable.
func checkSalt(data *members) error {
	raw, there := data.get("salt")
	if !there {
		return malformed("no member salt")
	}
	if raw[0] == '{' {
		_, err := readSealed(raw, "salt")
		return err
	}
	salt, err := readText("salt", raw)
	if err != nil {
		return err
	}
	if b, err := hex.DecodeString(salt); err != nil || len(b) != 16 {
		return malformed("the salt is not 128 bits")
	}
	return nil
}
