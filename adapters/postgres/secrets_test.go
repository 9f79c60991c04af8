package postgres

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/bgremover/bgremover/internal/ledger"
)

func TestNamedSecrets(t *testing.T) {
	v := newVault(t, newDatabase(t))
	if _, err := v.Secret(t.Context(), "log/1"); !errors.Is(err, ledger.ErrNoSecret) {
		t.Errorf("a secret that nobody put: %v", err)
	}
	for name, secret := range map[string]string{"log/2": "two", "log/1": "one", "other": "", "log%": "three"} {
		must(t, v.PutSecret(t.Context(), name, []byte(secret)))
		if got, err := v.Secret(t.Context(), name); err != nil || string(got) != secret {
			t.Errorf("%s is %q, %v; want %q", name, got, err, secret)
		}
	}
	if err := v.PutSecret(t.Context(), "log/1", []byte("again")); !errors.Is(err, ledger.ErrSecretThere) {
		t.Errorf("put over another: %v", err)
	}
	if got, err := v.Secret(t.Context(), "log/1"); err != nil || string(got) != "one" {
		t.Errorf("replaced by %q, %v", got, err)
	}
	for prefix, want := range map[string][]string{"log/": {"log/1", "log/2"}, "log%": {"log%"}, "x": {}} {
		if got, err := v.Secrets(t.Context(), prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q lists %q, %v; want %q", prefix, got, err, want)
		}
	}
}

// Of several processes that make the same secret at once, all end with the same.
func TestSecretsPutAtOnce(t *testing.T) {
	v := newVault(t, newDatabase(t))
	var all sync.WaitGroup
	var mu sync.Mutex
	var won [][]byte
	for n := range byte(8) {
		all.Go(func() {
			err := v.PutSecret(t.Context(), "log/1", []byte{n})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, []byte{n})
			} else if !errors.Is(err, ledger.ErrSecretThere) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, err := v.Secret(t.Context(), "log/1"); err != nil || len(won) != 1 || !bytes.Equal(got, won[0]) {
		t.Errorf("the secret is %v, %v; %d thought that it was theirs", got, err, len(won))
	}
}

func TestSecretsStandWrapped(t *testing.T) {
	v := newVault(t, newDatabase(t))
	must(t, v.PutSecret(t.Context(), "log/1", []byte("a signing key")))
	var wrapped []byte
	must(t, v.pool.QueryRow(t.Context(), `select wrapped from vault.secrets where name = 'log/1'`).Scan(&wrapped))
	if bytes.Contains(wrapped, []byte("signing")) {
		t.Error("the table holds the secret in clear")
	}
	_, err := v.pool.Exec(t.Context(), `update vault.secrets set name = 'log/2' where name = 'log/1'`)
	must(t, err)
	if _, err := v.Secret(t.Context(), "log/2"); !errors.Is(err, ErrKeysetWrong) {
		t.Errorf("moved to another name, it opens: %v", err)
	}
}
