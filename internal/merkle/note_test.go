package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

// The example of https://c2sp.org/tlog-checkpoint.
const example = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

// A key made of 32 equal bytes, and what it says of the example. Made with another
// implementation of Ed25519.
var goldenSecret = "PRIVATE+KEY+example.com/behind-the-sofa+252b74d2+" + base64.StdEncoding.EncodeToString(append([]byte{1}, strings.Repeat("\x07", 32)...))

const (
	goldenVerifier  = "example.com/behind-the-sofa+252b74d2+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
	goldenSignature = "JSt00p6KTYtH8opAMF2NJ7glHT4uHMzg9iBNNDYLQta3PzLlhUjMPmDAXA2L1DXjWfKrvjQJdIEVj9Tiu9f35PqL5g8="
)

func mustKey(t testing.TB, secret string) SigningKey {
	t.Helper()
	key, err := ParseSigningKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newKey(t testing.TB, origin string) SigningKey {
	t.Helper()
	key, err := NewSigningKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustSign(t testing.TB, c Checkpoint, key SigningKey) []byte {
	t.Helper()
	signed, err := SignCheckpoint(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestCheckpointOfTheSpecification(t *testing.T) {
	c, err := ParseCheckpoint(example)
	if err != nil || c.Origin != "example.com/behind-the-sofa" || c.Size != 20852163 || c.Text() != example {
		t.Fatalf("%+v, %v", c, err)
	}
	key := mustKey(t, goldenSecret)
	if key.Verifier() != goldenVerifier || key.Secret() != goldenSecret {
		t.Errorf("the key is %s", key.Verifier())
	}
	signed := mustSign(t, c, key)
	want := example + "\n— example.com/behind-the-sofa " + goldenSignature + "\n"
	if string(signed) != want {
		t.Errorf("signed:\n%s\nwant\n%s", signed, want)
	}
	if got, err := OpenCheckpoint(signed, goldenVerifier); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseCheckpointTakesOneSpellingOnly(t *testing.T) {
	root := "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	for _, text := range []string{
		"", "\n", "a\n1\n", "a\n1\n" + root, "\n1\n" + root + "\n", "a\n\n" + root + "\n", "a\n1\n\n",
		"a\n01\n" + root + "\n", "a\n+1\n" + root + "\n", "a\n-1\n" + root + "\n", "a\n1 \n" + root + "\n", "a\n9223372036854775808\n" + root + "\n",
		"a\n1\n" + root[:43] + "\n", "a\n1\n" + root + "=\n", "a\n1\n" + strings.Replace(root, "2I=", "2J=", 1) + "\n", "a\n1\n" + root + "\r\n",
		"a\n1\n" + root + "\nextension\n", "a\n1\n" + root + "\n\n", "a b\n1\n" + root + "\n", "a+b\n1\n" + root + "\n", "ä\n1\n" + root + "\n",
		strings.Repeat("a", 201) + "\n1\n" + root + "\n",
	} {
		if c, err := ParseCheckpoint(text); err == nil {
			t.Errorf("%q was read as %+v", text, c)
		}
	}
	if _, err := ParseCheckpoint("a\n0\n" + root + "\n"); err != nil {
		t.Error(err)
	}
}

func TestOnlyALogsKeyOpensItsCheckpoints(t *testing.T) {
	key, next, other := newKey(t, "log.example/1"), newKey(t, "log.example/1"), newKey(t, "log.example/2")
	c := Checkpoint{Origin: "log.example/1", Size: 3, Root: Hash{1}}
	signed := mustSign(t, c, key)
	flipped := []byte(strings.Replace(string(signed), "\n3\n", "\n4\n", 1))
	foreign, err := note.Sign(&note.Note{Text: c.Text()}, other)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another key":           second(OpenCheckpoint(signed, next.Verifier())),
		"no key":                second(OpenCheckpoint(signed)),
		"no verifier":           second(OpenCheckpoint(signed, "log.example/1+00000000+AA")),
		"a changed size":        second(OpenCheckpoint(flipped, key.Verifier())),
		"another log's key":     second(OpenCheckpoint(foreign, other.Verifier())),
		"signed for another":    second(SignCheckpoint(c, other)),
		"too long":              second(OpenCheckpoint(append(signed, make([]byte, 65<<10)...), key.Verifier())),
		"an origin that spoils": second(NewSigningKey("a b")),
		"no origin":             second(NewSigningKey("")),
		"no key at all":         second(ParseSigningKey("PRIVATE+KEY+a+00000000+AA")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got, err := OpenCheckpoint(signed, next.Verifier(), key.Verifier()); err != nil || got != c {
		t.Errorf("one of two keys: %+v, %v", got, err)
	}
}

func TestKeysPrintNothingSecret(t *testing.T) {
	key := mustKey(t, goldenSecret)
	seed := goldenSecret[strings.LastIndexByte(goldenSecret, '+')+1:]
	for _, printed := range []string{
		fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key), fmt.Sprint(&key), key.LogValue().String(),
		fmt.Sprint(struct{ K SigningKey }{key}),
	} {
		if strings.Contains(printed, seed) || strings.Contains(printed, "7 7 7 7") {
			t.Errorf("printed: %s", printed)
		}
	}
}

func TestRotationsFormAChain(t *testing.T) {
	keys := []SigningKey{newKey(t, "log.example"), newKey(t, "log.example"), newKey(t, "log.example")}
	rotate := func(from int64, old, next SigningKey) []byte {
		signed, err := SignRotation(Rotation{Origin: "log.example", Verifier: next.Verifier(), From: from}, old)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	first, second := rotate(10, keys[0], keys[1]), rotate(20, keys[1], keys[2])
	chain, err := FollowKeys(keys[0].Verifier(), [][]byte{first, second})
	if err != nil || len(chain.Verifiers()) != 3 || chain.Newest() != keys[2].Verifier() {
		t.Fatalf("%+v, %v", chain, err)
	}
	if vkeys, err := Verifiers(keys[0].Verifier(), [][]byte{first, second}); err != nil || vkeys[1] != keys[1].Verifier() {
		t.Errorf("%v, %v", vkeys, err)
	}
	for size, by := range map[int64]int{0: 0, 10: 0, 11: 1, 20: 1, 21: 2} {
		for i, key := range keys {
			c := Checkpoint{Origin: "log.example", Size: size, Root: Hash{7}}
			_, err := chain.Open(mustSign(t, c, key))
			if (err == nil) != (i == by) {
				t.Errorf("size %d signed by key %d: %v", size, i, err)
			}
		}
	}
	for name, rotations := range map[string][][]byte{
		"not signed by the key before": {second},
		"the wrong order":              {second, first},
		"back in size":                 {first, rotate(9, keys[1], keys[2])},
		"a checkpoint":                 {mustSign(t, Checkpoint{Origin: "log.example", Size: 1}, keys[0])},
		"nothing":                      {nil},
	} {
		if _, err := FollowKeys(keys[0].Verifier(), rotations); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	foreign := newKey(t, "log.example/2")
	if _, err := SignRotation(Rotation{Origin: "log.example", Verifier: foreign.Verifier()}, keys[0]); err == nil {
		t.Error("a key hands over to another log's")
	}
	if _, err := ReadCheckpoint(first); err == nil {
		t.Error("a rotation was read as a checkpoint")
	}
}

func TestWitnessesOfOthersAreUnderstood(t *testing.T) {
	key := newKey(t, "log.example")
	signed := mustSign(t, Checkpoint{Origin: "log.example", Size: 5, Root: Hash{5}}, key)
	_, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := torchwood.NewCosignatureSigner("witness.example/w1", secret)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ParseWitness(theirs.Verifier().String())
	if err != nil || w.Name() != theirs.Name() || w.KeyHash() != theirs.KeyHash() {
		t.Fatalf("%+v, %v", w, err)
	}
	text, own, err := Split(signed)
	if err != nil || len(own) != 1 {
		t.Fatal(own, err)
	}
	line := func(text string) string {
		cosigned, err := note.Sign(&note.Note{Text: text}, theirs)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(string(cosigned), text+"\n")
	}
	both, err := Cosign(signed, own[0]+line(text), w)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Cosignatures(both, w)
	if err != nil || len(found) != 1 || found[0].Witness != "witness.example/w1" || time.Since(found[0].At).Abs() > time.Minute {
		t.Errorf("%+v, %v", found, err)
	}
	if string(both) != string(signed)+found[0].Line {
		t.Errorf("cosigned:\n%s", both)
	}
	if _, err := OpenCheckpoint(both, key.Verifier()); err != nil {
		t.Errorf("the log's signature is lost: %v", err)
	}
	if again, err := Cosign(both, line(text), w); err != nil || string(again) != string(both) {
		t.Errorf("signed twice: %v\n%s", err, again)
	}
	if none, err := Cosignatures(signed, w); err != nil || len(none) != 0 {
		t.Errorf("not cosigned: %v, %v", none, err)
	}
	another := Checkpoint{Origin: "log.example", Size: 6, Root: Hash{6}}.Text()
	for name, lines := range map[string]string{
		"nothing": "", "of another checkpoint": line(another), "no line": "hello\n", "not of the witness": own[0], "a longer text": another + "\n" + line(another), "a shorter text": "\n" + line(text),
	} {
		if out, err := Cosign(signed, lines, w); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestWitnessKeys(t *testing.T) {
	log := newKey(t, "witness.example").Verifier()
	good := func() string {
		_, secret, _ := ed25519.GenerateKey(nil)
		s, err := torchwood.NewCosignatureSigner("witness.example", secret)
		if err != nil {
			t.Fatal(err)
		}
		return s.Verifier().String()
	}()
	if _, err := ParseWitness(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "witness.example", log, "x" + good, good + "A", strings.ToUpper(good[:20]) + good[20:], strings.Replace(good, "+", " ", 1)} {
		if _, err := ParseWitness(bad); err == nil {
			t.Errorf("%q is taken for a witness's key", bad)
		}
	}
}

func TestCheckpointsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var root Hash
		copy(root[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root"))
		c := Checkpoint{Origin: rapid.StringMatching(`[a-z0-9./:-]{1,40}`).Draw(t, "origin"), Size: rapid.Int64Min(0).Draw(t, "size"), Root: root}
		if got, err := ParseCheckpoint(c.Text()); err != nil || got != c {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(example)
	f.Add("a\n0\n" + Hash{}.String() + "\n")
	f.Add("a\n01\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCheckpoint(text); err == nil && c.Text() != text {
			t.Errorf("%q was read as %+v", text, c)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	key, err := ParseSigningKey(goldenSecret)
	if err != nil {
		f.Fatal(err)
	}
	c, err := ParseCheckpoint(example)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := SignCheckpoint(c, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte(example + "\n— a AAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Nobody else has the key: what opens says what was signed once.
		if got, err := OpenCheckpoint(data, goldenVerifier); err == nil && got != c {
			t.Errorf("%q was opened as %+v", data, got)
		}
		if got, err := ReadCheckpoint(data); err == nil && !strings.HasPrefix(string(data), got.Text()+"\n") {
			t.Errorf("%q was read as %+v", data, got)
		}
		if _, err := OpenRotation(data, goldenVerifier); err == nil {
			t.Errorf("%q is a rotation", data)
		}
		if _, _, err := Split(data); err != nil && errors.Is(err, ErrProof) {
			t.Error(err)
		}
	})
}
