// Package kmstest runs local servers that speak the protocols of the three key management
// services: as much of each as sealing and opening needs, with their own errors. They are
// written from the services' documentation and stand in for them in tests alone.
package kmstest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Mood is how a server answers.
type Mood int32

// The moods.
const (
	Willing  Mood = iota
	Away          // overloaded, or sealed
	Denying       // the credentials may not use the key
	Ignorant      // no such key
	Disabled      // the key is there and must not be used
)

// Server is a service with keys that are made as they are named.
type Server struct {
	URL    string
	Client *http.Client

	mood  atomic.Int32
	asked atomic.Int64
	keys  [2]tink.AEAD // two are enough: by the last letter of a key's name

	certificate []byte // of HTTPS
}

func start(t testing.TB, secure bool, handle func(*Server, http.ResponseWriter, *http.Request)) *Server {
	t.Helper()
	s := &Server{}
	for i := range s.keys {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		key, err := subtle.NewAESGCM(secret)
		if err != nil {
			t.Fatal(err)
		}
		s.keys[i] = key
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		handle(s, w, r)
	})
	server := httptest.NewUnstartedServer(handler)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	s.URL, s.Client = server.URL, server.Client()
	if secure {
		s.certificate = server.Certificate().Raw
	}
	return s
}

// Be changes how the server answers from now on.
func (s *Server) Be(m Mood) { s.mood.Store(int32(m)) }

// Asked is how often the server was asked.
func (s *Server) Asked() int64 { return s.asked.Load() }

func (s *Server) in() Mood { return Mood(s.mood.Load()) }

func (s *Server) key(name string) tink.AEAD {
	return s.keys[int(name[len(name)-1])%len(s.keys)]
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Cloud runs a Google Cloud KMS: its REST API, cryptoKeys.encrypt and cryptoKeys.decrypt.
func Cloud(t testing.TB) *Server {
	t.Helper()
	return start(t, false, cloud)
}

type cloudMessage struct {
	Plaintext                         string `json:"plaintext,omitempty"`
	PlaintextCrc32c                   int64  `json:"plaintextCrc32c,string,omitempty"`
	Ciphertext                        string `json:"ciphertext,omitempty"`
	CiphertextCrc32c                  int64  `json:"ciphertextCrc32c,string,omitempty"`
	AdditionalAuthenticatedData       string `json:"additionalAuthenticatedData,omitempty"`
	AdditionalAuthenticatedDataCrc32c int64  `json:"additionalAuthenticatedDataCrc32c,string,omitempty"`

	VerifiedPlaintextCrc32c                   bool `json:"verifiedPlaintextCrc32c,omitempty"`
	VerifiedAdditionalAuthenticatedDataCrc32c bool `json:"verifiedAdditionalAuthenticatedDataCrc32c,omitempty"`
}

func cloud(s *Server, w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, status, text string) {
		reply(w, code, map[string]any{"error": map[string]any{"code": code, "status": status, "message": text}})
	}
	switch s.in() {
	case Willing:
	case Away:
		refuse(503, "UNAVAILABLE", "The service is currently unavailable.")
		return
	case Denying:
		refuse(403, "PERMISSION_DENIED", "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied.")
		return
	case Ignorant:
		refuse(404, "NOT_FOUND", "CryptoKey not found.")
		return
	case Disabled:
		refuse(400, "FAILED_PRECONDITION", "The CryptoKeyVersion is not enabled, current state is: DISABLED.")
		return
	}
	name, verb, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), ":")
	var in cloudMessage
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(400, "INVALID_ARGUMENT", "malformed")
		return
	}
	plain, sealed, associated := unbase64URL(in.Plaintext), unbase64URL(in.Ciphertext), unbase64URL(in.AdditionalAuthenticatedData)
	if in.AdditionalAuthenticatedDataCrc32c != checksum(associated) {
		refuse(400, "INVALID_ARGUMENT", "The checksum does not match.")
		return
	}
	switch verb {
	case "encrypt":
		got, err := s.key(name).Encrypt(plain, associated)
		if err != nil || in.PlaintextCrc32c != checksum(plain) {
			refuse(400, "INVALID_ARGUMENT", "The checksum does not match.")
			return
		}
		reply(w, 200, cloudMessage{
			Ciphertext: base64.StdEncoding.EncodeToString(got), CiphertextCrc32c: checksum(got),
			VerifiedPlaintextCrc32c: true, VerifiedAdditionalAuthenticatedDataCrc32c: true,
		})
	case "decrypt":
		got, err := s.key(name).Decrypt(sealed, associated)
		if err != nil {
			refuse(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.")
			return
		}
		reply(w, 200, cloudMessage{Plaintext: base64.StdEncoding.EncodeToString(got), PlaintextCrc32c: checksum(got)})
	default:
		refuse(404, "NOT_FOUND", "no such method")
	}
}

func checksum(b []byte) int64 { return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))) }

func unbase64URL(s string) []byte {
	b, _ := base64.URLEncoding.DecodeString(s)
	return b
}

// AWS runs an AWS KMS (JSON 1.1: TrentService.Encrypt and TrentService.Decrypt), and has
// Amazon's client find it and some credentials.
func AWS(t testing.TB) *Server {
	t.Helper()
	s := start(t, false, amazon)
	nothing := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_KMS": s.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "an example",
		"AWS_CONFIG_FILE": nothing, "AWS_SHARED_CREDENTIALS_FILE": nothing, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return s
}

type amazonMessage struct {
	KeyID             string            `json:"KeyId,omitempty"`
	Plaintext         []byte            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
}

func amazon(s *Server, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", strconv.FormatInt(s.Asked(), 10))
	refuse := func(status int, kind string) {
		reply(w, status, map[string]string{"__type": kind, "message": kind})
	}
	var in amazonMessage
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &in) != nil {
		refuse(400, "SerializationException")
		return
	}
	switch s.in() {
	case Willing:
	case Away:
		refuse(500, "KMSInternalException")
		return
	case Denying:
		refuse(400, "AccessDeniedException")
		return
	case Ignorant:
		refuse(400, "NotFoundException")
		return
	case Disabled:
		refuse(400, "DisabledException")
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") {
		refuse(400, "InvalidSignatureException")
		return
	}
	context := fmt.Sprint(in.EncryptionContext) // fmt sorts maps
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		sealed, err := s.key(in.KeyID).Encrypt(in.Plaintext, []byte(context))
		if err != nil {
			refuse(500, "KMSInternalException")
			return
		}
		reply(w, 200, amazonMessage{KeyID: in.KeyID, CiphertextBlob: sealed})
	case "TrentService.Decrypt":
		plain, err := s.key(in.KeyID).Decrypt(in.CiphertextBlob, []byte(context))
		if err != nil {
			refuse(400, "InvalidCiphertextException")
			return
		}
		reply(w, 200, amazonMessage{KeyID: in.KeyID, Plaintext: plain})
	default:
		refuse(400, "UnknownOperationException")
	}
}

// token opens the local HashiCorp Vault.
const token = "hvs.example"

// HashiCorp runs a HashiCorp Vault with a transit engine, by HTTPS, and has Vault's client
// trust it. [Server.Transit] names its keys.
func HashiCorp(t testing.TB) *Server {
	t.Helper()
	s := start(t, true, hashicorp)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate})
	if err := os.WriteFile(authority, content, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_CACERT", authority)
	t.Setenv("VAULT_TOKEN", token)
	return s
}

func hashicorp(s *Server, w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, text string) { reply(w, status, map[string][]string{"errors": {text}}) }
	switch s.in() {
	case Willing:
	case Away:
		refuse(503, "Vault is sealed")
		return
	case Denying:
		refuse(403, "permission denied")
		return
	case Ignorant, Disabled:
		refuse(404, "unsupported path")
		return
	}
	parts := strings.Split(r.URL.Path, "/") // /v1/transit/encrypt/NAME
	var in struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
		Associated []byte `json:"associated_data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(parts) != 5 || r.Header.Get("X-Vault-Token") != token {
		refuse(403, "permission denied")
		return
	}
	const version = "vault:v1:"
	switch key := s.key(parts[4]); parts[3] {
	case "encrypt":
		sealed, err := key.Encrypt(in.Plaintext, in.Associated)
		if err != nil {
			refuse(500, "internal error")
			return
		}
		reply(w, 200, map[string]any{"data": map[string]any{"ciphertext": version + base64.StdEncoding.EncodeToString(sealed), "key_version": 1}})
	case "decrypt":
		sealed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, version))
		if err == nil {
			sealed, err = key.Decrypt(sealed, in.Associated)
		}
		if err != nil {
			refuse(400, "invalid ciphertext: unable to decrypt")
			return
		}
		reply(w, 200, map[string]any{"data": map[string]any{"plaintext": sealed}})
	default:
		refuse(404, "unsupported path")
	}
}

// Transit returns the URI of a key of the transit engine.
func (s *Server) Transit(name string) string {
	return "hcvault://" + strings.TrimPrefix(s.URL, "https://") + "/transit/keys/" + name
}
