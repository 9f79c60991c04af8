package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/config"
)

// Commands work on what the running service stands on, and on the same when it is stopped.
func TestToolsOfAServiceThatRunsAndOfOneThatIsStopped(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	cfg := config.Ground{Folder: config.Folder{Data: data}}
	numbered := func(running bool) (n int64) {
		t.Helper()
		open, err := openTools(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := open.close(); err != nil {
				t.Error(err)
			}
		}()
		if open.running != running {
			t.Errorf("running is %t", open.running)
		}
		source := kafka.NewSource(open.kafka)
		read, err := source.Fetch(t.Context(), 0, 0)
		if err = errors.Join(err, source.Close()); err != nil {
			t.Fatal(err)
		}
		if err := open.pool.QueryRow(t.Context(), "select seq from ledger.head").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if int64(len(read.Entries)) != n {
			t.Errorf("%d facts in Kafka, %d in Postgres", len(read.Entries), n)
		}
		if !running {
			_, err := openTools(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), "try again") {
				t.Errorf("the folder is in use, and a second command got %v", err)
			}
		}
		return n
	}
	s := serve(t, data)
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	before := numbered(true)
	s.stop()
	// With the photo stands what the service says of itself, also at its end.
	if after := numbered(false); before < 2 || after < before {
		t.Errorf("%d facts while it ran, %d when it was stopped", before, after)
	}
}

func TestToolsOfNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "typing-error")
	_, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("the folder was made")
	}
}
