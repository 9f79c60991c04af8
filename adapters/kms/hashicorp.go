package kms

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
)

// openHashiCorp reaches a key of the transit engine of HashiCorp Vault at the address in the
// URI, always by HTTPS. Token, namespace and authorities come from the variables of Vault's own
// client (https://developer.hashicorp.com/vault/docs/commands#environment-variables).
func openHashiCorp(_ context.Context, uri string) (remote, error) {
	at, err := url.Parse(uri)
	if err != nil || at.Host == "" {
		return remote{}, ErrURI
	}
	settings := api.DefaultConfig()
	if settings.Error != nil {
		return remote{}, settings.Error
	}
	if err := settings.ReadEnvironment(); err != nil {
		return remote{}, fmt.Errorf("read the VAULT_ variables: %w", err)
	}
	settings.Address, settings.AgentAddress = "https://"+at.Host, ""
	settings.Timeout, settings.MaxRetries = attemptTime, 0 // we repeat
	client, err := api.NewClient(settings)
	if err != nil {
		return remote{}, err
	}
	if client.Token() == "" {
		return remote{}, fmt.Errorf("%w (VAULT_TOKEN is not set)", ErrDenied)
	}
	transit, err := hcvault.NewClientWithAEADOptions(uri, client.Logical())
	if err != nil {
		return remote{}, err
	}
	aead, err := transit.GetAEAD(uri)
	if err != nil {
		return remote{}, fmt.Errorf("%w (%w)", ErrURI, err)
	}
	return remote{aead, explainHashiCorp}, nil
}

// explainHashiCorp follows https://developer.hashicorp.com/vault/api-docs#http-status-codes.
// A sealed or uninitialized Vault answers 503.
func explainHashiCorp(err error) error {
	answer, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return nil
	}
	return byStatus(answer.StatusCode)
}
