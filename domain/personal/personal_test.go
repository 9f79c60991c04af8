package personal_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/personal"
)

// Whatever a person's text is, no ordinary way of printing shows it.
func TestTextHidesItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := "canary-" + rapid.StringMatching(`[a-z0-9]{8,20}`).Draw(t, "secret")
		text := personal.Of(secret)
		type holder struct {
			Name personal.Text
			List []personal.Text
			own  personal.Text // fmt asks no methods of unexported fields
			ptr  *personal.Text
		}
		h := holder{text, []personal.Text{text}, text, &text}
		var shown strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&shown, verb+verb+verb, text, &text, h)
		}
		asJSON, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(asJSON)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("m", "a", text, "b", h)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("m", "a", text, "b", h)
		fmt.Fprint(&shown, fmt.Errorf("failed for %v", text))
		if strings.Contains(shown.String(), secret) || strings.Contains(shown.String(), fmt.Sprintf("%x", secret)) {
			t.Fatalf("shown: %s", shown.String())
		}
		if !strings.Contains(shown.String(), "[personal]") {
			t.Fatal("nothing says that something is hidden")
		}
	})
}

func TestStates(t *testing.T) {
	tests := map[string]struct {
		text   personal.Text
		plain  string
		opens  bool
		prints string
	}{
		"empty":  {personal.Of(""), "", true, ""},
		"zero":   {personal.Text{}, "", true, ""},
		"known":  {personal.Of("a"), "a", true, "[personal]"},
		"sealed": {personal.Sealed, "", false, "[sealed]"},
		"erased": {personal.Erased, "", false, "[erased]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plain, ok := tt.text.Reveal()
			if plain != tt.plain || ok != tt.opens || tt.text.String() != tt.prints {
				t.Errorf("reveals %q, %v and prints %q", plain, ok, tt.text)
			}
		})
	}
}
