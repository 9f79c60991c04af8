package audit

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// What was ever published has the form that the auditor asks for.
func TestPublishedFactsAreWellFormed(t *testing.T) {
	files, err := filepath.Glob("../ledger/testdata/facts/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		must(t, err)
		f, bad := readEnvelope(body, newHasher())
		if bad != "" || f.version != 3 || f.at != noon.UnixMilli() {
			t.Errorf("%s: %s, %+v", file, bad, f)
		}
	}
}

// Times are read as the standard library reads them, in one spelling.
func TestMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-62167219200000, 253402300799999).Draw(t, "at")).UTC() // years 0 to 9999
		if ms, bad := moment([]byte(at.Format(timeLayout))); bad != "" || ms != at.UnixMilli() {
			t.Fatalf("%s: %d, %s", at, ms, bad)
		}
		digits := rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{3}Z`).Draw(t, "digits")
		want, err := time.Parse(timeLayout, digits)
		if ms, bad := moment([]byte(digits)); (bad == "") != (err == nil) || bad == "" && ms != want.UnixMilli() {
			t.Fatalf("%s: %d, %q; %v", digits, ms, bad, err)
		}
	})
}

// Whatever JSON a fact may hold is taken, if it stands there as the ledger writes it.
func TestWhatIsWrittenIsTaken(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type plain struct {
		Text  string             `json:"text"`
		Count float64            `json:"count"`
		More  map[string]float64 `json:"more"`
		Names []string           `json:"names"`
	}
	rapid.Check(t, func(t *rapid.T) {
		data, err := json.Marshal(plain{
			rapid.String().Draw(t, "text"), rapid.Float64().Draw(t, "count"),
			map[string]float64{rapid.String().Draw(t, "member"): 1e300},
			rapid.SliceOf(rapid.String()).Draw(t, "names"),
		})
		if err != nil {
			t.Fatal(err)
		}
		body := []byte(`{"specversion":"1.0","id":"` + newID(random) + `","source":"test","type":"test.said.v1","subject":"test/1",` +
			`"time":"2026-03-02T12:00:00.000Z","datacontenttype":"application/json","streamversion":7,"data":{"fact":` + string(data) +
			`,"actor":{"role":"clock"},"salt":"00112233445566778899aabbccddeeff"}}`)
		if f, bad := readEnvelope(body, newHasher()); bad != "" || f.version != 7 {
			t.Fatalf("%s\n%s", bad, body)
		}
	})
}

// sealer is a key that hides nothing.
type sealer struct{ personal.Key }

func (sealer) ID() personal.KeyID { return "test/1" }

func (sealer) Seal(plain, _ []byte) ([]byte, error) { return plain, nil }

// A decision that was in part about one person stands in the record as the auditor expects it.
func TestSealedDecisionsAreTaken(t *testing.T) {
	d := event.Decision{Rule: "sharing.share", Outcome: "deny", Revision: 5}
	must(t, d.Ask(json.RawMessage(`{"country":"FR","gpc":true,"objected":false}`), []string{"gpc", "objected"}))
	body, err := ledger.NewCodec("test", ledger.Facts(), nil).Encode(event.Envelope{
		ID: "0190b0a0-0000-7000-8000-000000000001", Stream: "image/1", Version: 3, At: noon, Actor: event.Actor{Role: event.Clock},
		Fact: image.Downloaded{Whole: true}, Decision: &d,
	}, sealer{})
	must(t, err)
	if f, bad := readEnvelope(body, newHasher()); bad != "" || f.version != 3 || !bytes.Contains(body, []byte(`"personal":["gpc","objected"],"sealed":{`)) {
		t.Errorf("%s: %s", bad, body)
	}
}

const sample = `{"specversion":"1.0","id":"0190b0a0-0000-7000-8000-000000000001","source":"sample","type":"image.downloaded.v1","subject":"image/0190b0a0-0000-7000-8000-0000000000aa","time":"2026-03-02T12:00:00.000Z","datacontenttype":"application/json","streamversion":3,"causationid":"0190b0a0-0000-7000-8000-000000000002","requestid":"a-request","data":{"fact":{"whole":true},"actor":{"role":"visitor"},"decision":{"rule":"retention.image","promises":["image.delete-24h"],"revision":1,"outcome":"allow","input":{"at":"2026-03-02T12:00:00Z","hours":24}},"salt":"4c4f81a33818b976f63018176a08f52a"}}`

func TestMalformedEnvelopes(t *testing.T) {
	if _, bad := readEnvelope([]byte(sample), newHasher()); bad != "" {
		t.Fatal(bad)
	}
	tests := map[string]struct{ from, to string }{
		"nothing":                {sample, ""},
		"not UTF-8":              {"visitor", "v\xffsitor"},
		"other specification":    {`"1.0"`, `"1.1"`},
		"space before a member":  {`,"source"`, `, "source"`},
		"space after a colon":    {`"whole":`, `"whole": `},
		"members in other order": {`"source":"sample","type":"image.downloaded.v1"`, `"type":"image.downloaded.v1","source":"sample"`},
		"upper-case id":          {"00000000001", "0000000000A"},
		"id without dashes":      {"0190b0a0-0000-7000-8000-000000000001", "0190b0a00000700080000000000000010000"},
		"empty source":           {`"sample"`, `""`},
		"stream with a space":    {"image/", "image "},
		"stream too long":        {"image/", strings.Repeat("i", 170)},
		"time with a comma":      {"12:00:00.000Z", "12:00:00,000Z"},
		"time in another zone":   {"12:00:00.000Z", "12:00:00.000+01:00"},
		"32nd of March":          {"03-02T", "03-32T"},
		"29th of February 2026":  {"03-02T", "02-29T"},
		"no month":               {"03-02T", "00-02T"},
		"24 o'clock":             {"12:00:00.000Z", "24:00:00.000Z"},
		"a leap second":          {"12:00:00.000Z", "12:00:60.000Z"},
		"letters in a time":      {"12:00:00.000Z", "1o:00:00.000Z"},
		"other content":          {"application/json", "text/plain"},
		"version zero":           {`"streamversion":3`, `"streamversion":0`},
		"version with a zero":    {`"streamversion":3`, `"streamversion":03`},
		"version too large":      {`"streamversion":3`, `"streamversion":99999999999999999999`},
		"no version":             {`"streamversion":3`, `"streamversion":`},
		"cause that is none":     {"000000000002", "00000000000x"},
		"request with a control": {"a-request", "a\\u0007request"},
		"fact is no object":      {`{"whole":true}`, `true`},
		"fact is not JSON":       {`{"whole":true}`, `{"whole":truth}`},
		"fact has a wild comma":  {`{"whole":true}`, `{"whole":true,}`},
		"escape that is none":    {`{"whole":true}`, `{"whole":"\x"}`},
		"escape cut off":         {`{"whole":true}`, `{"whole":"\u12"}`},
		"control in a text":      {`{"whole":true}`, "{\"whole\":\"\n\"}"},
		"number with a zero":     {`{"whole":true}`, `{"whole":01}`},
		"number without digits":  {`{"whole":true}`, `{"whole":1.}`},
		"too deep":               {`{"whole":true}`, `{"whole":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`},
		"actor without role":     {`{"role":"visitor"}`, `{}`},
		"actor in clear":         {`"visitor"}`, `"visitor","who":"Ada"}`},
		"actor not sealed":       {`"visitor"}`, `"visitor","who":{"sealed":"","key":"k"}}`},
		"actor with more":        {`"visitor"}`, `"visitor","x":1}`},
		"decision without rule":  {`{"rule":"retention.image",`, `{`},
		"decision with more":     {`"outcome"`, `"x":1,"outcome"`},
		"personal, in clear":     {`"hours":24}`, `"hours":24},"personal":["age"],"sealed":{"age":7}`},
		"personal, and not here": {`"hours":24}`, `"hours":24},"personal":["age"]`},
		"personal without names": {`"hours":24}`, `"hours":24},"personal":[],"sealed":{"sealed":"AAAA","key":"k/1"}`},
		"personal is no list":    {`"hours":24}`, `"hours":24},"personal":"age","sealed":{"sealed":"AAAA","key":"k/1"}`},
		"sealed without names":   {`"hours":24}`, `"hours":24},"sealed":{"sealed":"AAAA","key":"k/1"}`},
		"salt too short":         {"4c4f81", "4c4f"},
		"salt in upper case":     {"4c4f81", "4C4F81"},
		"no salt":                {`,"salt":"4c4f81a33818b976f63018176a08f52a"`, ``},
		"something after it":     {`f52a"}}`, `f52a"}} `},
		"something more in it":   {`f52a"}}`, `f52a"},"x":1}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(sample, tt.from, tt.to, 1)
			if changed == sample {
				t.Fatal("nothing was changed")
			}
			_, bad := readEnvelope([]byte(changed), newHasher())
			if bad == "" {
				t.Errorf("taken: %s", changed)
			}
			if strings.Contains(bad, "visitor") || strings.Contains(bad, "0190") {
				t.Errorf("what is wrong shows what stands there: %s", bad)
			}
		})
	}
}

// Whatever is taken is JSON without a byte too many, and the ledger reads the same in it.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.Replace(sample, `{"whole":true}`, `{"a":[1,-0.5e+3,"\u00e9\n",{},[],null,false]}`, 1)))
	f.Add([]byte(strings.Replace(sample, `"hours":24}`, `"hours":24},"personal":["age"],"sealed":{"sealed":"AAAA","key":"k/1"}`, 1)))
	f.Add([]byte(strings.Replace(sample, `"4c4f81a33818b976f63018176a08f52a"`, `{"sealed":"AAAA","key":"k/1"}`, 1)))
	codec, h := ledger.NewCodec("test", event.NewRegistry(), nil), newHasher()
	f.Fuzz(func(t *testing.T, body []byte) {
		got, bad := readEnvelope(body, h)
		if bad != "" {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil || !bytes.Equal(compact.Bytes(), body) {
			t.Fatalf("taken, and not compact JSON (%v): %q", err, body)
		}
		var read struct{ Streamversion int64 }
		if err := json.Unmarshal(body, &read); err != nil || read.Streamversion != got.version {
			t.Fatalf("read another version than %d: %+v, %v", got.version, read, err)
		}
		if env, err := codec.Decode(t.Context(), 1, body); err == nil && (env.Version != got.version || env.At.UnixMilli() != got.at) {
			t.Fatalf("the ledger reads %+v", env)
		}
	})
}

// What stands in the topic of checkpoints may come from anyone.
func FuzzNotes(f *testing.F) {
	l := newLog(f, 20, 9)
	l.checkpoint(5, 20)
	for _, e := range l.checkpoints {
		f.Add(e.Body)
	}
	signed, err := merkle.SignRotation(merkle.Rotation{Origin: l.key.Origin(), Verifier: l.key.Verifier(), From: 20}, l.key)
	must(f, err)
	f.Add(signed)
	f.Add([]byte(l.key.Verifier()))
	opts := l.options()
	f.Fuzz(func(t *testing.T, note []byte) {
		o := opts
		o.Checkpoints = append(l.checkpoints.clone(), ledger.Entry{Seq: 3, Offset: 2, Body: note})
		r, err := Verify(t.Context(), o)
		must(t, err)
		known := false
		for _, e := range append(l.checkpoints, ledger.Entry{Body: signed}) {
			known = known || bytes.Equal(e.Body, note)
		}
		// Only the log's key can add anything; other signatures below its own say nothing.
		if r.Finding == nil && !known && !bytes.Contains(note, []byte(l.key.Origin())) {
			t.Fatalf("taken: %q", note)
		}
	})
}
