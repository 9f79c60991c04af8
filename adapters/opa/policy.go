package opa

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// Config says which rules are asked, and what the operator chose where they leave a choice.
type Config struct {
	Bundle      fs.FS         // policies.Bundle
	ImagePeriod time.Duration // --delete-after: how long a picture is kept at most, in whole seconds
}

// Policy answers by the rules of the bundle in force. It is safe for concurrent use.
type Policy struct {
	period  int64 // seconds
	inForce atomic.Pointer[ruleset]
}

// ruleset is the rules of one bundle, prepared, by name.
type ruleset struct {
	revision  int64
	data      map[string]any
	questions map[string]*question
	lifetimes sync.Map // by kind, of keys that a fact ends
}

// asked are the rules that the service asks. A bundle that lacks one is refused.
var asked = []string{
	"access.act", "access.blob", "access.personal",
	"keys.due", "keys.lifetime", "keys.retired",
	"model.load",
	"retention.deadline", "retention.deletion", "retention.downloaded", "retention.due", "retention.hold", "retention.limit", "retention.requested",
	"sharing.disclose", "sharing.share",
	"transfer.move",
	"upload.accept", "upload.rate",
}

// New compiles the bundle and prepares its rules. It fails if the rules do not allow the
// configured period: better no service than one that takes no photo.
func New(ctx context.Context, c Config) (*Policy, error) {
	r, err := prepare(ctx, c.Bundle)
	if err != nil {
		return nil, fmt.Errorf("load the policies: %w", err)
	}
	p := &Policy{period: int64(c.ImagePeriod / time.Second)}
	p.inForce.Store(r)
	if err := p.checkPeriod(ctx, c.ImagePeriod); err != nil {
		return nil, err
	}
	return p, nil
}

func prepare(ctx context.Context, files fs.FS) (*ruleset, error) {
	b, err := load(files)
	if err != nil {
		return nil, err
	}
	r := &ruleset{revision: b.revision, data: b.data, questions: map[string]*question{}}
	for _, rule := range asked {
		if r.questions[rule], err = b.prepare(ctx, rule); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Revision returns the bundle's revision.
func (p *Policy) Revision() int64 { return p.inForce.Load().revision }

// Data returns the bundle's data, which nobody may change, with the revision that it is of.
func (p *Policy) Data() (revision int64, data map[string]any) {
	r := p.inForce.Load()
	return r.revision, r.data
}

// question returns a rule of [asked], as the bundle in force has it.
func (p *Policy) question(rule string) *question { return p.inForce.Load().questions[rule] }
