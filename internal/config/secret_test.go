package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/internal/config"
)

func TestPostgresShowsNoPassword(t *testing.T) {
	tests := map[string]string{
		"postgres://db/x":                            "postgres://db/x",
		"postgres://app@db:5432/x?sslmode=require":   "postgres://app@db:5432/x?sslmode=require",
		"postgres://app:hush@db/x":                   "postgres://app:********@db/x",
		"postgres://app:hush/@hush@db/x":             "postgres://app:********@db/x",
		"postgres://db/x?password=hush&sslmode=a":    "postgres://db/x?password=********&sslmode=a",
		"postgres://db/x?sslpassword=hush":           "postgres://db/x?sslpassword=********",
		"host=db user=app password=hush dbname=x":    "host=db user=app password=******** dbname=x",
		"password = 'hush \\' hush' host=db":         "password = ******** host=db",
		"PASSWORD='hush hush":                        "PASSWORD=********",
		"":                                           "",
		"host=/run/postgresql user=app dbname=words": "host=/run/postgresql user=app dbname=words",
	}
	for dsn, want := range tests {
		t.Run(want, func(t *testing.T) {
			if got := config.Postgres(dsn).String(); got != want {
				t.Errorf("shows %s, want %s", got, want)
			}
		})
	}
}

// However it is printed, it does not show.
func TestSecretsDoNotShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hush := rapid.StringMatching(`hush[a-z0-9/@:#%]{0,20}hush`).Draw(t, "secret")
		values := struct {
			Secret   config.Secret
			Postgres config.Postgres
		}{config.Secret(hush), config.Postgres("postgres://app:" + hush + "@db/x")}
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+verb+verb, values, values.Secret, values.Postgres)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "all", values, "secret", values.Secret, "dsn", values.Postgres)
		if err := json.NewEncoder(&out).Encode(values); err != nil {
			t.Fatal(err)
		}
		if shown := out.String(); strings.Contains(shown, "hush") || strings.Contains(shown, fmt.Sprintf("%x", "hush")) {
			t.Errorf("shown: %s", shown)
		}
	})
}
