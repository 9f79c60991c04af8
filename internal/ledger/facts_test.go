package ledger

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/incident"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
)

// Once a fact of some version was published, its sample and golden file are never edited:
// they stand for what is in somebody's record.
var addSamples = flag.Bool("add-samples", false, "write the samples of facts that have none yet")

const (
	samples      = "testdata/facts"
	digestOfTest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// newest are the values that -add-samples writes.
var newest = []event.Fact{
	image.Uploaded{
		SizeClass: image.UpTo5MiB, Due: noon.AddDate(0, 0, 1), Basis: "contract",
		Capability: image.HashCapability("a capability"), Owner: personal.Of("account/1"), FileName: personal.Of("Ferien & Ärger.jpg"),
	},
	image.ProcessingFailed{Code: "image.truncated", Attempts: 2},
	image.Processed{
		Model: "u2net", Dimensions: image.UpTo12MP,
		Stages: image.Stages{Decode: 1, Resize: 2, Run: 3, Mask: 4, Foreground: 5, Encode: 6, Total: 21},
	},
	image.Downloaded{Whole: true},
	image.DeletionDueChanged{Due: noon.Add(time.Hour)},
	image.Deleted{Why: image.BecauseDownloaded, Due: noon.AddDate(0, 0, 1), Actual: noon, Copies: image.Copies()},
	staff.Invited{Role: event.Officer, Name: personal.Of("Zoë Beispiel")},
	staff.SignedIn{Until: noon.Add(12 * time.Hour)},
	staff.DataRead{Category: "disclosure", Purpose: "disclosure", Subject: personal.Of("disclosure/0190b0a0-0000-7000-8000-0000000000aa"), Reason: personal.Of("to approve it")},
	system.KeyDestroyed{Key: "image/0190b0a0-0000-7000-8000-0000000000aa", Why: "image.deleted"},
	system.KeyResurrectionFound{Key: "image/0190b0a0-0000-7000-8000-0000000000aa"},
	system.ProjectionSkipped{View: "images", Seq: 7, Reason: personal.Of("a release too old, see incident 12")},
	system.LogKeyRotated{Old: strings.Repeat("0a", 32), New: strings.Repeat("0b", 32), From: 70_000},
	system.ProjectionSkipWithdrawn{View: "images", Seq: 7, Reason: personal.Of("release 1.4 can apply it")},
	policy.Published{Version: 2, Date: "2026-03-02", Digest: digestOfTest, Text: "---\nversion: 2\n---\n# Privacy\n"},
	policy.BundleStored{Revision: 4, Digest: digestOfTest, SignedBy: "office-2026", Archive: []byte{0x1f, 0x8b}},
	policy.ActivationProposed{Revision: 4, Digest: digestOfTest, Simulation: digestOfTest},
	policy.Simulated{Revision: 4, Digest: digestOfTest, Report: digestOfTest, From: 1, To: 70_000, Same: 69_000, Different: 12, Uncompared: 3},
	policy.Activated{Revision: 4, Digest: digestOfTest, Simulation: digestOfTest, Proposer: personal.Of("Zoë Beispiel")},
	policy.DecisionRefused{
		Rule: "upload.rate", Promises: []string{"abuse.prevent"}, Revision: 4, Minute: noon, Count: 3, More: 1,
		Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"scope":"visitor"}`), Count: 2}},
	},
	policy.DecisionsCounted{
		Rule: "access.blob", Promises: []string{"image.purpose"}, Revision: 4, From: noon, Until: noon.Add(time.Minute),
		Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"own":true,"purpose":"cutout","reader":"holder"}`), Count: 2}},
	},
	visit.Began{Day: "2026-03-02", Address: personal.Of("192.0.2.7"), Agent: personal.Of("Example/1.0"), At: personal.Of("2026-03-02T12:00:00Z")},
	visit.Blocked{Rule: "upload.rate", At: noon},
	incident.Suspected{Source: "sentinel", Code: "object.overdue", Promise: "image.delete-24h", Cause: "0190b0a0-0000-7000-8000-000000000002"},
	disclosure.Requested{
		From: "authority", Country: "DE", Category: "technical", Fields: []string{"address"}, Basis: "order", Expires: noon.AddDate(0, 1, 0),
		Reference: personal.Of("12 Js 34/26"), Text: personal.Of("Who used 192.0.2.7?"),
	},
	disclosure.Scoped{
		Purpose: "order", Sender: personal.Of("Staatsanwaltschaft Musterstadt"), Key: personal.Of("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"),
		Address: personal.Of("192.0.2.7"), FirstDay: "2026-03-01", LastDay: "2026-03-02",
	},
	disclosure.SubjectUnreachable{},
	disclosure.Approved{Approvals: 2},
	disclosure.Permitted{},
	disclosure.Refused{Reasons: []string{"document"}},
	disclosure.Made{Category: "technical", Fields: []string{"address"}, Count: 1, Digest: digestOfTest, Recipient: personal.Of("Staatsanwaltschaft Musterstadt")},
	disclosure.SubjectTold{},
	disclosure.SubjectDeferred{Until: noon.AddDate(0, 6, 0)},
	system.RetentionPurged{Kind: "analytics", Due: noon, Actual: noon.Add(time.Minute), Count: 12},
	system.RetentionStalled{Kind: "image", Due: noon, Waiting: 7},
	system.RetentionResumed{Kind: "image"},
	system.HoldProposed{Hold: "0190b0a0-0000-7000-8000-0000000000bb", Kind: "technical", Fields: []string{"address"}, Ground: personal.Of("order 7 O 8/26")},
	system.HoldReleaseProposed{Hold: "0190b0a0-0000-7000-8000-0000000000bb", Ground: personal.Of("order lifted")},
	system.HoldPlaced{Hold: "0190b0a0-0000-7000-8000-0000000000bb", Kind: "payment", Fields: []string{"amount"}, Ground: personal.Of("order 7 O 8/26")},
	system.HoldReleased{Hold: "0190b0a0-0000-7000-8000-0000000000bb", Ground: personal.Of("order lifted")},
	system.ClockJumpNoticed{From: noon, To: noon.AddDate(0, 0, 1)},
	system.ClockJumpConfirmed{From: noon, To: noon.AddDate(0, 0, 1)},
	system.AuditCompleted{
		Through: 1000, Whole: true, Objects: 2, Keys: 3, Tables: 4, Removed: 1, Signature: "c2lnbmVk",
		Findings: []system.Finding{{Code: "object.unknown", Promise: "image.no-permanent-store", Count: 1}},
	},
	system.AuditCheckPassed{Check: "policy.contradictions", Promises: []string{"policy.matches-practice"}, Looked: 9},
	system.AuditCheckFailed{Check: "cookies", Promises: []string{"cookie.essential"}, Looked: 5, Code: "cookie.before_consent", Found: 1},
	system.AttestationMade{Promise: "secure.firewall", Statement: digestOfTest, Until: noon.AddDate(0, 6, 0), Note: personal.Of("looked at all hosts")},
	system.AttestationWithdrawn{Promise: "secure.firewall", Note: personal.Of("a host was missing")},
	system.ModelLoaded{Model: "u2net", Passport: digestOfTest, Established: false},
	system.ModelRefused{Model: "u2net", Passport: digestOfTest, Reasons: []string{"data"}},
	system.RegionDeclared{Region: "Frankfurt, Germany"},
	system.TransferDecided{From: "DE", To: "US", Safeguard: "scc", Recipient: "mail", Allowed: true},
	system.ProjectionCertified{View: "images", Seq: 1000, Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
}

// Every fact that was ever published can be read, for ever, as what it was: the golden file
// says what its bytes mean, in its own version, and NAME.newest what readers get of an old one.
func TestEveryFactVersionHasASample(t *testing.T) {
	if *addSamples {
		writeSamples(t)
	}
	facts := Facts()
	want := map[string]bool{} // the files that must be there, and nothing else
	for _, name := range facts.Names() {
		kind, _ := facts.Kind(name)
		file := string(name)
		want[file+".json"], want[file+".golden"] = true, true
		if kind.Old() {
			want[file+".newest"] = true
		}
		t.Run(file, func(t *testing.T) { checkSample(t, name, kind.Old()) })
	}
	entries, err := os.ReadDir(samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] {
			t.Errorf("%s belongs to no registered fact: what was published once is read for ever; register it again, with Upcast if there is a newer version", e.Name())
		}
	}
}

func checkSample(t *testing.T, name event.Name, old bool) {
	t.Helper()
	codec, file := NewCodec("", Facts(), testKeys{}), filepath.Join(samples, string(name))
	body, err := os.ReadFile(file + ".json")
	if err != nil {
		t.Fatalf("%v; add a value to newest in this file and run the test with -add-samples", err)
	}
	stored, err := codec.decodeStored(t.Context(), body, codec.keys)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Fact.EventName() != name {
		t.Errorf("it is a %s", stored.Fact.EventName())
	}
	sameAs(t, file+".golden", stored)
	if old {
		read, err := codec.Decode(t.Context(), 1, body)
		if err != nil {
			t.Fatal(err)
		}
		sameAs(t, file+".newest", read)
	}
}

func sameAs(t *testing.T, file string, env event.Envelope) {
	t.Helper()
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(t, env); got != string(golden) {
		t.Errorf("what %s means has changed: a published version keeps its meaning; make a new version with an upcaster\nread\n%s\ninstead of\n%s", file, got, golden)
	}
}

// describe writes an opened envelope out, personal texts too: these name nobody.
func describe(t *testing.T, env event.Envelope) string {
	t.Helper()
	who, _ := env.Actor.Who.Reveal()
	text := fmt.Sprintf("id %s\nstream %s version %d\nat %s\nactor %s %q\ncause %q %q\n",
		env.ID, env.Stream, env.Version, env.At.Format(timeLayout), env.Actor.Role, who, env.Cause.Fact, env.Cause.Request)
	if d := env.Decision; d != nil {
		text += fmt.Sprintf("decision %s %v revision %d %s on %s\n", d.Rule, d.Promises, d.Revision, d.Outcome, d.Input)
	}
	text += describePersonal(t, "", shapeOf("", reflect.TypeOf(env.Fact)), reflect.ValueOf(env.Fact))
	fact, err := json.MarshalIndent(env.Fact, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return text + string(fact) + "\n"
}

// describePersonal writes the texts out that JSON hides.
func describePersonal(t *testing.T, path string, s shape, v reflect.Value) (text string) {
	t.Helper()
	for _, f := range s.fields {
		value := v.Field(f.index)
		switch f.kind {
		case sealed:
			plain, ok := value.Interface().(personal.Text).Reveal()
			if !ok {
				t.Errorf("%s%s is not opened", path, f.name)
			}
			text += fmt.Sprintf("%s%s %q\n", path, f.name, plain)
		case object:
			text += describePersonal(t, path+f.name+".", f.inner, value)
		case plain, moment:
		}
	}
	return text
}

func writeSamples(t *testing.T) {
	t.Helper()
	codec := NewCodec("sample", Facts(), testKeys{})
	writeNewest(t, codec)
	if err := os.MkdirAll(samples, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, fact := range newest {
		file := filepath.Join(samples, string(fact.EventName())+".json")
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		env := event.Envelope{
			ID: factID, Stream: "image/0190b0a0-0000-7000-8000-0000000000aa", Version: 3, At: noon,
			Actor: event.Actor{Role: event.Visitor}, Cause: event.Cause{Fact: "0190b0a0-0000-7000-8000-000000000002", Request: "a-request"},
			Decision: &event.Decision{
				Rule: "retention.image", Promises: []string{"image.delete-24h"}, Revision: 1, Outcome: "allow",
				Input: json.RawMessage(`{"at":"2026-03-02T12:00:00Z","hours":24}`),
			},
			Fact: fact,
		}
		body, err := codec.Encode(env, newTestKey(personal.KeyID(env.Stream)))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := codec.Decode(t.Context(), 1, body)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{file: string(body), strings.TrimSuffix(file, ".json") + ".golden": describe(t, opened)} {
			if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// writeNewest writes what readers now get of the old versions that have no such file yet.
func writeNewest(t *testing.T, codec *Codec) {
	t.Helper()
	for _, name := range codec.facts.Names() {
		file := filepath.Join(samples, string(name))
		_, err := os.Stat(file + ".newest")
		if kind, _ := codec.facts.Kind(name); !kind.Old() || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		body, err := os.ReadFile(file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		env, err := codec.Decode(t.Context(), 1, body)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".newest", []byte(describe(t, env)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
