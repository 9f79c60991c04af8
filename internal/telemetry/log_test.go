package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

func TestNewLog(t *testing.T) {
	tests := map[string]struct {
		format, level string
		fails         bool
		json          bool
		lines         int // of one message at each level
	}{
		"auto, not to a terminal": {format: "auto", level: "info", json: true, lines: 3},
		"JSON":                    {format: "json", level: "debug", json: true, lines: 4},
		"text":                    {format: "text", level: "warn", lines: 2},
		"only errors":             {format: "text", level: "error", lines: 1},
		"another format":          {format: "xml", level: "info", fails: true},
		"another level":           {format: "text", level: "all", fails: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log, err := NewLog(&out, tt.format, tt.level)
			if (err != nil) != tt.fails {
				t.Fatalf("error %v", err)
			}
			if tt.fails {
				return
			}
			log.Debug("m")
			log.Info("m")
			log.Warn("m")
			log.Error("m")
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != tt.lines || json.Valid([]byte(lines[0])) != tt.json {
				t.Errorf("got %d lines, want %d; JSON wanted: %v\n%s", len(lines), tt.lines, tt.json, &out)
			}
		})
	}
}

// A duration reads the same in both forms: nobody counts the digits of nanoseconds.
func TestLogSaysDurations(t *testing.T) {
	for format, want := range map[string]string{"json": `"by":"23h57m50s"`, "text": "by=23h57m50s"} {
		var out bytes.Buffer
		log, err := NewLog(&out, format, "info")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("ahead", "by", 23*time.Hour+57*time.Minute+50*time.Second)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", format, &out)
		}
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if IsTerminal(f) {
		t.Error("a file passes for a terminal")
	}
}

// hiding is a struct as any package may have one: its fields are its own.
type hiding struct {
	owner personal.Text
	next  *hiding
}

// However a personal text gets into the log, it does not show there.
func TestLogShowsNoPersonalText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`me[a-z]{8}@example[.]org`).Draw(t, "text")
		text := personal.Of(secret)
		uploaded := image.Uploaded{Owner: text, FileName: text}
		values := map[string]any{
			"itself":           text,
			"pointer":          &text,
			"slice":            []personal.Text{text},
			"map":              map[string]personal.Text{"owner": text},
			"fact":             uploaded,
			"facts":            []event.Fact{uploaded, &uploaded},
			"envelope":         event.Envelope{Actor: event.Actor{Who: text}, Fact: uploaded},
			"group":            slog.GroupValue(slog.Any("owner", text)),
			"unexported field": hiding{owner: text, next: &hiding{owner: text}},
			"error":            fmt.Errorf("read %v: %w", text, errors.New("no")),
			"no JSON":          map[string]any{"owner": text, "f": func() {}},
			"attributes":       []slog.Attr{slog.Any("owner", text)},
		}
		name := rapid.SampledFrom(keys(values)).Draw(t, "value")
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			log, err := NewLog(&out, format, "info")
			if err != nil {
				t.Fatal(err)
			}
			log.Info("m", "value", values[name])
			log.With("with", values[name]).WithGroup("g").Info("m", "in", values[name])
			if strings.Contains(out.String(), secret) || strings.Count(out.String(), "msg") != 2 {
				t.Errorf("%s log of %s:\n%s", format, name, &out)
			}
		}
	})
}

func keys(m map[string]any) (all []string) {
	for name := range m {
		all = append(all, name)
	}
	return all
}
