package postgres

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/bgremover/bgremover/domain/personal"
)

// backedUp is a vault with something of everything, and a backup of it.
type backedUp struct {
	testVault
	path, keyset string
	sealed       []byte // by the key of keyID
}

func newBackup(t *testing.T) backedUp {
	t.Helper()
	d, dir := newDatabase(t), t.TempDir()
	b := backedUp{path: filepath.Join(dir, "vault.backup"), keyset: filepath.Join(dir, "keyset")}
	v, err := openVault(t, d, b.keyset)
	must(t, err)
	b.testVault = testVault{v, d.App}
	b.sealed, err = made(t, b.testVault, keyID).Seal([]byte("plain"), nil)
	must(t, err)
	made(t, b.testVault, "visit/1")
	made(t, b.testVault, "image/gone")
	must(t, destroy(t, b.testVault, "image/gone"))
	must(t, v.PutSecret(t.Context(), "log/1", []byte("a signing key")))
	must(t, v.SetCompared(t.Context(), 40))
	counts, err := v.BackupTo(t.Context(), b.path)
	must(t, err)
	if want := (BackupCounts{Secrets: 2, Keys: 2, Tombstones: 1}); counts != want {
		t.Fatalf("backed up %+v; want %+v", counts, want)
	}
	return b
}

func restore(t *testing.T, d *Database, keyset string, from io.Reader) error {
	t.Helper()
	_, err := Restore(t.Context(), d, VaultConfig{Keyset: KeysetFile{Path: keyset}, Now: noon}, from)
	return err
}

// rowsOf returns all that a vault holds, but what wraps it: that may be another key.
func rowsOf(t *testing.T, v *Vault) string {
	t.Helper()
	rows, err := v.pool.Query(t.Context(), `
		select (id, kind, made_at, due_at, destroyed_at, destroyed_why, wrapped is null)::text from vault.keys
		union all
		select (name, made_at)::text from vault.secrets
		order by 1`)
	must(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return strings.Join(all, "\n")
}

func TestBackupAndRestore(t *testing.T) {
	b := newBackup(t)
	info, err := os.Stat(b.path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	content, err := os.ReadFile(b.path)
	must(t, err)
	for _, word := range []string{string(keyID), "image", "log/1", "signing", "wrapped"} {
		if bytes.Contains(content, []byte(word)) {
			t.Errorf("the backup says %q in clear", word)
		}
	}
	// Wrapped by a newer key meanwhile, it opens all the same.
	_, err = b.Rotate(t.Context())
	must(t, err)
	must(t, b.SetCompared(t.Context(), 50))
	before := rowsOf(t, b.Vault)

	fresh := newDatabase(t)
	must(t, restore(t, fresh, b.keyset, iotest.OneByteReader(bytes.NewReader(content))))
	v, err := openVault(t, fresh, b.keyset)
	must(t, err)
	if after := rowsOf(t, v); after != before {
		t.Errorf("restored\n%s\nof\n%s", after, before)
	}
	k, err := v.Key(t.Context(), keyID)
	must(t, err)
	if got, err := k.Open(b.sealed, nil); err != nil || string(got) != "plain" {
		t.Errorf("opened as %q, %v", got, err)
	}
	wantKey(t, testVault{v, fresh.App}, "image/gone", personal.ErrDestroyed)
	if secret, err := v.Secret(t.Context(), "log/1"); err != nil || string(secret) != "a signing key" {
		t.Errorf("the secret is %q, %v", secret, err)
	}
	if v.MAC("p") != b.MAC("p") {
		t.Error("the key of MACs is another")
	}
	if seq, err := v.Compared(t.Context()); err != nil || seq != 40 {
		t.Errorf("compared up to %d, %v; what the backup holds was up to 40", seq, err)
	}
}

func TestBackupReplacesNothing(t *testing.T) {
	b := newBackup(t)
	if _, err := b.BackupTo(t.Context(), b.path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another backup: %v", err)
	}
	if _, err := b.BackupTo(t.Context(), filepath.Join(b.path, "below")); err == nil {
		t.Error("in a folder that is none")
	}
	entries, err := os.ReadDir(filepath.Dir(b.path))
	must(t, err)
	if len(entries) != 2 { // the keyset, and the backup
		t.Errorf("left behind: %v", entries)
	}
}

func TestRestoreOnlyIntoAnEmptyVault(t *testing.T) {
	b := newBackup(t)
	content, err := os.ReadFile(b.path)
	must(t, err)
	d := newDatabase(t)
	_, err = openVault(t, d, b.keyset)
	must(t, err)
	if err := restore(t, d, b.keyset, bytes.NewReader(content)); !errors.Is(err, ErrVaultUsed) {
		t.Errorf("over a vault that was opened: %v", err)
	}
	if err := restore(t, newDatabase(t), filepath.Join(t.TempDir(), "none"), bytes.NewReader(content)); !errors.Is(err, ErrKeysetMissing) {
		t.Errorf("without a keyset: %v", err)
	}
}

// All or nothing, whatever is wrong.
func TestRestoreRefuses(t *testing.T) {
	b := newBackup(t)
	content, err := os.ReadFile(b.path)
	must(t, err)
	flipped := func(at int) []byte {
		c := bytes.Clone(content)
		c[at] ^= 1
		return c
	}
	broken := errors.New("the disk")
	tests := map[string]struct {
		from io.Reader
		then error
	}{
		"nothing":             {bytes.NewReader(nil), ErrNoBackup},
		"another file":        {strings.NewReader(strings.Repeat("x", 1000)), ErrNoBackup},
		"a newer version":     {bytes.NewReader(append([]byte(backupMagic), append([]byte{9}, content[17:]...)...)), ErrNoBackup},
		"another wrapping":    {bytes.NewReader(flipped(21)), ErrBackupForeign},
		"its key damaged":     {bytes.NewReader(flipped(40)), ErrBackupDamaged},
		"its first byte":      {bytes.NewReader(flipped(19 + int(content[18]))), ErrBackupDamaged},
		"its last byte":       {bytes.NewReader(flipped(len(content) - 1)), ErrBackupDamaged},
		"cut in the head":     {bytes.NewReader(content[:30]), ErrBackupDamaged},
		"cut in the middle":   {bytes.NewReader(content[:len(content)/2]), ErrBackupDamaged},
		"cut at the end":      {bytes.NewReader(content[:len(content)-1]), ErrBackupDamaged},
		"something behind it": {bytes.NewReader(append(bytes.Clone(content), 0)), ErrBackupDamaged},
		"cannot be read":      {io.MultiReader(bytes.NewReader(content[:100]), iotest.ErrReader(broken)), broken},
	}
	d := newDatabase(t)
	for name, tt := range tests {
		if err := restore(t, d, b.keyset, tt.from); !errors.Is(err, tt.then) {
			t.Errorf("%s: %v; want %v", name, err, tt.then)
		}
	}
	// And with lines that no backup has.
	at := `"made":"2026-03-02T12:00:00Z"`
	mac := sealedLine(t, b.Vault, secretMAC)
	for name, lines := range map[string][]string{
		"no head":            {`{"end":{"secrets":0,"keys":0,"tombstones":0}}`},
		"no MACs' key":       {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, `{"end":{"secrets":0,"keys":0,"tombstones":0}}`},
		"no end":             {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, mac},
		"wrong counts":       {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, mac, `{"end":{"secrets":2,"keys":0,"tombstones":0}}`},
		"behind the end":     {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, mac, `{"end":{"secrets":1,"keys":0,"tombstones":0}}`, mac},
		"half a tombstone":   {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, mac, `{"key":{"id":"image/1","kind":"image",` + at + `}}`},
		"wrapped by nothing": {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, mac, `{"key":{"id":"image/1","kind":"image","wrapped":"AAAA",` + at + `}}`, `{"end":{"secrets":1,"keys":1,"tombstones":0}}`},
		"a key twice": {
			`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, mac,
			`{"key":{"id":"image/1","kind":"image","destroyed":"2026-03-02T12:00:00Z","why":"x",` + at + `}}`,
			`{"key":{"id":"image/1","kind":"image","destroyed":"2026-03-02T12:00:00Z","why":"x",` + at + `}}`,
			`{"end":{"secrets":1,"keys":0,"tombstones":2}}`,
		},
		"an unknown member": {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, `{"extra":1}`},
		"two members":       {`{"vault":{"at":"2026-03-02T12:00:00Z"},"end":{"secrets":0,"keys":0,"tombstones":0}}`},
		"no JSON":           {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, `secret`},
		"a line too long":   {`{"vault":{"at":"2026-03-02T12:00:00Z"}}`, `{"secret":{"name":"` + strings.Repeat("x", longestLine) + `"}}`},
	} {
		sealed := sealedLines(t, b.wrapping.Load(), strings.Join(lines, "\n")+"\n")
		if err := restore(t, d, b.keyset, bytes.NewReader(sealed)); !errors.Is(err, ErrBackupDamaged) {
			t.Errorf("%s: %v; want %v", name, err, ErrBackupDamaged)
		}
	}
	for _, table := range []string{"keys", "secrets", "wrappers"} {
		if n := count(t, d.vault, "vault."+table); n != 0 {
			t.Errorf("%d rows came into %s", n, table)
		}
	}
	must(t, restore(t, d, b.keyset, bytes.NewReader(content)))
}

// sealedLines seals anything as the content of a backup.
func sealedLines(t testing.TB, w *wrapping, lines string) []byte {
	t.Helper()
	var file bytes.Buffer
	b, err := newBackupWriter(&file, w, bytes.Repeat([]byte{7}, keySize))
	must(t, err)
	_, err = b.lines.WriteString(lines)
	must(t, err)
	must(t, b.lines.Flush())
	must(t, b.sealed.Close())
	return file.Bytes()
}

func sealedLine(t testing.TB, v *Vault, secret string) string {
	t.Helper()
	wrapped, err := v.wrapping.Load().wrap(v.mac, secretContext(secret))
	must(t, err)
	return fmt.Sprintf(`{"secret":{"name":%q,"wrapped":"%s","made":"2026-03-02T12:00:00Z"}}`, secret, base64Std(wrapped))
}

// Once the key-encryption key that sealed it is destroyed, a backup opens no more.
func TestDestroyedWrappingEndsBackups(t *testing.T) {
	b := newBackup(t)
	rotateAway(t, b.Vault)
	content, err := os.ReadFile(b.path)
	must(t, err)
	if err := restore(t, newDatabase(t), b.keyset, bytes.NewReader(content)); !errors.Is(err, ErrBackupForeign) {
		t.Errorf("got %v; want %v", err, ErrBackupForeign)
	}
}

var makeGolden = flag.Bool("make-golden", false, "write the golden backup of this version, if there is none")

const goldenBackup = "testdata/backup.v1.hex"

// goldenWrapping is a keyset for a golden file, and opens nothing else.
func goldenWrapping(t testing.TB) *wrapping {
	t.Helper()
	f, err := os.Open("testdata/backup.keyset.json")
	must(t, err)
	defer f.Close()
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(f))
	must(t, err)
	w, err := newWrapping(handle)
	must(t, err)
	return w
}

// A backup of this version is read for ever.
func TestGoldenBackup(t *testing.T) {
	if *makeGolden {
		writeGolden(t)
	}
	r, err := newBackupReader(bytes.NewReader(golden(t)), goldenWrapping(t))
	must(t, err)
	var got []string
	for {
		secret, key, err := r.next()
		must(t, err)
		switch {
		case secret != nil:
			plain, err := goldenWrapping(t).unwrap(secret.Wrapped, secretContext(secret.Name))
			must(t, err)
			got = append(got, fmt.Sprintf("secret %s %x %s", secret.Name, plain, secret.Made.Format(time.RFC3339)))
			continue
		case key != nil && key.Wrapped != nil:
			plain, err := goldenWrapping(t).unwrap(key.Wrapped, keyContext(key.ID))
			must(t, err)
			got = append(got, fmt.Sprintf("key %s %s %x %s %s", key.ID, key.Kind, plain, key.Made.Format(time.RFC3339), key.Due.Format(time.RFC3339)))
			continue
		case key != nil:
			got = append(got, fmt.Sprintf("tombstone %s %s %s %s", key.ID, key.Kind, key.Destroyed.Format(time.RFC3339), *key.Why))
			continue
		}
		break
	}
	want := []string{
		"secret mac " + strings.Repeat("01", keySize) + " 2026-03-02T12:00:00Z",
		"key visit/1 visit " + strings.Repeat("02", keySize) + " 2026-03-02T12:00:00Z 2026-03-03T12:00:00Z",
		"tombstone image/2 image 2026-03-02T13:00:00Z image.deleted",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func golden(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(goldenBackup)
	must(t, err)
	content, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	must(t, err)
	return content
}

func writeGolden(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(goldenBackup); err == nil {
		t.Fatal("there is one, and it is never edited")
	}
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	must(t, err)
	must(t, os.MkdirAll("testdata", 0o755))
	f, err := os.Create("testdata/backup.keyset.json")
	must(t, err)
	must(t, insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(f)))
	must(t, f.Close())
	w := goldenWrapping(t)
	var file bytes.Buffer
	b, err := newBackupWriter(&file, w, bytes.Repeat([]byte{3}, keySize))
	must(t, err)
	at, due, gone, why := noon(), noon().Add(24*time.Hour), noon().Add(time.Hour), "image.deleted"
	mac, err := w.wrap(bytes.Repeat([]byte{1}, keySize), secretContext(secretMAC))
	must(t, err)
	visit, err := w.wrap(bytes.Repeat([]byte{2}, keySize), keyContext("visit/1"))
	must(t, err)
	for _, line := range []backupLine{
		{Vault: &backupHead{At: at}},
		{Secret: &backupSecret{Name: secretMAC, Wrapped: mac, Made: at}},
		{Key: &backupKey{ID: "visit/1", Kind: "visit", Wrapped: visit, Made: at, Due: &due}},
		{Key: &backupKey{ID: "image/2", Kind: "image", Made: at, Destroyed: &gone, Why: &why}},
	} {
		must(t, b.write(line))
	}
	_, err = b.close()
	must(t, err)
	var text strings.Builder
	for i, c := range file.Bytes() {
		if fmt.Fprintf(&text, "%02x", c); i%40 == 39 {
			text.WriteByte('\n')
		}
	}
	must(t, os.WriteFile(goldenBackup, []byte(text.String()+"\n"), 0o644))
}

// Whatever stands in the file: it is read whole as what was written, or refused.
func FuzzBackup(f *testing.F) {
	content, w := golden(f), goldenWrapping(f)
	f.Add(content)
	f.Add(content[:50])
	f.Add([]byte(backupMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, foreign []byte) {
		r, err := newBackupReader(bytes.NewReader(foreign), w)
		for err == nil {
			var secret *backupSecret
			var key *backupKey
			if secret, key, err = r.next(); err == nil && secret == nil && key == nil {
				break
			}
		}
		if err == nil && !bytes.Equal(foreign, content) {
			t.Errorf("%x was read", foreign)
		}
		if err != nil && !errors.Is(err, ErrNoBackup) && !errors.Is(err, ErrBackupDamaged) && !errors.Is(err, ErrBackupForeign) {
			t.Errorf("%x: %v", foreign, err)
		}
	})
}

// Whatever lines an opened backup has: they are read or refused.
func FuzzBackupLines(f *testing.F) {
	w := goldenWrapping(f)
	f.Add(`{"vault":{"at":"2026-03-02T12:00:00Z"}}` + "\n" + `{"end":{"secrets":0,"keys":0,"tombstones":0}}` + "\n")
	f.Add(`{"vault":{"at":"2026-03-02T12:00:00Z"}}` + "\n" + `{"key":{"id":"a","kind":"b","destroyed":"2026-03-02T12:00:00Z","why":"x","made":"2026-03-02T12:00:00Z"}}` + "\n")
	f.Fuzz(func(t *testing.T, lines string) {
		r, err := newBackupReader(bytes.NewReader(sealedLines(t, w, lines)), w)
		for n := 0; err == nil; n++ {
			var secret *backupSecret
			var key *backupKey
			if secret, key, err = r.next(); err == nil && secret == nil && key == nil {
				return
			}
			if n > strings.Count(lines, "\n") {
				t.Fatalf("%q has fewer lines than were read", lines)
			}
			if key != nil && !key.sound() {
				t.Fatalf("half a key: %+v", key)
			}
		}
		if !errors.Is(err, ErrBackupDamaged) {
			t.Errorf("%q: %v", lines, err)
		}
	})
}
