package usecase

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Registration is a request for data as an officer writes it down. PublicKey is the one
// that an export would be sealed for.
type Registration struct {
	disclosure.Request
	PublicKey string
}

// Register records a request for data from outside, and returns its id. Whatever is asked for is
// registered: also what will be refused has to be seen to be refused.
func (d DisclosureDesk) Register(ctx context.Context, o Officer, r Registration) (id.Disclosure, error) {
	decision, err := d.enter(ctx, o)
	if err != nil {
		return "", err
	}
	request := r.Request
	request.At = d.Now()
	if request.Key, err = d.Sealer.Recipient(r.PublicKey); err != nil {
		return "", err
	}
	requested, scoped, err := disclosure.DecideRequest(disclosure.Disclosure{}, request)
	if err != nil {
		return "", err
	}
	which := d.NewDisclosure()
	key, err := d.Vault.New(disclosure.Key(which))
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	_, err = d.Record.Append(ctx, event.Append{
		At: request.At, Actor: o.Actor(), Make: []personal.Key{key},
		Parts: []event.Part{{Stream: disclosure.Stream(which), Facts: []event.Pending{{Fact: requested, Decision: &decision}, {Fact: scoped}}}},
	})
	if err != nil {
		return "", fmt.Errorf("record a request for data: %w", err)
	}
	return which, nil
}
