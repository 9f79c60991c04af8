package opa

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"

	opabundle "github.com/open-policy-agent/opa/v1/bundle"

	"github.com/bgremover/bgremover/policies"
)

// signer is a key pair with the name that the operator knows it by.
type signer struct {
	id      string
	private *ecdsa.PrivateKey
	public  []byte // PEM
}

func newSigner(t testing.TB, id string) signer {
	t.Helper()
	private, public, err := NewKey(id)
	must(t, err)
	key, err := ReadPrivateKey(private)
	must(t, err)
	return signer{id, key, public}
}

func (s signer) keys(t testing.TB) Keys {
	t.Helper()
	keys, err := ReadKeys(s.public)
	must(t, err)
	return keys
}

// small is a bundle that has all that a bundle can have.
func small(t testing.TB, change func(content map[string][]byte)) Bundle {
	t.Helper()
	content := map[string][]byte{
		".manifest":     []byte(`{"revision": "7"}`),
		"schema.json":   []byte(`{}`),
		"data/a.json":   []byte(`{"a": {"source": "promise image.purpose"}}`),
		"a/a.rego":      []byte("package a\n"),
		"b/deep/b.rego": []byte("package b\n"),
	}
	if change != nil {
		change(content)
	}
	b, err := bundleOf(content)
	must(t, err)
	return b
}

// altered is a bundle after somebody changed its files.
func altered(t testing.TB, b Bundle, change func(content map[string][]byte)) Bundle {
	t.Helper()
	content, err := contents(b.Files())
	must(t, err)
	change(content)
	b, err = bundleOf(content)
	must(t, err)
	return b
}

func TestSignedBy(t *testing.T) {
	ours, theirs := newSigner(t, "ours-1"), newSigner(t, "theirs")
	impostor := newSigner(t, "ours-1") // another key under our name
	sign := func(s signer) Bundle {
		b, err := small(t, nil).Sign(s.private, s.id)
		must(t, err)
		return b
	}
	put := func(name, content string) func(map[string][]byte) {
		return func(files map[string][]byte) { files[name] = []byte(content) }
	}
	token := func(config *opabundle.SigningConfig, keyID string, with ...opabundle.FileInfo) Bundle {
		content, err := contents(small(t, nil).Files())
		must(t, err)
		files, err := hashes(content)
		must(t, err)
		signed, err := opabundle.GenerateSignedToken(append(files, with...), config, keyID)
		must(t, err)
		return altered(t, small(t, nil), put(signaturesFile, fmt.Sprintf(`{"signatures": [%q]}`, signed)))
	}
	secret, err := x509.MarshalPKCS8PrivateKey(ours.private)
	must(t, err)
	es256 := opabundle.NewSigningConfig(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), "ES256", "")
	weak := opabundle.NewFile("old.rego", "00", string(opabundle.MD5))
	tests := map[string]struct {
		given Bundle
		code  string
	}{
		"signed":                  {sign(ours), ""},
		"by OPA's own tool":       {token(es256, "ours-1"), ""},
		"not signed":              {small(t, nil), "policy.unsigned"},
		"no signature in it":      {altered(t, sign(ours), put(signaturesFile, `{"signatures": []}`)), "policy.unsigned"},
		"no JSON":                 {altered(t, sign(ours), put(signaturesFile, `x`)), "policy.unsigned"},
		"a verifier of its own":   {altered(t, sign(ours), put(signaturesFile, `{"signatures": ["x"], "plugin": "none"}`)), "policy.unsigned"},
		"no token":                {altered(t, sign(ours), put(signaturesFile, `{"signatures": ["x"]}`)), "policy.signature"},
		"by a stranger":           {sign(theirs), "policy.unknown_key"},
		"by no named key":         {token(es256, ""), "policy.unknown_key"},
		"by a key of our name":    {sign(impostor), "policy.signature"},
		"by a shared secret":      {token(opabundle.NewSigningConfig(string(ours.public), "HS256", ""), "ours-1"), "policy.algorithm"},
		"not signed, and says so": {altered(t, sign(ours), put(signaturesFile, `{"signatures": ["`+none("ours-1")+`"]}`)), "policy.algorithm"},
		"hashed weakly":           {token(es256, "ours-1", weak), "policy.algorithm"},
		"a rule changed":          {altered(t, sign(ours), put("a/a.rego", "package a\n\nx := 1\n")), "policy.file_changed"},
		"data changed":            {altered(t, sign(ours), put("data/a.json", `{"a": 1}`)), "policy.file_changed"},
		"another revision":        {altered(t, sign(ours), put(".manifest", `{"revision": "8"}`)), "policy.file_changed"},
		"a rule put in":           {altered(t, sign(ours), put("c/c.rego", "package c\n")), "policy.file_not_covered"},
		"a rule taken out":        {altered(t, sign(ours), func(files map[string][]byte) { delete(files, "a/a.rego") }), "policy.file_changed"},
		"one more in the token":   {token(es256, "ours-1", opabundle.NewFile("x.rego", "00", string(opabundle.SHA256))), "policy.file_changed"},
		"the token of another": {altered(t, sign(ours), func(files map[string][]byte) {
			files[signaturesFile] = signaturesOf(t, small(t, put("a/a.rego", "package z\n")), ours)
		}), "policy.file_changed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			by, err := tt.given.SignedBy(ours.keys(t))
			if codeOf(err) != tt.code || err == nil && by != "ours-1" {
				t.Errorf("by %q: %v, want %q", by, err, tt.code)
			}
		})
	}
}

// none is a token without a signature.
func none(keyID string) string {
	part := func(v any) string {
		content, err := json.Marshal(v)
		if err != nil {
			panic(err) // plain maps
		}
		return base64.RawURLEncoding.EncodeToString(content)
	}
	return part(map[string]string{"alg": "none", "kid": keyID}) + "." + part(map[string]any{"files": []any{}}) + "."
}

func signaturesOf(t *testing.T, b Bundle, by signer) []byte {
	t.Helper()
	signed, err := b.Sign(by.private, by.id)
	must(t, err)
	content, err := contents(signed.Files())
	must(t, err)
	return content[signaturesFile]
}

// What we sign, OPA itself verifies.
func TestOPAVerifiesWhatWeSign(t *testing.T) {
	by := newSigner(t, "ours-1")
	b, err := ReadFolder(policies.Bundle)
	must(t, err)
	b, err = b.Sign(by.private, by.id)
	must(t, err)
	archive, err := b.Archive()
	must(t, err)
	read, err := opabundle.NewReader(strings.NewReader(string(archive))).
		WithBundleVerificationConfig(opabundle.NewVerificationConfig(map[string]*opabundle.KeyConfig{
			"ours-1": {Key: string(by.public), Algorithm: "ES256"},
		}, "", "", nil)).Read()
	if err != nil || read.Manifest.Revision != fmt.Sprint(b.Revision()) || len(read.Modules) == 0 {
		t.Errorf("revision %q, %d modules, %v", read.Manifest.Revision, len(read.Modules), err)
	}
}

func TestReadKeys(t *testing.T) {
	one, two := newSigner(t, "one"), newSigner(t, "two")
	jwk := func(kid, more string) string {
		point, err := one.private.PublicKey.Bytes()
		must(t, err)
		b64 := base64.RawURLEncoding.EncodeToString
		return fmt.Sprintf(`{"kty": "EC", "crv": "P-256", "kid": %q, "x": %q, "y": %q%s}`, kid, b64(point[1:33]), b64(point[33:]), more)
	}
	nameless := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: blockOf(one.public)})
	called := func(id string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"Key-Id": id}, Bytes: blockOf(one.public)})
	}
	larger, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(&larger.PublicKey)
	must(t, err)
	p384 := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"Key-Id": "x"}, Bytes: der})
	private, _, err := NewKey("x")
	must(t, err)
	tests := map[string]struct {
		given string
		ids   string // sorted; "" when refused
	}{
		"PEM":               {string(one.public), "one"},
		"two of them":       {string(one.public) + "\n" + string(two.public), "one two"},
		"a set":             {`{"keys": [` + jwk("one", "") + `,` + jwk("other", `, "use": "sig"`) + `]}`, "one other"},
		"nothing":           {"", ""},
		"an empty set":      {`{"keys": []}`, ""},
		"text":              {"hello", ""},
		"text behind it":    {string(one.public) + "hello", ""},
		"no id":             {string(nameless), ""},
		"no id in a set":    {`{"keys": [` + jwk("", "") + `]}`, ""},
		"one id for two":    {string(one.public) + string(called("one")), ""},
		"the release's":     {string(called(SignedByRelease)), ""},
		"another curve":     {string(p384), ""},
		"a private key":     {string(private), ""},
		"a private one too": {`{"keys": [` + jwk("one", `, "d": "AA"`) + `]}`, ""},
		"off the curve":     {`{"keys": [` + strings.Replace(jwk("one", ""), `"x": "`, `"x": "A`, 1) + `]}`, ""},
		"RSA":               {`{"keys": [{"kty": "RSA", "kid": "x"}]}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keys, err := ReadKeys([]byte(tt.given))
			ids := sortedKeys(keys)
			if ids != tt.ids || (err == nil) != (tt.ids != "") {
				t.Errorf("got %q, %v", ids, err)
			}
		})
	}
}

func sortedKeys(keys Keys) string {
	content := map[string][]byte{}
	for id := range maps.Keys(keys) {
		content[id] = nil
	}
	return strings.Join(sortedNames(content), " ")
}

func blockOf(content []byte) []byte { block, _ := pem.Decode(content); return block.Bytes }

func FuzzReadKeys(f *testing.F) {
	_, public, err := NewKey("x")
	must(f, err)
	f.Add(public)
	f.Add([]byte(`{"keys": [{"kty": "EC", "crv": "P-256", "kid": "x", "x": "AA", "y": "AA"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := ReadKeys(content)
		if (err == nil) == (len(keys) == 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
}

func TestReadPrivateKey(t *testing.T) {
	private, public, err := NewKey("x")
	must(t, err)
	key, err := ReadPrivateKey(private)
	must(t, err)
	sec1, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	openssl := string(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6}})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))
	if same, err := ReadPrivateKey([]byte(openssl)); err != nil || !same.Equal(key) {
		t.Errorf("as openssl writes it: %v", err)
	}
	for what, content := range map[string][]byte{"nothing": nil, "a public key": public, "damaged": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})} {
		if _, err := ReadPrivateKey(content); err == nil {
			t.Errorf("%s is a private key", what)
		}
	}
}
