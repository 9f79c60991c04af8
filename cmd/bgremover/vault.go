package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/bgremover/bgremover/adapters/kms"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/internal/usecase"
)

// keyPatience is how long a start waits for the key management service.
const keyPatience = 30 * time.Second

// keysetFile is the key-encryption keyset of a data folder, under a key of a key management
// service if one is named.
func keysetFile(ctx context.Context, data, uri string) (postgres.KeysetFile, error) {
	file := postgres.KeysetFile{Path: filepath.Join(data, "keyset")}
	if uri == "" {
		return file, nil
	}
	key, err := kms.Open(ctx, uri, keyPatience)
	if err == nil {
		file.Under = key
	}
	return file, err
}

// openVault opens the vault with the keyset in a data folder. now is the service's time.
func openVault(ctx context.Context, g *ground, data string, policy usecase.KeyPolicy, now usecase.Now) (*postgres.Vault, error) {
	keyset, err := keysetFile(ctx, data, g.vaultKey)
	if err != nil {
		return nil, err
	}
	return postgres.OpenVault(ctx, g.db, postgres.VaultConfig{Keyset: keyset, Policy: policy, Now: now, Wall: time.Now})
}
