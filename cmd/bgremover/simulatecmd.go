package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
)

// policySimulateCmd is `bgremover policy simulate`.
type policySimulateCmd struct {
	Bundle   string `placeholder:"DIR|FILE" xor:"what" required:"" help:"The rules to try: their folder, or an archive. Nothing of it comes into force."`
	Revision int64  `placeholder:"N" xor:"what" required:"" help:"Or the bundle that was stored as this revision."`
	From     int64  `placeholder:"SEQ" help:"Begin at this fact. Only a simulation of the whole record counts for an activation."`
	To       int64  `placeholder:"SEQ" help:"End with this fact."`
	JSON     bool   `name:"json" help:"Print the report in the form of which the digest is made."`
	config.Folder
}

func (c *policySimulateCmd) run(ctx context.Context, std streams) (err error) {
	var archive []byte
	if c.Bundle != "" {
		if archive, err = packed(c.Bundle); err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
	}
	query := url.Values{}
	for name, n := range map[string]int64{"from": c.From, "to": c.To, "revision": c.Revision} {
		if n != 0 {
			query.Set(name, strconv.FormatInt(n, 10))
		}
	}
	body, err := callService(ctx, c.Data, http.MethodPost, "/policy/simulate?"+query.Encode(), bytes.NewReader(archive))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	done, err := follow(body, std.err)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = fmt.Fprintf(std.out, "%s\n", done.Report)
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s\nreport %s\n%s\n", done.Text, done.Digest, whatFor(done.Recorded))
	return err
}

func whatFor(recorded bool) string {
	if recorded {
		return "recorded: an activation of this very bundle can name it"
	}
	return "not recorded: it is about a part of the record"
}

// packed reads rules from where the operator has them.
func packed(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.ReadFile(path)
	}
	b, err := opa.ReadFolder(os.DirFS(path))
	if err != nil {
		return nil, err
	}
	return b.Archive()
}

// follow reads the service's lines up to the last.
func follow(body io.Reader, out io.Writer) (*operator.Simulation, error) {
	shown := newProgress(out, "simulate")
	defer shown.end()
	lines := json.NewDecoder(body)
	for {
		var line operator.SimulationLine
		err := lines.Decode(&line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the service's answer broke off: %w; its log says why", err)
		case line.Refused != "":
			return nil, errors.New(strings.TrimSpace(line.Refused))
		case line.Done != nil:
			return line.Done, nil
		}
		shown.at(line.Seq, line.Of)
	}
}

// policyDecisionsCmd is `bgremover policy decisions`.
type policyDecisionsCmd struct {
	From int64 `placeholder:"SEQ" help:"Begin at this fact."`
	To   int64 `placeholder:"SEQ" help:"End with this fact."`
	config.Folder
}

func (c *policyDecisionsCmd) run(ctx context.Context, std streams) (err error) {
	query := url.Values{}
	for name, n := range map[string]int64{"from": c.From, "to": c.To} {
		if n != 0 {
			query.Set(name, strconv.FormatInt(n, 10))
		}
	}
	body, err := askService(ctx, c.Data, "/policy/decisions?"+query.Encode())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if _, err = io.Copy(std.out, body); err != nil {
		return fmt.Errorf("the record broke off: %w; the service's log says why", err)
	}
	return nil
}
