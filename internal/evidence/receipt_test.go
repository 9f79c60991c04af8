package evidence_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/evidence"
	"github.com/bgremover/bgremover/internal/merkle"
)

// goldens are receipts as they are written, for ever.
func goldens(t fataler) map[string][]byte {
	w := newWorld(t, 4, 12)
	next := keyOf(t, origin, "second")
	handed := w.proven(t, 9, 3)
	rotation, err := merkle.SignRotation(merkle.Rotation{Origin: origin, Verifier: next.Verifier(), From: 9}, w.key)
	if err != nil {
		t.Fatalf("rotate: %v", err)
	}
	handed.Keys.Rotations = []string{string(rotation)}
	handed.Copies[1].Found = true
	return map[string][]byte{
		"promise.txt": sign(t, newWorld(t, 4, 12).record, w.key),
		"proof.txt":   sign(t, newWorld(t, 4, 12).proven(t, 12, 0), w.key),
		"rotated.txt": sign(t, handed, next),
	}
}

func TestReceiptsAreWrittenAsEver(t *testing.T) {
	for name, got := range goldens(t) {
		path := filepath.Join("testdata", name)
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is now written as\n%s", name, got)
		}
		if _, err := evidence.Check(want, evidence.Known{Key: keyOf(t, origin, "first").Verifier()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every single bit counts, in the receipt that has every part that one can have.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	whole := goldens(t)["rotated.txt"]
	for i := range 8 * len(whole) {
		flipped := bytes.Clone(whole)
		flipped[i/8] ^= 1 << (i % 8)
		_, err := evidence.Check(flipped, evidence.Known{})
		if _, refused := refusal.As(err); !refused {
			t.Fatalf("bit %d of byte %d is flipped, and the answer is %v:\n%s", i%8, i/8, err, flipped)
		}
	}
}

// No two files are one receipt: whatever else somebody makes of the bytes is refused.
func TestOtherSpellingsAreRefused(t *testing.T) {
	whole := string(goldens(t)["rotated.txt"])
	cut := strings.LastIndex(whole, " ") + 1
	signature := strings.TrimSuffix(whole[cut:], "\n")
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	other := keyOf(t, "other.example.org", "other")
	foreign, err := other.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	last := signature[len(signature)-2] // before the padding: its two low bits mean nothing
	tests := map[string]string{
		"nothing":                      "",
		"a newline more":               whole + "\n",
		"a byte more":                  whole + "x",
		"a line of space more":         whole + " \n",
		"no newline at the end":        strings.TrimSuffix(whole, "\n"),
		"something before":             "\n" + whole,
		"a byte order mark":            "\ufeff" + whole,
		"lines of Windows":             strings.ReplaceAll(whole, "\n", "\r\n"),
		"padding bits of the base64":   whole[:cut] + strings.Replace(signature, string(last)+"=", string(neighbour(t, last))+"=", 1) + "\n",
		"no padding":                   whole[:cut] + strings.TrimRight(signature, "=") + "\n",
		"base64 without its prefix":    whole[:cut] + base64.StdEncoding.EncodeToString(raw[1:]) + "\n",
		"base64 over two lines":        whole[:cut] + signature[:40] + "\n" + signature[40:] + "\n",
		"the signature twice":          whole + whole[strings.LastIndex(whole, "— "):],
		"another signature after it":   whole + "— other.example.org " + base64.StdEncoding.EncodeToString(append([]byte{1, 2, 3, 4}, foreign...)) + "\n",
		"another signature before it":  strings.Replace(whole, "\n\n", "\n\n— other.example.org "+base64.StdEncoding.EncodeToString(append([]byte{1, 2, 3, 4}, foreign...))+"\n", 1),
		"no signature":                 whole[:strings.Index(whole, "\n\n")+2],
		"only the text":                whole[:strings.Index(whole, "\n\n")+1],
		"a number with a zero before":  strings.Replace(whole, "\nfact 4 ", "\nfact 04 ", 1),
		"a time of another zone":       strings.Replace(whole, "12:02:00.000Z", "13:02:00.000+01:00", 1),
		"a member with a space before": strings.Replace(whole, `"why":"downloaded"`, `"why": "downloaded"`, 1),
		"too long":                     whole + strings.Repeat("x", evidence.MaxSize),
	}
	for name, spelled := range tests {
		if spelled == whole {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := evidence.Check([]byte(spelled), evidence.Known{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// neighbour is another letter of base64 that decodes to the same in the last place.
func neighbour(t *testing.T, c byte) byte {
	t.Helper()
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := strings.IndexByte(letters, c)
	if i < 0 || i%4 != 0 {
		t.Fatalf("%c is not what canonical base64 ends with here", c)
	}
	return letters[i+1]
}

// What the log's own key signs is still compared with the entries and the tree.
func TestWhatDoesNotAgreeIsRefused(t *testing.T) {
	sealedWho := func(key string) string {
		return strings.NewReplacer(
			`"actor":{"role":"visitor"}`, `"actor":{"role":"visitor","who":{"sealed":"AAAA","key":"`+key+`"}}`,
			`"salt":"5e997eb45f46fdf1d5eb5de75fd92571"`, `"salt":{"sealed":"AAAA","key":"`+key+`"}`,
		).Replace(deletion("downloaded"))
	}
	tests := map[string]struct {
		change func(*evidence.Receipt)
		want   error
	}{
		"as it is": {func(*evidence.Receipt) {}, nil},
		"who acted is sealed under the destroyed key": {func(r *evidence.Receipt) { r.Deletion.Body = sealedWho("image/" + string(picture)); r.Proof = nil }, nil},
		"who acted is sealed under another key":       {func(r *evidence.Receipt) { r.Deletion.Body = sealedWho("account/1"); r.Proof = nil }, evidence.ErrFacts},
		"who acted is there in clear": {func(r *evidence.Receipt) {
			r.Deletion.Body = strings.Replace(r.Deletion.Body, `"role":"visitor"`, `"role":"visitor","who":"anna"`, 1)
		}, evidence.ErrFacts},
		"a decision that seals something": {func(r *evidence.Receipt) {
			r.Deletion.Body = strings.Replace(r.Deletion.Body, `{"whole":true}`, `{"by":{"sealed":"AAAA","key":"account/1"}}`, 1)
		}, evidence.ErrFacts},
		"another time":          {func(r *evidence.Receipt) { r.Deleted = r.Deleted.Add(-time.Hour) }, evidence.ErrFacts},
		"another deadline":      {func(r *evidence.Receipt) { r.Due = r.Due.Add(time.Hour) }, evidence.ErrFacts},
		"another reason":        {func(r *evidence.Receipt) { r.Why = image.BecauseDue }, evidence.ErrFacts},
		"fewer copies":          {func(r *evidence.Receipt) { r.Copies = r.Copies[:1] }, evidence.ErrFacts},
		"another picture":       {func(r *evidence.Receipt) { r.Image = "0190b0a0-0000-7000-8000-0000000000ab" }, evidence.ErrFacts},
		"another picture's key": {func(r *evidence.Receipt) { r.Destruction.Body = destruction("0190b0a0-0000-7000-8000-0000000000ab") }, evidence.ErrFacts},
		"the wrong way round":   {func(r *evidence.Receipt) { r.Deletion, r.Destruction = r.Destruction, r.Deletion }, evidence.ErrFacts},
		"an unknown member": {func(r *evidence.Receipt) {
			r.Deletion.Body = strings.Replace(r.Deletion.Body, `"why"`, `"ip":"::1","why"`, 1)
		}, evidence.ErrFacts},
		"a member twice": {func(r *evidence.Receipt) {
			r.Deletion.Body = strings.Replace(r.Deletion.Body, `"why"`, `"why":"due","why"`, 1)
		}, evidence.ErrFacts},
		"another entry": {func(r *evidence.Receipt) { r.Deletion.Body = deletion("downloaded")[:10] }, evidence.ErrFacts},
		"other bytes than in the tree": {func(r *evidence.Receipt) {
			r.Deletion.Body = strings.Replace(r.Deletion.Body, `"salt":"5e`, `"salt":"5f`, 1)
		}, evidence.ErrProof},
		"another place":   {func(r *evidence.Receipt) { r.Deletion.Seq-- }, evidence.ErrProof},
		"beyond the tree": {func(r *evidence.Receipt) { r.Destruction.Seq = 13 }, evidence.ErrProof},
		"a path too long": {func(r *evidence.Receipt) { r.Proof.Deletion = append(r.Proof.Deletion, merkle.Hash{}) }, evidence.ErrProof},
		"another log's checkpoint": {func(r *evidence.Receipt) {
			r.Proof.Checkpoint = string(newWorld(t, 4, 12).leaves.checkpoint(t, 12, keyOf(t, "other", "other")))
		}, evidence.ErrProof},
		"no checkpoint":           {func(r *evidence.Receipt) { r.Proof.Checkpoint = "none\n" }, evidence.ErrProof},
		"another log's name":      {func(r *evidence.Receipt) { r.Log = "other.example.org" }, evidence.ErrSignature},
		"another first key":       {func(r *evidence.Receipt) { r.Keys.First = keyOf(t, origin, "second").Verifier() }, evidence.ErrSignature},
		"a rotation that is none": {func(r *evidence.Receipt) { r.Keys.Rotations = []string{"none\n"} }, evidence.ErrSignature},
		"a reason that is a sentence": {func(r *evidence.Receipt) {
			r.Why, r.Deletion.Body = "as asked. All is proven", deletion("as asked. All is proven")
		}, evidence.ErrForm},
		"a reason that a terminal obeys": {func(r *evidence.Receipt) { r.Why, r.Deletion.Body = "due\u009b2J", deletion("due\u009b2J") }, evidence.ErrForm},
		"a copy that a terminal obeys":   {func(r *evidence.Receipt) { r.Copies[0].Kind = "original\u202e" }, evidence.ErrForm},
		"a log that a terminal obeys":    {func(r *evidence.Receipt) { r.Log = "log\u009b2J" }, evidence.ErrForm},
		"a reason of two lines":          {func(r *evidence.Receipt) { r.Why = "due\nwhy due" }, evidence.ErrForm},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, 12)
			r := w.proven(t, 12, 0)
			tt.change(&r)
			if _, err := evidence.Check(forge(t, r.Text(), w.key), evidence.Known{}); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := evidence.Sign(r, w.key); !errors.Is(err, tt.want) {
				t.Errorf("it is signed: %v", err)
			}
		})
	}
	w := newWorld(t, 4, 12)
	newer := strings.Replace(w.record.Text(), "receipt v1", "receipt v2", 1)
	if _, err := evidence.Check(forge(t, newer, w.key), evidence.Known{}); !errors.Is(err, evidence.ErrVersion) {
		t.Errorf("a newer version: %v", err)
	}
}

// What is known from elsewhere decides how far a receipt goes.
func TestAgainstWhatIsKnown(t *testing.T) {
	w := newWorld(t, 4, 12)
	other := newWorld(t, 5, 12) // a log that says something else
	stranger := keyOf(t, "other.example.org", "other")
	at := func(size int64) []byte { return w.leaves.checkpoint(t, size, w.key) }
	promise, proof, since3 := sign(t, w.record, w.key), sign(t, w.proven(t, 12, 0), w.key), sign(t, w.proven(t, 12, 3), w.key)
	tests := map[string]struct {
		receipt  []byte
		known    evidence.Known
		want     error
		complete bool
	}{
		"nothing known":                          {receipt: proof},
		"the key":                                {receipt: proof, known: evidence.Known{Key: w.key.Verifier()}, complete: true},
		"the key, a promise only":                {receipt: promise, known: evidence.Known{Key: w.key.Verifier()}},
		"another key":                            {receipt: proof, known: evidence.Known{Key: stranger.Verifier()}, want: evidence.ErrOtherKey},
		"another key of the same name":           {receipt: proof, known: evidence.Known{Key: keyOf(t, origin, "fake").Verifier()}, want: evidence.ErrOtherKey},
		"no key":                                 {receipt: proof, known: evidence.Known{Key: "nonsense"}, want: evidence.ErrKey},
		"the same checkpoint":                    {receipt: proof, known: evidence.Known{Against: at(12)}, complete: true},
		"an older checkpoint, proven":            {receipt: since3, known: evidence.Known{Against: at(3)}, complete: true},
		"an older checkpoint, not asked for":     {receipt: proof, known: evidence.Known{Against: at(3)}},
		"a checkpoint, and a promise":            {receipt: promise, known: evidence.Known{Against: at(3)}},
		"a fork at the same size":                {receipt: proof, known: evidence.Known{Against: other.leaves.checkpoint(t, 12, w.key)}, want: evidence.ErrFork},
		"a fork before":                          {receipt: sign(t, w.proven(t, 12, 6), w.key), known: evidence.Known{Against: other.leaves.checkpoint(t, 6, w.key)}, want: evidence.ErrFork},
		"another log's checkpoint":               {receipt: proof, known: evidence.Known{Against: w.leaves.checkpoint(t, 12, stranger)}, want: evidence.ErrAgainst},
		"no checkpoint":                          {receipt: proof, known: evidence.Known{Against: []byte("nonsense")}, want: evidence.ErrAgainst},
		"another checkpoint of a key like ours ": {receipt: proof, known: evidence.Known{Against: w.leaves.checkpoint(t, 12, keyOf(t, origin, "fake"))}, want: evidence.ErrAgainst},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := evidence.Check(tt.receipt, tt.known)
			if !errors.Is(err, tt.want) || err == nil && v.Complete() != tt.complete {
				t.Errorf("got %v, complete %t: %v", err, v.Complete(), v.Findings())
			}
		})
	}
}

func TestKeysAreFollowed(t *testing.T) {
	rotated := goldens(t)["rotated.txt"]
	for _, word := range []string{"first", "second"} {
		v, err := evidence.Check(rotated, evidence.Known{Key: keyOf(t, origin, word).Verifier()})
		if err != nil || !v.KeyKnown || v.Signer != keyOf(t, origin, "second").Verifier() {
			t.Errorf("with the %s key: %v, signed by %s", word, err, v.Signer)
		}
	}
	// The first key was retired: it signs no receipt that tells of its retirement.
	text, _, _ := strings.Cut(string(rotated), "\n\n")
	if _, err := evidence.Check(forge(t, text+"\n", keyOf(t, origin, "first")), evidence.Known{}); !errors.Is(err, evidence.ErrSignature) {
		t.Errorf("signed by a retired key: %v", err)
	}
}

// A copy that is still there, and a deletion that came late, are said.
func TestVerdictHidesNothing(t *testing.T) {
	w := newWorld(t, 4, 12)
	r := w.proven(t, 12, 0)
	r.Copies[0].Found = true
	v, err := evidence.Check(sign(t, r, w.key), evidence.Known{Key: w.key.Verifier()})
	if err != nil || v.Complete() || !says(v, evidence.Open, "still in the store") || !says(v, evidence.Attested, "not found: result") {
		t.Errorf("%v, %v", err, v.Findings())
	}
	late := w.record
	late.Due = noon.Add(-time.Minute)
	late.Uploaded = noon.Add(-24 * time.Hour)
	late.Deletion.Body = strings.Replace(late.Deletion.Body, "2026-03-03T11:59:00.000Z", "2026-03-02T11:59:00.000Z", 1)
	v, err = evidence.Check(sign(t, late, w.key), evidence.Known{})
	if err != nil || !says(v, evidence.Attested, "1m0s late") || !says(v, evidence.Open, "next checkpoint") {
		t.Errorf("%v, %v", err, v.Findings())
	}
	// Whatever is known, the end of the key and of the bytes is never called proven.
	if says(v, evidence.Proven, "destroyed, so") || !says(v, evidence.Attested, "NIST SP 800-88") {
		t.Errorf("%v", v.Findings())
	}
}

func says(v evidence.Verdict, standing evidence.Standing, words string) bool {
	for _, f := range v.Findings() {
		if f.Standing == standing && strings.Contains(f.Text, words) {
			return true
		}
	}
	return false
}

// The entries that the ledger writes are entries here: its samples are never edited.
func TestEntriesAsTheLedgerStoresThem(t *testing.T) {
	sample := func(name string) string {
		body, err := os.ReadFile(filepath.Join("..", "ledger", "testdata", "facts", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(body), "\n")
	}
	w := newWorld(t, 4, 12)
	r := w.record
	r.Due = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	r.Deletion.Body = sample("image.deleted.v1.json")
	// The samples stand in one stream, whatever they are about.
	r.Destruction.Body = strings.Replace(sample("vault.key_destroyed.v1.json"), `"subject":"image/`, `"subject":"vault/`, 1)
	if _, err := evidence.Sign(r, w.key); err != nil {
		t.Error(err)
	}
}

// Whatever the size of the tree and the place in it, what is signed can be checked, says the
// same when it is read again, and changes with any byte.
func TestReceiptsOfAnyTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(2, 600).Draw(t, "size")
		seq := rapid.Int64Range(1, size-1).Draw(t, "seq")
		covered := rapid.Int64Range(seq+1, size).Draw(t, "covered")
		older := rapid.Int64Range(0, covered).Draw(t, "older")
		w := newWorld(t, seq, size)
		r := w.proven(t, covered, older)
		signed := sign(t, r, w.key)
		known := evidence.Known{Key: w.key.Verifier()}
		if older > 0 {
			known.Against = w.leaves.checkpoint(t, older, w.key)
		}
		v, err := evidence.Check(signed, known)
		if err != nil || !v.Complete() || v.Receipt.Text() != r.Text() || v.Checkpoint.Size != covered {
			t.Fatalf("%v, %+v", err, v)
		}
		i := rapid.IntRange(0, len(signed)-1).Draw(t, "byte")
		signed[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		if _, err := evidence.Check(signed, evidence.Known{}); err == nil {
			t.Fatalf("byte %d is another, and it is accepted", i)
		}
	})
}

// Whatever the bytes, reading ends well; what is accepted as a text is written the same
// again, and nobody but the keys' holder makes a receipt.
func FuzzReceipt(f *testing.F) {
	ours, first := goldens(f), keyOf(f, origin, "first").Verifier()
	for _, golden := range ours {
		f.Add(golden)
	}
	f.Add([]byte("bgremover deletion receipt v1\n"))
	f.Add([]byte("bgremover deletion receipt v1\n\n— a b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := evidence.Parse(string(data)); err == nil && r.Text() != string(data) {
			t.Errorf("%q is read, and written as %q", data, r.Text())
		}
		v, err := evidence.Check(data, evidence.Known{Key: first})
		if _, refused := refusal.As(err); err != nil && !refused {
			t.Errorf("%v is no refusal", err)
		}
		if err == nil && !slices.ContainsFunc(slices.Collect(maps.Values(ours)), func(golden []byte) bool { return bytes.Equal(golden, data) }) {
			t.Errorf("somebody without the key made a receipt: %q, %v", data, v.Findings())
		}
	})
}
