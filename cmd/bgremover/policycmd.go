package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/usecase"
)

// policyCmd is `bgremover policy`.
type policyCmd struct {
	List         policyListCmd         `cmd:"" default:"withargs" help:"List the revisions of the rules: who signed each, how far it is, and what waits."`
	Store        policyStoreCmd        `cmd:"" help:"Keep a signed bundle in the record of the running service. It is not in force by that."`
	Simulate     policySimulateCmd     `cmd:"" help:"Ask other rules what the record holds, and report what they would have decided otherwise. Nothing changes by it."`
	Decisions    policyDecisionsCmd    `cmd:"" help:"Print the decisions of the record, one JSON object a line, as Open Policy Agent logs them."`
	Activate     policyActivateCmd     `cmd:"" help:"Propose, in an officer's name, that a stored revision comes into force. Another officer approves it at /officer/policy."`
	Sign         policySignCmd         `cmd:"" help:"Pack a folder with rules and sign it."`
	Keygen       policyKeygenCmd       `cmd:"" help:"Make a key to sign bundles with; its public part is printed, for --policy-keys."`
	Capabilities policyCapabilitiesCmd `cmd:"" help:"Print what rules may call, for opa check --strict --capabilities."`
}

type policyListCmd struct {
	JSON bool `name:"json" help:"As JSON."`
	config.Folder
}

func (c *policyListCmd) run(ctx context.Context, std streams) error {
	body, err := askService(ctx, c.Data, "/policy")
	if err != nil {
		return err
	}
	var status operator.PolicyStatus
	if err := readAnswer(body, &status); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(status)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "REVISION\tSTATE\tSINCE\tFACT\tSIGNED BY\tDIGEST\tSIMULATION")
	for _, r := range status.Rules {
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\t%.16s\t%.16s\n", r.Revision, r.State, r.Since.UTC().Format(time.RFC3339), r.Seq, r.SignedBy, r.Digest, simulationOf(r))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range status.Rules {
		if hint := waitsFor(r); hint != "" {
			_, _ = fmt.Fprintf(std.out, "\nRevision %d waits: %s\n", r.Revision, hint)
		}
	}
	if len(status.Keys) > 0 {
		_, _ = fmt.Fprintf(std.out, "\nBundles may be signed with: %s\n", strings.Join(status.Keys, ", "))
	}
	if f := status.Fetched; f != nil && f.Trouble != "" {
		_, _ = fmt.Fprintf(std.out, "\nNo bundle can be fetched (%s): %s\n", f.At.UTC().Format(time.RFC3339), f.Trouble)
	}
	return nil
}

// waitsFor says what comes next for a revision that is not in force; "" if nothing does.
func waitsFor(r operator.Rules) string {
	switch r.State {
	case usecase.RulesStored:
		return fmt.Sprintf("simulate it, then bgremover policy activate --revision %d --simulation DIGEST --as NAME, or propose it at /officer/policy.", r.Revision)
	case usecase.RulesProposed:
		return "another officer than the one who proposed it approves it at /officer/policy."
	case usecase.RulesInUse, usecase.RulesReplaced, usecase.RulesPassed:
	}
	return ""
}

type policyStoreCmd struct {
	From string `arg:"" type:"path" name:"FILE" help:"A signed archive (.tar.gz), or a folder with a signed bundle."`
	config.Folder
}

func (c *policyStoreCmd) run(ctx context.Context, std streams) error {
	archive, err := readBundle(c.From)
	if err != nil {
		return err
	}
	body, err := callService(ctx, c.Data, http.MethodPost, "/policy/store", bytes.NewReader(archive))
	if err != nil {
		return err
	}
	var stored operator.RulesStored
	if err := readAnswer(body, &stored); err != nil {
		return err
	}
	what := "stored"
	if !stored.Stored {
		what = "is stored already"
	}
	_, err = fmt.Fprintf(std.out, "revision %d %s, signed by %s, digest %s\n", stored.Revision, what, stored.SignedBy, stored.Digest)
	return err
}

// readBundle reads an archive, or packs a folder.
func readBundle(from string) ([]byte, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		const longest = 1 << 20
		if info.Size() > longest {
			return nil, plainly(opa.ErrArchiveSize)
		}
		return os.ReadFile(from)
	}
	b, err := opa.ReadFolder(os.DirFS(from))
	if err != nil {
		return nil, plainly(err)
	}
	return b.Archive()
}

type policyActivateCmd struct {
	Revision   int64  `required:"" placeholder:"N" help:"The revision, as bgremover policy lists it."`
	Simulation string `required:"" placeholder:"DIGEST" help:"The digest of the report of its simulation."`
	As         string `required:"" placeholder:"NAME" help:"The officer who proposes it, by the name in officer link; another one approves it."`
	config.Folder
}

func (c *policyActivateCmd) run(ctx context.Context, std streams) error {
	body, err := tellService(ctx, c.Data, "/policy/propose", operator.RulesProposed{As: c.As, Revision: c.Revision, Simulation: c.Simulation})
	if err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "proposed: revision %d comes into force once another officer approves it at /officer/policy\n", c.Revision)
	return err
}

type policySignCmd struct {
	Key    string `required:"" type:"existingfile" placeholder:"FILE" help:"The private key: EC P-256 in PEM."`
	KeyID  string `name:"key-id" required:"" placeholder:"ID" help:"The key's name, as it stands in --policy-keys of the service."`
	Bundle string `required:"" type:"existingdir" placeholder:"DIR" help:"The folder with .manifest, schema.json, data/*.json and the rules."`
	Out    string `required:"" type:"path" placeholder:"FILE.tar.gz" help:"Where the signed archive goes."`
}

func (c *policySignCmd) run(_ context.Context, std streams) error {
	secret, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	key, err := opa.ReadPrivateKey(secret)
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	b, err := opa.ReadFolder(os.DirFS(c.Bundle))
	if err != nil {
		return plainly(err)
	}
	if b, err = b.Sign(key, c.KeyID); err != nil {
		return plainly(err)
	}
	archive, err := b.Archive()
	if err != nil {
		return plainly(err)
	}
	if err := os.WriteFile(c.Out, archive, 0o644); err != nil { //nolint:gosec // nothing in it is secret
		return err
	}
	_, err = fmt.Fprintf(std.out, "revision %d, digest %s, signed with %s: %s\n", b.Revision(), b.Digest(), c.KeyID, c.Out)
	return err
}

type policyKeygenCmd struct {
	KeyID string `name:"key-id" required:"" placeholder:"ID" help:"The key's name, for ever: such as policy-2026."`
	Out   string `required:"" type:"path" placeholder:"FILE" help:"Where the private key goes; the file must not exist."`
}

func (c *policyKeygenCmd) run(_ context.Context, std streams) (err error) {
	private, public, err := opa.NewKey(c.KeyID)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; a key is never written over another", c.Out)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(private)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	_, err = std.out.Write(public)
	return err
}

type policyCapabilitiesCmd struct{}

func (policyCapabilitiesCmd) run(_ context.Context, std streams) error {
	capabilities, err := opa.Capabilities()
	if err == nil {
		_, err = fmt.Fprintln(std.out, string(capabilities))
	}
	return err
}

// plainly is a refusal as a command says it: what is wrong, and what to do.
func plainly(err error) error {
	if refused, ok := refusal.As(err); ok {
		return errors.New(refused.Text + " " + refused.Help)
	}
	return err
}

func simulationOf(r operator.Rules) string {
	if r.Simulation == "" {
		return "–"
	}
	return r.Simulation
}
