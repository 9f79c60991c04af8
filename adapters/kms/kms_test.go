package kms

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/option"

	"github.com/bgremover/bgremover/adapters/kms/kmstest"
)

const (
	cloudKey = "gcp-kms://projects/p/locations/eu/keyRings/r/cryptoKeys/"
	awsKey   = "aws-kms://arn:aws:kms:eu-central-1:111122223333:key/"
)

// services are the local servers, each with two keys of it.
var services = map[string]func(t *testing.T) (s *kmstest.Server, one, two string){
	"Cloud KMS": func(t *testing.T) (*kmstest.Server, string, string) {
		s := kmstest.Cloud(t)
		cloudOptions = []option.ClientOption{option.WithEndpoint(s.URL), option.WithHTTPClient(s.Client)}
		t.Cleanup(func() { cloudOptions = nil })
		return s, cloudKey + "a", cloudKey + "b"
	},
	"AWS KMS": func(t *testing.T) (*kmstest.Server, string, string) {
		return kmstest.AWS(t), awsKey + "a", awsKey + "b"
	},
	"HashiCorp Vault": func(t *testing.T) (*kmstest.Server, string, string) {
		s := kmstest.HashiCorp(t)
		return s, s.Transit("a"), s.Transit("b")
	},
}

func open(t *testing.T, uri string, patience time.Duration) *Key {
	t.Helper()
	k, err := Open(t.Context(), uri, patience)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealAndOpen(t *testing.T) {
	plain, associated := []byte("a keyset"), []byte("where it belongs")
	for name, start := range services {
		t.Run(name, func(t *testing.T) {
			server, one, two := start(t)
			k := open(t, one, time.Second)
			if server.Asked() != 0 {
				t.Errorf("asked %d times before there was a question", server.Asked())
			}
			sealed, err := k.Encrypt(plain, associated)
			if err != nil || bytes.Contains(sealed, plain) {
				t.Fatalf("sealed as %q, %v", sealed, err)
			}
			if got, err := open(t, one, time.Second).Decrypt(sealed, associated); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("opened as %q, %v", got, err)
			}
			if server.Asked() != 2 {
				t.Errorf("asked %d times for two questions", server.Asked())
			}
			if _, err := k.Decrypt(sealed, []byte("elsewhere")); !errors.Is(err, ErrRejected) {
				t.Errorf("moved: %v", err)
			}
			if _, err := open(t, two, time.Second).Decrypt(sealed, associated); !errors.Is(err, ErrRejected) {
				t.Errorf("under another key: %v", err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	moods := map[string]struct {
		mood kmstest.Mood
		then error
	}{
		"away": {kmstest.Away, ErrAway}, "denying": {kmstest.Denying, ErrDenied},
		"ignorant": {kmstest.Ignorant, ErrNoKey}, "disabled": {kmstest.Disabled, ErrNoKey},
	}
	for name, start := range services {
		for mood, tt := range moods {
			t.Run(name+" "+mood, func(t *testing.T) {
				server, one, _ := start(t)
				k := open(t, one, 0)
				sealed, err := k.Encrypt([]byte("plain"), nil)
				if err != nil {
					t.Fatal(err)
				}
				server.Be(tt.mood)
				for doing, do := range map[string]func([]byte, []byte) ([]byte, error){"sealing": k.Encrypt, "opening": k.Decrypt} {
					if _, err := do(sealed, nil); !errors.Is(err, tt.then) || !strings.Contains(err.Error(), one) {
						t.Errorf("%s: %v; want %v", doing, err, tt.then)
					}
				}
			})
		}
	}
}

// A service that comes back in time is waited for.
func TestPatience(t *testing.T) {
	for name, start := range services {
		t.Run(name, func(t *testing.T) {
			server, one, _ := start(t)
			server.Be(kmstest.Away)
			k := open(t, one, time.Minute)
			answered := make(chan error, 1)
			go func() {
				_, err := k.Encrypt([]byte("plain"), nil)
				answered <- err
			}()
			for server.Asked() < 2 {
				select {
				case err := <-answered:
					t.Fatalf("gave up: %v", err)
				case <-time.After(time.Millisecond):
				}
			}
			server.Be(kmstest.Willing)
			if err := <-answered; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("VAULT_TOKEN", "x")
	cloudOptions = []option.ClientOption{option.WithEndpoint("http://127.0.0.1:1"), option.WithoutAuthentication()}
	t.Cleanup(func() { cloudOptions = nil })
	for _, uri := range []string{cloudKey + "a", awsKey + "a", "hcvault://127.0.0.1:1/transit/keys/a"} {
		if _, err := open(t, uri, 0).Decrypt([]byte("sealed"), nil); !errors.Is(err, ErrAway) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "x")
	for _, uri := range []string{
		"", "key", "gcp-kms://", "azure-kv://x", "gcp-kms://projects/p", "aws-kms://key", "aws-kms://arn:aws:s3:::bucket",
		"hcvault://host:8200", "hcvault:///transit/keys/a", "hcvault://host/transit/a",
	} {
		if _, err := Open(t.Context(), uri, 0); !errors.Is(err, ErrURI) {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

func TestWithoutCredentials(t *testing.T) {
	for _, name := range []string{"VAULT_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	nothing := t.TempDir() + "/none"
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", nothing)
	t.Setenv("AWS_CONFIG_FILE", nothing)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nothing)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, uri := range []string{cloudKey + "a", awsKey + "a", "hcvault://127.0.0.1:1/transit/keys/a"} {
		if _, err := Open(t.Context(), uri, 0); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
