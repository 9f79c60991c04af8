package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bgremover/bgremover/internal/ledger"
)

// ways are the ways into a cluster, each at addresses of its own.
type ways struct {
	open         []string // no TLS, no password
	users        []string // TLS; a password by any mechanism
	scram        []string // TLS; a password by SCRAM-SHA-512
	certificates []string // TLS; a client's certificate
	user         string
	password     string
	authority    *x509.CertPool
	client       tls.Certificate
	silent       bool // its brokers hang up on whom they refuse, without a word
}

// conformAccess is how settings let the service in, and what it says when they do not.
func conformAccess(t *testing.T, w ways) {
	trusting := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.authority}
	known := Config{Brokers: w.users, User: w.user, Password: w.password, TLS: trusting}
	with := func(change func(*Config)) Config {
		c := known
		change(&c)
		return c
	}
	tests := map[string]struct {
		given Config
		says  string // what is wrong and what to do; "" when it lets in
		later bool   // it may be an outage as well, and is tried again
	}{
		"no password":   {given: Config{Brokers: w.open}},
		"default":       {given: known},
		"plain":         {given: with(func(c *Config) { c.Mechanism = Plain })},
		"scram-sha-256": {given: with(func(c *Config) { c.Mechanism = ScramSHA256 })},
		"scram-sha-512": {given: with(func(c *Config) { c.Mechanism = ScramSHA512 })},
		"certificate": {given: Config{Brokers: w.certificates, TLS: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: w.authority, Certificates: []tls.Certificate{w.client},
		}}},
		"no certificate":              {given: Config{Brokers: w.certificates, TLS: trusting}, says: "--kafka-cert"},
		"mechanism that there is not": {given: with(func(c *Config) { c.Mechanism = "gssapi2" }), says: "do not fit together"},
		"unknown authority":           {given: with(func(c *Config) { c.TLS = &tls.Config{MinVersion: tls.VersionTLS12} }), says: "--kafka-ca"},
		"another name": {given: with(func(c *Config) {
			c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.authority, ServerName: "kafka.example"}
		}), says: "another name"},
		"no TLS where there is": {given: with(func(c *Config) { c.TLS = nil }), says: "(--kafka-tls)", later: true},
		"no user":               {given: with(func(c *Config) { c.User = "" }), says: "(--kafka-user)", later: true},

		"wrong password, plain":         {given: with(func(c *Config) { c.Password = "wrong" }), says: "BGREMOVER_KAFKA_PASSWORD", later: w.silent},
		"wrong password, scram-sha-256": {given: with(func(c *Config) { c.Password, c.Mechanism = "wrong", ScramSHA256 }), says: "BGREMOVER_KAFKA_PASSWORD", later: w.silent},
		"wrong password, scram-sha-512": {given: with(func(c *Config) { c.Password, c.Mechanism = "wrong", ScramSHA512 }), says: "BGREMOVER_KAFKA_PASSWORD", later: w.silent},
		"unknown user":                  {given: with(func(c *Config) { c.User, c.Mechanism = "nobody", ScramSHA512 }), says: "--kafka-user", later: w.silent},
		"mechanism not enabled":         {given: with(func(c *Config) { c.Brokers = w.scram }), says: "--kafka-sasl", later: w.silent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patience := 20 * time.Second
			if tt.later {
				patience = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := EnsureTopics(ctx, tt.given)
			switch {
			case tt.says == "":
				if err != nil {
					t.Fatal(err)
				}
				work(t, tt.given)
			case err == nil || !strings.Contains(err.Error(), tt.says):
				t.Errorf("it does not say %q: %v", tt.says, err)
			case errors.Is(err, ErrAccess) == tt.later:
				t.Errorf("whether trying again may help: %v", err)
			case strings.Contains(err.Error(), w.password):
				t.Error("it tells the password")
			}
		})
	}
}

// work writes and reads.
func work(t *testing.T, c Config) {
	t.Helper()
	pub, src := NewPublisher(c), NewSource(c)
	defer pub.Close()
	defer src.Close()
	batch := facts(1, 2)
	if err := pub.Publish(ledger.TopicRecord, batch...); err != nil {
		t.Fatal(err)
	}
	if f, err := src.Fetch(t.Context(), 0, time.Second); err != nil || len(f.Entries) < 2 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestAccess(t *testing.T) {
	authority, broker, client := certificates(t)
	secret := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{broker}}
	both := secret.Clone()
	both.ClientAuth, both.ClientCAs = tls.RequireAndVerifyClientCert, authority
	start := func(options ...kfake.Opt) []string {
		k, err := kfake.NewCluster(append(options, kfake.NumBrokers(1))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		return k.ListenAddrs()
	}
	const user, password = "app", "hushhush"
	conformAccess(t, ways{
		open: start(),
		users: start(kfake.TLS(secret), kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password),
			kfake.Superuser("SCRAM-SHA-256", user, password), kfake.Superuser("SCRAM-SHA-512", user, password), kfake.EnableACLs()),
		scram:        start(kfake.TLS(secret), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", user, password)),
		certificates: start(kfake.TLS(both)),
		user:         user, password: password, authority: authority, client: client, silent: true,
	})
}

// certificates makes an authority, and certificates that it signed.
func certificates(t *testing.T) (authority *x509.CertPool, broker, client tls.Certificate) {
	t.Helper()
	signer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root := sign(t, signer, signer, nil)
	parsed, err := x509.ParseCertificate(root.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	authority = x509.NewCertPool()
	authority.AddCert(parsed)
	leaf := func(serial int64, use x509.ExtKeyUsage) tls.Certificate {
		return sign(t, &x509.Certificate{
			SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, parsed, root.PrivateKey)
	}
	return authority, leaf(2, x509.ExtKeyUsageServerAuth), leaf(3, x509.ExtKeyUsageClientAuth)
}

// sign signs by key, or by the new certificate's own if that is nil.
func sign(t *testing.T, c, parent *x509.Certificate, key any) tls.Certificate {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if key == nil {
		key = own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, own.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
}
