package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/bgremover/bgremover/adapters/kms"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/telemetry"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// vaultCmd is `bgremover vault`.
type vaultCmd struct {
	Status  vaultStatusCmd  `cmd:"" help:"Print which key-encryption keys there are, and how many keys of each kind."`
	Rotate  vaultRotateCmd  `cmd:"" help:"Have a new key-encryption key wrap all keys; the old one is destroyed a week later."`
	Rewrap  vaultRewrapCmd  `cmd:"" help:"Seal the keyset under a key of a key management service, or take it from there; while the service is stopped."`
	Backup  vaultBackupCmd  `cmd:"" help:"Write everything that the vault holds to a file, sealed."`
	Restore vaultRestoreCmd `cmd:"" help:"Take a backup into an empty vault, while the service is stopped."`
}

// vaultStatusCmd is `bgremover vault status`.
type vaultStatusCmd struct {
	JSON bool `name:"json" help:"As JSON."`
	config.Folder
}

func (c *vaultStatusCmd) run(ctx context.Context, std streams) error {
	body, err := askService(ctx, c.Data, "/vault")
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if c.JSON {
		_, err := io.Copy(std.out, body)
		return err
	}
	var s usecase.VaultStatus
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	return printVault(std.out, s, time.Now())
}

func printVault(out io.Writer, s usecase.VaultStatus, now time.Time) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "KEY-ENCRYPTION KEY\tSTATE\tMADE\tAGE\tWRAPS")
	for _, k := range s.Wrapping {
		_, _ = fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%d\n", k.ID, wrappingState(k), day(k.Made), age(now.Sub(k.Made)), k.Wraps)
	}
	_, _ = fmt.Fprintln(t, "\t\t\t\t\nKIND OF KEY\tLIVE\tDESTROYED\tNEXT TO END\t")
	for _, k := range s.Kinds {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\t\n", k.Kind, k.Live, k.Destroyed, day(k.Due))
	}
	_, _ = fmt.Fprintf(t, "\t\t\t\t\n%d secrets of the service; compared with the record up to fact %d\t\t\t\t\n", s.Secrets, s.Compared)
	return t.Flush()
}

func wrappingState(k usecase.WrappingKey) string {
	switch {
	case !k.Destroyed.IsZero():
		return "destroyed " + day(k.Destroyed)
	case !k.Retired.IsZero():
		return "retired " + day(k.Retired)
	}
	return "wraps"
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

func age(d time.Duration) string {
	const aDay = 24 * time.Hour
	if d < aDay {
		return d.Truncate(time.Minute).String()
	}
	return counted(int64(d/aDay), "day")
}

// vaultRotateCmd is `bgremover vault rotate`.
type vaultRotateCmd struct{ config.Folder }

func (c *vaultRotateCmd) run(ctx context.Context, std streams) error {
	var done operator.Rotated
	if err := orderService(ctx, c.Data, "/vault/rotate", struct{}{}, &done); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s now by a new key-encryption key. The old one stays in %s until it is destroyed, in a week;\n"+
		"from then on, backups from before today cannot be opened. Copy the file again where you keep it.\n",
		verb(done.Rewrapped, "is wrapped", "are wrapped"), filepath.Join(c.Data, "keyset"))
	return err
}

func verb(n int, one, many string) string {
	if n == 1 {
		return "1 key or secret " + one
	}
	return fmt.Sprintf("%d keys and secrets %s", n, many)
}

// vaultRewrapCmd is `bgremover vault rewrap`. It touches the file with the keyset alone.
type vaultRewrapCmd struct {
	To string `required:"" placeholder:"URI" help:"Key that seals the keyset from now on (gcp-kms://…, aws-kms://… or hcvault://…), or 'clear' for none."`
	config.Tool
}

func (c *vaultRewrapCmd) run(ctx context.Context, std streams) (err error) {
	lock, err := embedded.LockDir(c.Data)
	if errors.Is(err, embedded.ErrInUse) {
		return fmt.Errorf("a service is running on %s, and would go on with the keyset as it is; stop it first", c.Data)
	}
	if err != nil {
		return fmt.Errorf("take the data folder: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	file, err := keysetFile(ctx, c.Data, c.Vault.Key)
	if err != nil {
		return err
	}
	if c.To == "clear" {
		if err := file.Rewrap(nil); err != nil {
			return err
		}
		_, err = fmt.Fprintf(std.out, "%s stands in clear now. Start the service without --vault-key, and guard the file.\n", file.Path)
		return err
	}
	to, err := kms.Open(ctx, c.To, keyPatience)
	if err != nil {
		return err
	}
	if err := file.Rewrap(to); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s is sealed under %s now. Start the service with --vault-key %[2]s, and destroy other copies of the file that are in clear.\n", file.Path, c.To)
	return err
}

// vaultBackupCmd is `bgremover vault backup`.
type vaultBackupCmd struct {
	File string `arg:"" name:"FILE" type:"path" help:"Where to; it must not exist yet."`
	config.Tool
}

func (c *vaultBackupCmd) run(ctx context.Context, std streams) (err error) {
	open, settings, err := openVaultTools(ctx, &c.Ground, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.close()) }()
	vault, err := postgres.OpenVault(ctx, open.db, settings)
	if err != nil {
		return err
	}
	counts, err := vault.BackupTo(ctx, c.File)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; a backup replaces nothing", c.File)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s holds %s, %s and %s.\nIt opens only with %s, which is not in it: keep that file elsewhere.\n",
		c.File, counted(counts.Keys, "key"), counted(counts.Tombstones, "tombstone"), counted(counts.Secrets, "secret"), settings.Keyset.Path)
	return err
}

// vaultRestoreCmd is `bgremover vault restore`.
type vaultRestoreCmd struct {
	File string `arg:"" name:"FILE" type:"path" help:"What bgremover vault backup wrote."`
	config.Tool
}

func (c *vaultRestoreCmd) run(ctx context.Context, std streams) (err error) {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	open, settings, err := openVaultTools(ctx, &c.Ground, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.close()) }()
	if open.running {
		return fmt.Errorf("a service is running on %s; stop it first", c.Data)
	}
	counts, err := postgres.Restore(ctx, open.db, settings, file)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "restored %s, %s and %s.\nThe next start compares them with the record, and destroys again what was destroyed since the backup.\n",
		counted(counts.Keys, "key"), counted(counts.Tombstones, "tombstone"), counted(counts.Secrets, "secret"))
	return err
}

// openVaultTools opens the database with the vault's tables, and says how its vault is opened.
func openVaultTools(ctx context.Context, cfg *config.Ground, std streams) (open *tools, settings postgres.VaultConfig, err error) {
	log, err := telemetry.NewLog(std.err, "auto", "warn")
	if err != nil {
		return nil, settings, err
	}
	if open, err = openTools(ctx, *cfg, log); err != nil {
		return nil, settings, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, open.close())
		}
	}()
	if !open.running {
		if err := postgres.Migrate(ctx, open.db); err != nil {
			return nil, settings, err
		}
	}
	moved, err := clock.Open(filepath.Join(cfg.Data, "clock-offset"), nil)
	if err != nil {
		return nil, settings, err
	}
	const longest = 24 * time.Hour // the period of pictures, which nothing is asked about here
	policy, err := opa.New(ctx, opa.Config{Bundle: policies.Bundle, ImagePeriod: longest})
	if err != nil {
		return nil, settings, err
	}
	keyset, err := keysetFile(ctx, cfg.Data, open.vaultKey)
	return open, postgres.VaultConfig{Keyset: keyset, Policy: policy, Now: moved.Now, Wall: time.Now}, err
}
