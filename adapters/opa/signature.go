package opa

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	opabundle "github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/bgremover/bgremover/domain/refusal"
)

// algorithm is the only one that bundles are signed with: ECDSA over P-256 with SHA-256.
const algorithm = "ES256"

// Reasons why a bundle's signature is refused.
var (
	ErrUnsigned = refusal.New(refusal.Forbidden, "policy.unsigned",
		"This policy bundle is not signed.", "Sign it: bgremover policy sign --key FILE --key-id ID --bundle DIR --out FILE.tar.gz.")
	ErrUnknownKey = refusal.New(refusal.Forbidden, "policy.unknown_key",
		"This policy bundle is signed with a key that nobody has named to the service.", "Put the public key, with its id, into the file of --policy-keys.")
	ErrAlgorithm = refusal.New(refusal.Forbidden, "policy.algorithm",
		"This policy bundle is not signed with ES256, and its files not hashed with SHA-256 or longer.", "Sign it anew: bgremover policy sign.")
	ErrSignature = refusal.New(refusal.Forbidden, "policy.signature",
		"The signature of this policy bundle is not by the key that it names.", "Get the bundle again from whoever signed it; if it stays like that, somebody changed it.")
)

// errChanged refuses a file that is not as it was signed.
func errChanged(name string) error {
	return refusal.New(refusal.Forbidden, "policy.file_changed",
		fmt.Sprintf("%s is not as it was when this policy bundle was signed, or is missing.", name), "Sign the bundle anew, if that change is meant.")
}

// errNotCovered refuses a file that was put in beside those that were signed.
func errNotCovered(name string) error {
	return refusal.New(refusal.Forbidden, "policy.file_not_covered",
		fmt.Sprintf("%s was not there when this policy bundle was signed.", name), "Sign the bundle anew, if that file is meant.")
}

// SignedBy verifies the bundle's signature, in OPA's format, against keys, and returns the id of the one that it is by.
func (b Bundle) SignedBy(keys Keys) (keyID string, err error) {
	content, err := fs.ReadFile(b.files, signaturesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrUnsigned
	}
	if err != nil {
		return "", err
	}
	var signatures opabundle.SignaturesConfig
	if err := json.Unmarshal(content, &signatures); err != nil || len(signatures.Signatures) != 1 || signatures.Plugin != "" {
		return "", ErrUnsigned
	}
	keyID, err = keyOf(signatures.Signatures[0])
	if err != nil {
		return "", err
	}
	key, known := keys[keyID]
	if !known {
		return "", ErrUnknownKey
	}
	public, err := publicPEM(key)
	if err != nil {
		return "", err
	}
	covered, err := opabundle.VerifyBundleSignature(signatures, &opabundle.VerificationConfig{
		KeyID: keyID, PublicKeys: map[string]*opabundle.KeyConfig{keyID: {Key: public, Algorithm: algorithm}},
	})
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrSignature, err)
	}
	return keyID, b.covered(covered)
}

// keyOf reads which key a token says that it is signed with. Nothing of it is trusted yet.
func keyOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ErrSignature
	}
	var header struct{ Alg, Kid string }
	var payload struct{ KeyID string }
	for i, into := range []any{&header, &payload} {
		content, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(content, into) != nil {
			return "", ErrSignature
		}
	}
	switch {
	case header.Alg != algorithm:
		return "", ErrAlgorithm
	case header.Kid != "":
		return header.Kid, nil
	case payload.KeyID != "": // as opa sign writes it
		return payload.KeyID, nil
	}
	return "", ErrUnknownKey
}

// covered holds that all files are as they were signed, and that there are no others.
func (b Bundle) covered(signed map[string]opabundle.FileInfo) error {
	strong := []string{string(opabundle.SHA256), string(opabundle.SHA384), string(opabundle.SHA512)}
	for _, file := range signed {
		if !slices.Contains(strong, file.Algorithm) {
			return ErrAlgorithm
		}
	}
	content, err := contents(b.files)
	if err != nil {
		return err
	}
	for _, name := range sortedNames(content) {
		if name == signaturesFile {
			continue
		}
		if _, there := signed[name]; !there {
			return errNotCovered(name)
		}
		if err := opabundle.VerifyBundleFile(name, *bytes.NewBuffer(content[name]), signed); err != nil {
			return errChanged(name)
		}
	}
	for name := range signed { // what was verified is taken out
		return errChanged(name)
	}
	return nil
}

// Sign returns the bundle with a signature by a key, in place of the one that it had.
func (b Bundle) Sign(key *ecdsa.PrivateKey, keyID string) (Bundle, error) {
	if keyID == "" {
		return Bundle{}, ErrUnknownKey
	}
	content, err := contents(b.files)
	if err != nil {
		return Bundle{}, err
	}
	delete(content, signaturesFile)
	files, err := hashes(content)
	if err != nil {
		return Bundle{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Bundle{}, fmt.Errorf("sign a bundle: %w", err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	token, err := opabundle.GenerateSignedToken(files, opabundle.NewSigningConfig(string(secret), algorithm, ""), keyID)
	if err != nil {
		return Bundle{}, fmt.Errorf("sign a bundle: %w", err)
	}
	if content[signaturesFile], err = json.Marshal(opabundle.SignaturesConfig{Signatures: []string{token}}); err != nil {
		return Bundle{}, fmt.Errorf("sign a bundle: %w", err)
	}
	return bundleOf(content)
}

// hashes are what a signature covers: OPA hashes JSON that it knows by what it says, and all else byte by byte.
func hashes(content map[string][]byte) (files []opabundle.FileInfo, err error) {
	for _, name := range sortedNames(content) {
		hasher, err := opabundle.NewSignatureHasher(opabundle.SHA256)
		if err != nil {
			return nil, err
		}
		var value any = content[name]
		if opabundle.IsStructuredDoc(name) {
			value = nil
			if err := util.Unmarshal(content[name], &value); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		sum, err := hasher.HashFile(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, opabundle.NewFile(name, hex.EncodeToString(sum), string(opabundle.SHA256)))
	}
	return files, nil
}

// Keys are the public keys by which bundles may be signed, by their ids.
type Keys map[string]*ecdsa.PublicKey

// keyIDHeader is the header of a PEM block that names its key.
const keyIDHeader = "Key-Id"

// ReadKeys reads public keys: a JSON Web Key Set, or PEM blocks that each name their key in a header Key-Id.
func ReadKeys(content []byte) (Keys, error) {
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		return readJWKS(content)
	}
	keys := Keys{}
	for rest := content; len(bytes.TrimSpace(rest)) > 0; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, errors.New("this is neither PEM nor a JSON Web Key Set")
		}
		rest = after
		read, err := x509.ParsePKIXPublicKey(block.Bytes)
		key, ok := read.(*ecdsa.PublicKey)
		if block.Type != "PUBLIC KEY" || err != nil || !ok || key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("a block %q is no public key on the curve P-256", block.Type)
		}
		if err := keys.add(block.Headers[keyIDHeader], key); err != nil {
			return nil, err
		}
	}
	return keys.some()
}

func readJWKS(content []byte) (Keys, error) {
	var set struct {
		Keys []struct{ Kty, Crv, Kid, X, Y, D string }
	}
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, fmt.Errorf("this is no JSON Web Key Set: %w", err)
	}
	keys := Keys{}
	for _, k := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if k.D != "" {
			return nil, errors.New("a key of the set is a private one; name only public keys here")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if k.Kty != "EC" || k.Crv != "P-256" || errors.Join(errX, errY, err) != nil {
			return nil, fmt.Errorf("the key %q of the set is no public key on the curve P-256", k.Kid)
		}
		if err := keys.add(k.Kid, key); err != nil {
			return nil, err
		}
	}
	return keys.some()
}

func (k Keys) add(id string, key *ecdsa.PublicKey) error {
	_, twice := k[id]
	switch {
	case id == "" || !plain(id) || len(id) > 100:
		return errors.New("a key has no id; in PEM, it stands as a header of the block: Key-Id: NAME")
	case id == SignedByRelease:
		return fmt.Errorf("no key is called %q: that is what the rules are called that a release carries", id)
	case twice:
		return fmt.Errorf("two keys are called %q", id)
	}
	k[id] = key
	return nil
}

func (k Keys) some() (Keys, error) {
	if len(k) == 0 {
		return nil, errors.New("there is no key")
	}
	return k, nil
}

// NewKey makes a key to sign with: private and public part in PEM, each with its id.
func NewKey(id string) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if err := (Keys{}).add(id, &key.PublicKey); err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	headers := map[string]string{keyIDHeader: id}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Headers: headers, Bytes: secret}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: headers, Bytes: open}), err
}

// ReadPrivateKey reads a key to sign with, in PEM, as NewKey and openssl write it.
func ReadPrivateKey(content []byte) (*ecdsa.PrivateKey, error) {
	errNoKey := errors.New("this is no private key on the curve P-256 in PEM")
	for rest := content; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, errNoKey
		}
		rest = after
		var read any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			read, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			read, err = x509.ParseECPrivateKey(block.Bytes)
		default: // openssl writes the curve's parameters first
			continue
		}
		if key, ok := read.(*ecdsa.PrivateKey); ok && err == nil && key.Curve == elliptic.P256() {
			return key, nil
		}
		return nil, errNoKey
	}
}

func publicPEM(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}
