package ledger

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
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
	system.KeyDestroyed{Key: "image/0190b0a0-0000-7000-8000-0000000000aa", Why: "image.deleted"},
}

// Every fact that was ever published can be read, for ever, as what it was.
func TestEveryFactVersionHasASample(t *testing.T) {
	if *addSamples {
		writeSamples(t)
	}
	codec := NewCodec("", Facts(), testKeys{})
	var sampled []string
	files, err := filepath.Glob(samples + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		sampled = append(sampled, name)
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env, err := codec.Decode(t.Context(), 1, body)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(t, env); got != string(golden) {
				t.Errorf("read\n%s\ninstead of\n%s", got, golden)
			}
			if env.Fact.EventName() != event.Name(name) {
				t.Errorf("it is a %s", env.Fact.EventName())
			}
		})
	}
	var registered []string
	for _, name := range Facts().Names() {
		registered = append(registered, string(name))
	}
	if !slices.Equal(sampled, registered) {
		t.Errorf("samples of %v\nregistered %v", sampled, registered)
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
	if up, ok := env.Fact.(image.Uploaded); ok {
		owner, _ := up.Owner.Reveal()
		name, _ := up.FileName.Reveal()
		text += fmt.Sprintf("owner %q\nname %q\n", owner, name)
	}
	fact, err := json.MarshalIndent(env.Fact, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return text + string(fact) + "\n"
}

func writeSamples(t *testing.T) {
	t.Helper()
	codec := NewCodec("sample", Facts(), testKeys{})
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
		body, err := codec.encode(env, newTestKey(personal.KeyID(env.Stream)))
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
