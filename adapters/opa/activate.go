package opa

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// SignedByRelease stands, in the record, for the signature of the bundle that a release carries: it came with the program.
const SignedByRelease = "release"

// ErrNoKeys refuses bundles where nobody has said who may sign them.
var ErrNoKeys = refusal.New(refusal.Forbidden, "policy.no_keys",
	"The service does not know who may sign policy bundles.", "Start it with --policy-keys FILE, which has their public keys.")

var _ usecase.Bundles = Bundles{}

// Bundles reads bundles that somebody signed.
type Bundles struct {
	Keys   Keys    // nil: none is accepted
	Policy *Policy // what the service asks, and is set to
}

// Read implements [usecase.Bundles].
func (r Bundles) Read(ctx context.Context, archive []byte) (usecase.RuleBundle, error) {
	if len(r.Keys) == 0 {
		return usecase.RuleBundle{}, ErrNoKeys
	}
	b, err := ReadArchive(archive)
	if err != nil {
		return usecase.RuleBundle{}, err
	}
	signer, err := b.SignedBy(r.Keys) // before anything in it is parsed
	if err != nil {
		return usecase.RuleBundle{}, err
	}
	if err := r.Policy.usable(ctx, b.files); err != nil {
		return usecase.RuleBundle{}, err
	}
	return usecase.RuleBundle{Revision: b.revision, Digest: b.digest, SignedBy: signer, Archive: archive}, nil
}

// Release packs the bundle that this release carries.
func Release(files fs.FS) (usecase.RuleBundle, error) {
	b, err := ReadFolder(files)
	if err != nil {
		return usecase.RuleBundle{}, fmt.Errorf("read the rules of this release: %w", err)
	}
	archive, err := b.Archive()
	if err != nil {
		return usecase.RuleBundle{}, fmt.Errorf("pack the rules of this release: %w", err)
	}
	return usecase.RuleBundle{Revision: b.revision, Digest: b.digest, SignedBy: SignedByRelease, Archive: archive}, nil
}

// usable holds that a bundle compiles, has all rules that the service asks, and allows how it is set.
func (p *Policy) usable(ctx context.Context, files fs.FS) error {
	r, err := prepare(ctx, files)
	if err != nil {
		return explain(files, err)
	}
	candidate := &Policy{period: p.period}
	candidate.inForce.Store(r)
	if err := candidate.checkPeriod(ctx, time.Duration(p.period)*time.Second); err != nil {
		return refusal.New(refusal.Unusable, codeRules, "This policy bundle does not fit the service's settings: "+onOneLine(err.Error())+".",
			"Change the setting first, or the bundle.")
	}
	return nil
}

// Fit holds that all questions could be answered by a bundle that was stored, as the service is set now.
func (p *Policy) Fit(ctx context.Context, archive []byte) error {
	b, err := ReadArchive(archive)
	if err != nil {
		return err
	}
	return p.usable(ctx, b.files)
}

// PutInForce has all questions answered from now on by a bundle that was stored. Answers under way are still
// by the one before.
func (p *Policy) PutInForce(ctx context.Context, archive []byte) error {
	b, err := ReadArchive(archive)
	if err != nil {
		return err
	}
	r, err := prepare(ctx, b.files)
	if err != nil {
		return explain(b.files, err)
	}
	p.inForce.Store(r)
	return nil
}

// Capabilities returns what rules may call, as opa check --capabilities reads it.
func Capabilities() ([]byte, error) { return json.MarshalIndent(capabilities(), "", "  ") }
