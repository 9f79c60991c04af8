package embedded

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

const (
	dbUser = "bgremover"
	dbName = "postgres"
	dbPort = "5432" // only a part of the socket's name
)

// cluster is a folder with a PostgreSQL cluster:
//
//	lock       held while the server runs
//	password   of dbUser, mode 0600
//	data/      the cluster, of the server's user
//	run/       the socket, of the server's user
//
// Started by root, the folder itself stays root's, so that the server's user can
// change nothing outside its two parts.
type cluster struct {
	dir     string
	account account
	socket  string // the folder of the socket
}

func (c cluster) data() string { return filepath.Join(c.dir, "data") }

// openCluster makes what is missing: folders, password, and the cluster itself.
func openCluster(ctx context.Context, cfg Config) (cluster, error) {
	c := cluster{dir: cfg.Dir}
	var err error
	if c.account, err = accountFor(c.data()); err != nil {
		return c, err
	}
	if err := c.account.mustReach(cfg.Bin, "the runtime", "set BGREMOVER_RUNTIME to a folder that everybody can enter and run \"make setup\" again"); err != nil {
		return c, err
	}
	if err := c.account.mustReach(cfg.Dir, "the data", "choose a data folder that everybody can enter, such as /var/lib/bgremover"); err != nil {
		return c, err
	}
	if c.socket, err = c.socketDir(); err != nil {
		return c, err
	}
	_, err = os.Stat(c.data())
	if errors.Is(err, fs.ErrNotExist) {
		return c, c.init(ctx, cfg)
	}
	return c, err
}

// init makes the cluster aside and moves it into place whole, so that a set-up
// that was killed leaves nothing that looks like a cluster.
func (c cluster) init(ctx context.Context, cfg Config) error {
	password, err := c.makePassword()
	if err != nil {
		return err
	}
	fresh, pwfile := c.data()+".new", filepath.Join(c.dir, "password.initdb")
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(pwfile)); err != nil {
		return fmt.Errorf("remove what an interrupted start left: %w", err)
	}
	defer os.Remove(pwfile)
	err = errors.Join(os.Mkdir(fresh, 0o700), c.account.own(fresh),
		os.WriteFile(pwfile, []byte(password), 0o600), c.account.own(pwfile))
	if err != nil {
		return fmt.Errorf("make the cluster's folder: %w", err)
	}
	args := []string{
		"--pgdata", fresh, "--username", dbUser, "--pwfile", pwfile, "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
	}
	if cfg.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := c.command(filepath.Join(cfg.Bin, "initdb"), args...)
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	exited, err := startTied(cmd)
	if err != nil {
		return fmt.Errorf("start initdb: %w", err)
	}
	select {
	case err = <-exited:
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), cmd.Process.Kill(), <-exited)
	}
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, &output)
	}
	if err := os.Rename(fresh, c.data()); err != nil {
		return fmt.Errorf("move the cluster into place: %w", err)
	}
	return syncDir(c.dir)
}

// makePassword returns the password that stands in its file, or makes both.
func (c cluster) makePassword() (string, error) {
	password, err := c.password()
	if !errors.Is(err, fs.ErrNotExist) {
		return password, err
	}
	password = rand.Text()
	path := filepath.Join(c.dir, "password")
	if err := writeSynced(path+".new", password); err != nil {
		return "", fmt.Errorf("write the database password: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("write the database password: %w", err)
	}
	return password, syncDir(c.dir)
}

func (c cluster) password() (string, error) {
	content, err := os.ReadFile(filepath.Join(c.dir, "password"))
	if err != nil {
		return "", fmt.Errorf("read the database password: %w", err)
	}
	return string(content), nil
}

func (c cluster) dsn() (string, error) {
	password, err := c.password()
	if err != nil {
		return "", err
	}
	dsn := url.URL{
		Scheme: "postgres", User: url.UserPassword(dbUser, password), Path: "/" + dbName,
		RawQuery: url.Values{"host": {c.socket}, "port": {dbPort}, "sslmode": {"disable"}}.Encode(),
	}
	return dsn.String(), nil
}

// maxSocketPath is what the shortest supported sockaddr_un takes (macOS, less its zero byte).
const maxSocketPath = 103

// socketDir makes and returns the folder for the socket. Where the data folder's
// path is too long for a socket, it is one in the temporary folder, named after
// the data folder, and refused unless it is ours alone.
func (c cluster) socketDir() (string, error) {
	fits := func(dir string) bool { return len(dir+"/.s.PGSQL."+dbPort+".lock") <= maxSocketPath }
	dir := filepath.Join(c.dir, "run")
	if !fits(dir) {
		name := sha256.Sum256([]byte(c.dir))
		dir = filepath.Join(os.TempDir(), "bgremover-"+hex.EncodeToString(name[:8]))
	}
	if !fits(dir) {
		return "", fmt.Errorf("%s is too long a path for a socket, and so is %s: choose a shorter data folder or TMPDIR", c.dir, dir)
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := c.account.own(dir); err != nil {
			return "", fmt.Errorf("give the socket's folder to PostgreSQL: %w", err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the socket's folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at the socket's folder: %w", err)
	}
	if owner, _ := ownerOf(dir); !info.IsDir() || info.Mode().Perm() != 0o700 || owner.uid != c.account.uid {
		return "", fmt.Errorf("%s should be a folder of user id %d alone (mode 0700): remove it and start again", dir, c.account.uid)
	}
	return dir, nil
}

// settings are given on the command line, where nothing in the data folder can
// overrule them. Those about the log keep personal data out of it: ERROR and
// WARNING messages and all DETAIL lines can quote values and statements, and the
// client gets them anyway.
func (c cluster) settings(changes map[string]string) []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": c.socket,
		"unix_socket_permissions": "0700",
		"port":                    dbPort,

		"fsync":              "on",
		"full_page_writes":   "on",
		"synchronous_commit": "on",
		"max_connections":    "100",
		"shared_buffers":     "128MB",
		"huge_pages":         "off",
		"jit":                "off",
		"timezone":           "UTC",

		"logging_collector":                 "off",
		"log_destination":                   "stderr",
		"log_timezone":                      "UTC",
		"log_line_prefix":                   "",
		"log_min_messages":                  "log",
		"log_min_error_statement":           "panic",
		"log_error_verbosity":               "terse",
		"log_statement":                     "none",
		"log_duration":                      "off",
		"log_min_duration_statement":        "-1",
		"log_min_duration_sample":           "-1",
		"log_transaction_sample_rate":       "0",
		"log_parameter_max_length":          "0",
		"log_parameter_max_length_on_error": "0",
		"log_lock_waits":                    "off",
		"log_temp_files":                    "-1",
		"debug_print_parse":                 "off",
		"debug_print_plan":                  "off",
		"debug_print_rewritten":             "off",
	}
	for name, value := range changes {
		settings[name] = value
	}
	args := []string{"-D", c.data()}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

func writeSynced(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// tail keeps the end of what a program said, for the error that says it failed.
type tail struct{ lines []string }

func (t *tail) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		t.add(strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}

func (t *tail) add(line string) {
	const kept = 20
	if t.lines = append(t.lines, line); len(t.lines) > kept {
		t.lines = t.lines[len(t.lines)-kept:]
	}
}

func (t *tail) String() string { return strings.Join(t.lines, "\n") }
