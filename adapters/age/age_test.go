package age_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	sealer "github.com/bgremover/bgremover/adapters/age"
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestOnlyTheRecipientReadsAnExport(t *testing.T) {
	theirs, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := sealer.Sealer{}.Recipient(" " + theirs.Recipient().String() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sealer.Sealer{}.Seal(recipient, usecase.Export{
		Disclosure: "d", Category: "technical", Fields: []string{"access_time", "address"}, Made: time.Unix(0, 0),
		Records: []map[string]personal.Text{
			{"address": personal.Of("192.0.2.7"), "access_time": personal.Of("2026-03-02T12:00:00Z")},
			{"address": personal.Erased, "access_time": personal.Of("2026-03-02T12:01:00Z")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("192.0.2.7")) {
		t.Error("the address stands in clear")
	}
	opened, err := age.Decrypt(bytes.NewReader(sealed), theirs)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(opened)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"disclosure":"d","category":"technical","fields":["access_time","address"],"made":"1970-01-01T00:00:00Z",` +
		`"records":[{"access_time":"2026-03-02T12:00:00Z","address":"192.0.2.7"},{"access_time":"2026-03-02T12:01:00Z"}]}`
	if got := strings.TrimSpace(string(plain)); got != want || !json.Valid(plain) {
		t.Errorf("got %s", got)
	}
	others, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := age.Decrypt(bytes.NewReader(sealed), others); err == nil {
		t.Error("somebody else reads it")
	}
}

func TestRecipients(t *testing.T) {
	theirs, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "somebody", theirs.String(), theirs.Recipient().String() + "q", "ssh-ed25519 AAAA"} {
		if _, err := (sealer.Sealer{}).Recipient(wrong); !errors.Is(err, disclosure.ErrNobody) || strings.Contains(err.Error(), "age1") {
			t.Errorf("%d characters: %v", len(wrong), err)
		}
	}
	if _, err := (sealer.Sealer{}).Seal(personal.Erased, usecase.Export{}); !errors.Is(err, disclosure.ErrNobody) {
		t.Errorf("for nobody: %v", err)
	}
}

func FuzzRecipient(f *testing.F) {
	f.Add("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
	f.Fuzz(func(t *testing.T, key string) {
		recipient, err := sealer.Sealer{}.Recipient(key)
		if err != nil {
			return
		}
		if _, err := (sealer.Sealer{}).Seal(recipient, usecase.Export{}); err != nil {
			t.Errorf("taken, and not sealed for: %v", err)
		}
	})
}
