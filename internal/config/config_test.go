package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bgremover/bgremover/internal/config"
)

// program is a program with the commands that use settings.
type program struct {
	Serve config.Serve `cmd:""`
	Log   struct {
		config.Folder
	} `cmd:""`
}

func parse(t *testing.T, args ...string) (*program, error) {
	t.Helper()
	var p program
	k, err := kong.New(&p, append(config.Options(), kong.Exit(func(int) { t.Error("the program would exit") }))...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(args)
	return &p, err
}

// alone makes sure that nothing of the machine that tests run on is taken for a setting.
func alone(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "BGREMOVER_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("BGREMOVER_CONFIG", "")
}

func write(t *testing.T, content string, mode os.FileMode) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhereAValueComesFrom(t *testing.T) {
	tests := map[string]struct {
		args   []string
		env    string
		file   string
		then   time.Duration
		origin string
	}{
		"default":                    {then: 24 * time.Hour, origin: "default"},
		"file":                       {file: "delete-after: 3h", then: 3 * time.Hour, origin: "FILE"},
		"environment before file":    {env: "2h", file: "delete-after: 3h", then: 2 * time.Hour, origin: "BGREMOVER_DELETE_AFTER"},
		"environment":                {env: "2h", then: 2 * time.Hour, origin: "BGREMOVER_DELETE_AFTER"},
		"command line before others": {args: []string{"--delete-after=1h"}, env: "2h", file: "delete-after: 3h", then: time.Hour, origin: "command line"},
		"an empty file":              {file: "\n# nothing yet\n", then: 24 * time.Hour, origin: "default"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			alone(t)
			if tt.env != "" {
				t.Setenv("BGREMOVER_DELETE_AFTER", tt.env)
			}
			if tt.file != "" {
				path := write(t, tt.file, 0o644)
				tt.args = append(tt.args, "--config", path)
				tt.origin = strings.Replace(tt.origin, "FILE", path, 1)
			}
			p, err := parse(t, append([]string{"serve"}, tt.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if p.Serve.DeleteAfter != tt.then {
				t.Errorf("got %s, want %s", p.Serve.DeleteAfter, tt.then)
			}
			if got := printed(t, p)["delete-after"]; got != [2]string{tt.then.String(), tt.origin} {
				t.Errorf("printed %q, want from %q", got, tt.origin)
			}
		})
	}
}

// printed parses what Print writes: value and origin by setting.
func printed(t *testing.T, p *program) map[string][2]string {
	t.Helper()
	var out bytes.Buffer
	if err := p.Serve.Print(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	value, from := strings.Index(lines[0], "VALUE"), strings.Index(lines[0], "FROM")
	all := map[string][2]string{}
	for _, line := range lines[1:] {
		if len(line) < from {
			break
		}
		all[strings.TrimSpace(line[:value])] = [2]string{strings.TrimSpace(line[value:from]), line[from:]}
	}
	return all
}

func TestEverySettingFromAFile(t *testing.T) {
	alone(t)
	dir := t.TempDir()
	path := write(t, `
data: `+dir+`
model: u2netp
accept-model-passport: u2netp
addr: localhost:80
behind-tls-proxy: yes
metrics-addr: ""
kafka: [one:9092, two:9092]
kafka-tls: true
kafka-user: app
kafka-sasl: scram-sha-512
kafka-password: hush
postgres: postgres://app:hush@db.example/bgremover
vault-postgres: postgres://vault:hush@db.example/bgremover
vault-key: hcvault://vault.example:8200/transit/keys/bgremover
blobs: file:///var/photos
log-origin: bgremover.example.org/log
checkpoint-every: 10s
witness: [https://one.example/log#one.example+00000000+BA, https://two.example#two.example+00000000+BA]
operator-name: Example Ltd
operator-address: 1 Example Street, Example Town
operator-region: Frankfurt, Germany (EU)
operator-contact: privacy@example.org
operator-authority: The Authority, https://authority.example
delete-after: 90m
clock-offset: 25h
log-format: json
log-level: debug
`, 0o600)
	t.Setenv("BGREMOVER_CONFIG", path)
	p, err := parse(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	got, offset := p.Serve, 25*time.Hour
	want := config.Serve{
		Ground: config.Ground{
			File: config.File(path), Folder: config.Folder{Data: dir},
			Kafka:    config.Kafka{Brokers: []string{"one:9092", "two:9092"}, TLS: true, User: "app", SASL: "scram-sha-512", Password: "hush"},
			Postgres: "postgres://app:hush@db.example/bgremover",
			Vault: config.Vault{
				Postgres: "postgres://vault:hush@db.example/bgremover", Key: "hcvault://vault.example:8200/transit/keys/bgremover",
			},
		},
		Model:  config.Model{Model: "u2netp", AcceptModelPassport: "u2netp"},
		Listen: config.Listen{Addr: "localhost:80", BehindTLSProxy: true},
		Heads: config.Heads{
			Origin: "bgremover.example.org/log", Every: 10 * time.Second,
			Witnesses: []string{"https://one.example/log#one.example+00000000+BA", "https://two.example#two.example+00000000+BA"},
		},
		Operator: config.Operator{
			Name: "Example Ltd", Address: "1 Example Street, Example Town", Region: "Frankfurt, Germany (EU)",
			Contact: "privacy@example.org", Authority: "The Authority, https://authority.example",
		},
		Blobs:       "file:///var/photos",
		DeleteAfter: 90 * time.Minute, ClockOffset: &offset,
		Log: config.Log{Format: "json", Level: "debug"},
	}
	for _, part := range []struct{ got, want any }{
		{got.File, want.File},
		{got.Folder, want.Folder},
		{got.Model, want.Model},
		{got.Listen, want.Listen},
		{got.Kafka, want.Kafka},
		{got.Heads, want.Heads},
		{got.Operator, want.Operator},
		{got.Blobs, want.Blobs},
		{string(got.Postgres), string(want.Postgres)},
		{string(got.Vault.Postgres), string(want.Vault.Postgres)},
		{got.Vault.Key, want.Vault.Key},
		{got.DeleteAfter, want.DeleteAfter},
		{got.ClockOffset, want.ClockOffset},
		{got.Log, want.Log},
	} {
		if !reflect.DeepEqual(part.got, part.want) {
			t.Errorf("got %+v, want %+v", part.got, part.want)
		}
	}
	if got.BlobDir() != "/var/photos" {
		t.Errorf("blobs in %s", got.BlobDir())
	}
	if _, err := parse(t, "log"); err != nil {
		t.Errorf("a command with fewer settings does not bear the same file: %v", err)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	tests := map[string]struct{ content, says string }{
		"a typing error":    {"delete-aftr: 1h\nadr: x", `what is no setting: "adr", "delete-aftr"`},
		"not YAML":          {"addr: [secret", "line 1"},
		"not name: value":   {"- secret", "line 1"},
		"only a word":       {"secret", "not the YAML"},
		"wrong kind of one": {"delete-after: often", "delete-after"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			alone(t)
			_, err := parse(t, "serve", "--config", write(t, tt.content, 0o600))
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v; want it to say %q", err, tt.says)
			}
		})
	}
	alone(t)
	if _, err := parse(t, "serve", "--config", filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a file that was asked for and is not there was passed over")
	}
}

// Flags, variables and file names must not drift apart, and all must be explained.
func TestEverySettingHasItsVariableAndItsHelp(t *testing.T) {
	alone(t)
	var p program
	var help bytes.Buffer
	k, err := kong.New(&p, append(config.Options(), kong.Writers(&help, &help), kong.Exit(func(int) { panic("exit") }))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range k.Model.Children[0].Flags {
		want := []string{"BGREMOVER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))}
		if flag.Name != "help" && (!slices.Equal(flag.Envs, want) || !strings.Contains(flag.Help, want[0])) {
			t.Errorf("--%s: variable %v, help %q", flag.Name, flag.Envs, flag.Help)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = k.Parse([]string{"serve", "--help"})
	}()
	for _, part := range []string{"--delete-after=TIME", "at least 1m", "at most 24h", "Who can reach it", "127.0.0.1:8080"} {
		if !strings.Contains(help.String(), part) {
			t.Errorf("the help does not say %q:\n%s", part, &help)
		}
	}
	if strings.Contains(help.String(), "${") {
		t.Errorf("the help has gaps:\n%s", &help)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	alone(t)
	p, err := parse(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(p.Serve.Data) || printed(t, p)["blobs"] != [2]string{filepath.Join(p.Serve.Data, "blobs"), "default"} {
		t.Errorf("data in %q, blobs in %q", p.Serve.Data, p.Serve.BlobDir())
	}
	if p.Serve.ClockOffset != nil {
		t.Errorf("the clock is moved by %s", *p.Serve.ClockOffset)
	}
}

func TestStrayVariablesAreNamed(t *testing.T) {
	alone(t)
	t.Setenv("BGREMOVER_DELETE_AFTR", "1h")
	t.Setenv("BGREMOVER_RUNTIME", "/somewhere")
	p, err := parse(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Serve.Print(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "BGREMOVER_DELETE_AFTR") || strings.Contains(out.String(), "BGREMOVER_RUNTIME") {
		t.Errorf("printed:\n%s", &out)
	}
}

func mistakes(t *testing.T, err error) (settings []string) {
	t.Helper()
	var all config.Mistakes
	if err != nil && !errors.As(err, &all) {
		t.Fatalf("another error: %v", err)
	}
	for _, one := range all {
		settings = append(settings, one.Setting)
	}
	return settings
}
