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

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/system"
)

// Once a fact of some version was published, its sample and golden file are never edited:
// they stand for what is in somebody's record.
var addSamples = flag.Bool("add-samples", false, "write the samples of facts that have none yet")

const samples = "testdata/facts"

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
	image.Deleted{Why: image.BecauseDownloaded, Due: noon.AddDate(0, 0, 1), Actual: noon, Copies: image.Copies()},
	staff.Invited{Role: event.Officer, Name: personal.Of("Zoë Beispiel")},
	staff.SignedIn{Until: noon.Add(12 * time.Hour)},
	system.KeyDestroyed{Key: "image/0190b0a0-0000-7000-8000-0000000000aa", Why: "image.deleted"},
	system.KeyResurrectionFound{Key: "image/0190b0a0-0000-7000-8000-0000000000aa"},
	system.ProjectionSkipped{View: "images", Seq: 7, Reason: personal.Of("a release too old, see incident 12")},
	system.LogKeyRotated{Old: strings.Repeat("0a", 32), New: strings.Repeat("0b", 32), From: 70_000},
	system.ProjectionSkipWithdrawn{View: "images", Seq: 7, Reason: personal.Of("release 1.4 can apply it")},
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
