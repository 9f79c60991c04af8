package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
)

// The limits of --delete-after. The upper one is a promise: policies/retention never
// answers later, whatever stands here. It also deletes its lead (half a minute) ahead,
// so that anything much shorter than the lower one would be deleted as it comes.
const (
	soonestDeletion = time.Minute
	latestDeletion  = 24 * time.Hour
)

// Mistakes are all that is wrong with a configuration, in the order of the settings.
type Mistakes []Mistake

// Mistake is one setting that cannot be used.
type Mistake struct {
	Setting string // without dashes
	Text    string // what is wrong and what to do, without any secret
}

// Error names every mistake, each on its own line.
func (m Mistakes) Error() string {
	lines := []string{"this configuration cannot be used:"}
	for _, one := range m {
		lines = append(lines, fmt.Sprintf("  --%s: %s", one.Setting, one.Text))
	}
	return strings.Join(lines, "\n")
}

func (m *Mistakes) add(setting, format string, args ...any) {
	*m = append(*m, Mistake{setting, fmt.Sprintf(format, args...)})
}

// Validate is called by kong once everything is parsed. Its error is [Mistakes]: all there are.
func (s *Serve) Validate(ctx *kong.Context) error {
	s.collect(ctx)
	for i, one := range s.settings {
		if one.name == "blobs" {
			s.settings[i].value = s.BlobDir()
		}
	}
	var m Mistakes
	s.checkSecrets(&m)
	s.check(&m)
	return m.orNone()
}

// Validate is called by kong once everything is parsed.
func (t *Tool) Validate(ctx *kong.Context) error {
	t.collect(ctx)
	var m Mistakes
	t.checkSecrets(&m)
	t.check(&m)
	return m.orNone()
}

func (m Mistakes) orNone() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// checkSecrets refuses secrets where others can read them.
func (g *Ground) checkSecrets(m *Mistakes) {
	for _, one := range g.settings {
		if !one.secret {
			continue
		}
		switch one.origin {
		case fromCommandLine:
			m.add(one.name, "everybody on this machine can read a command line, so no secret may stand there; use %s or the file",
				"BGREMOVER_"+strings.ToUpper(strings.ReplaceAll(one.name, "-", "_")))
		case string(g.File):
			if info, err := os.Stat(string(g.File)); err == nil && info.Mode().Perm()&0o007 != 0 {
				m.add(one.name, "%s holds this secret and everybody on this machine may read it (mode %04o); run: chmod 600 %[1]s", g.File, info.Mode().Perm())
			}
		}
	}
}

func (g *Ground) check(m *Mistakes) {
	if g.Data == "" {
		m.add("data", "there is no home folder to put one into; say which folder to use")
	}
	g.Kafka.check(m)
	g.Postgres.check(m, "postgres")
	g.Vault.check(m, g.Postgres)
}

func (p Postgres) check(m *Mistakes, setting string) {
	if p == "" {
		return
	}
	// The parser's error masks passwords, and String again what it may have missed.
	if _, err := pgx.ParseConfig(string(p)); err != nil {
		m.add(setting, "%s", strings.ReplaceAll(err.Error(), string(p), p.String()))
	}
}

func (v Vault) check(m *Mistakes, with Postgres) {
	if v.Postgres != "" && with == "" {
		m.add("vault-postgres", "is another login to the database of --postgres, which is missing; the private one needs none")
	}
	v.Postgres.check(m, "vault-postgres")
	if scheme, name, _ := strings.Cut(v.Key, "://"); v.Key != "" && (name == "" || !slices.Contains([]string{"gcp-kms", "aws-kms", "hcvault"}, scheme)) {
		m.add("vault-key", "is %q, and begins with gcp-kms://, aws-kms:// or hcvault://", v.Key)
	}
}

func (s *Serve) check(m *Mistakes) {
	s.Ground.check(m)
	if s.Model.Model == "" {
		m.add("model", "say which model to use: u2net, u2netp or the path of a manifest")
	}
	s.Listen.check(m)
	if _, err := blobDir(s.Blobs); err != nil {
		m.add("blobs", "%v", err)
	}
	if s.DeleteAfter < soonestDeletion || s.DeleteAfter > latestDeletion {
		m.add("delete-after", "is %s, and must be between %s and %s", s.DeleteAfter, soonestDeletion, latestDeletion)
	}
	if s.ClockOffset != nil {
		switch {
		case *s.ClockOffset < 0:
			m.add("clock-offset", "is %s; the clock can only be moved ahead", *s.ClockOffset)
		case !isLoopback(s.Listen.Addr):
			m.add("clock-offset", "is for trying out, and others can reach %s; use a loopback --addr", s.Listen.Addr)
		}
	}
	s.Heads.check(m)
	if s.Rules.URL != "" && s.Rules.Keys == "" {
		m.add("policy-url", "needs --policy-keys: what is fetched is only taken when somebody signed it whom you named")
	}
	s.Operator.check(m)
	s.Providers.check(m)
	if s.Listen.ForOthers() {
		s.Operator.checkStated(m)
	}
	s.Log.check(m)
}

// longestStatement is how many letters an operator's line in the policy may have.
const longestStatement = 300

func (o Operator) check(m *Mistakes) {
	for _, one := range []struct{ setting, value string }{
		{"operator-name", o.Name},
		{"operator-address", o.Address},
		{"operator-region", o.Region},
		{"operator-contact", o.Contact},
		{"operator-authority", o.Authority},
	} {
		if strings.ContainsFunc(one.value, unicode.IsControl) || len([]rune(one.value)) > longestStatement || strings.TrimSpace(one.value) != one.value {
			m.add(one.setting, "is %.60q; it stands in a sentence that people read: one line of at most %d letters, without spaces around it", one.value, longestStatement)
		}
	}
	if parsed, err := mail.ParseAddress(o.Contact); o.Contact != "" && (err != nil || parsed.Address != o.Contact) {
		m.add("operator-contact", "is %.60q; it is an e-mail address and nothing else, such as privacy@example.org", o.Contact)
	}
}

// checkStated refuses a service for others whose policy would not say who runs it, where the servers
// are and whom to write to: people are promised that (region.declared, contact.stated).
func (o Operator) checkStated(m *Mistakes) {
	for _, one := range []struct{ setting, value, example string }{
		{"operator-name", o.Name, "Example Ltd"},
		{"operator-region", o.Region, "Frankfurt, Germany (EU)"},
		{"operator-contact", o.Contact, "privacy@example.org"},
	} {
		if one.value == "" {
			m.add(one.setting, "is missing, and the privacy policy promises others that it is stated; give it, such as '%s'. Only a service on loopback, without --behind-tls-proxy, starts without", one.example)
		}
	}
}

// soonestCheckpoint is the lower limit of --checkpoint-every.
const soonestCheckpoint = time.Second

func (h Heads) check(m *Mistakes) {
	if strings.ContainsFunc(h.Origin, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }) || len(h.Origin) > 200 {
		m.add("log-origin", "is %.60q; it is a name like bgremover.example.org/log: at most 200 letters, digits and signs, without spaces and plus", h.Origin)
	}
	if h.Every < soonestCheckpoint {
		m.add("checkpoint-every", "is %s, and must be at least %s", h.Every, soonestCheckpoint)
	}
	for _, w := range h.Witnesses {
		if _, key, _ := strings.Cut(w, "#"); key == "" {
			m.add("witness", "%.120q has no key; write it behind the address and a #, as the witness publishes it: <name>+<hash>+<key>", w)
		}
	}
}

func (l Log) check(m *Mistakes) {
	if formats := []string{"auto", "text", "json"}; !slices.Contains(formats, l.Format) {
		m.add("log-format", "is %q, and must be one of %s", l.Format, strings.Join(formats, ", "))
	}
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, l.Level) {
		m.add("log-level", "is %q, and must be one of %s", l.Level, strings.Join(levels, ", "))
	}
}

// check holds promise secure.transit: nothing in clear where others could listen.
func (l Listen) check(m *Mistakes) {
	ok := checkAddr(m, "addr", l.Addr)
	if l.MetricsAddr != "" && checkAddr(m, "metrics-addr", l.MetricsAddr) && l.MetricsAddr == l.Addr && !strings.HasSuffix(l.Addr, ":0") {
		m.add("metrics-addr", "is the same as --addr; give it a port of its own")
	}
	switch {
	case l.TLSCert == "" && l.TLSKey == "":
		if ok && !l.BehindTLSProxy && !isLoopback(l.Addr) {
			m.add("addr", "others can reach %s, and photos would travel there in clear; give --tls-cert and --tls-key, "+
				"or --behind-tls-proxy if a proxy in front speaks HTTPS", l.Addr)
		}
	case l.TLSCert == "":
		m.add("tls-cert", "is missing; a key needs its certificate")
	case l.TLSKey == "":
		m.add("tls-key", "is missing; a certificate needs its key")
	default:
		if _, err := tls.LoadX509KeyPair(l.TLSCert, l.TLSKey); err != nil {
			m.add("tls-cert", "cannot be used with the key: %v", err)
		}
	}
}

func checkAddr(m *Mistakes, setting, addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		m.add(setting, "is %q; an address looks like 127.0.0.1:8080 or :8080", addr)
	}
	return err == nil
}

// isLoopback says whether only this machine can reach an address. A name other than
// localhost may mean anything tomorrow.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	return LoopbackHost(host)
}

// LoopbackHost says the same of a host without a port.
func LoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (k Kafka) check(m *Mistakes) {
	for _, broker := range k.Brokers {
		if !checkAddr(m, "kafka", broker) {
			break
		}
	}
	if len(k.Brokers) == 0 && (k.TLS || k.CA != "" || k.Cert != "" || k.Key != "" || k.User != "" || k.Password != "" || k.SASL != "") {
		m.add("kafka", "is missing, and there are settings for it")
	}
	if k.User == "" && k.Password != "" {
		m.add("kafka-user", "is missing; a password needs its user")
	}
	if !slices.Contains([]string{"", "plain", "scram-sha-256", "scram-sha-512"}, k.SASL) {
		m.add("kafka-sasl", "is %q; there are plain, scram-sha-256 and scram-sha-512", k.SASL)
	}
	if k.SASL != "" && k.User == "" {
		m.add("kafka-user", "is missing; --kafka-sasl says how a user logs in")
	}
	if k.User != "" && k.Password == "" {
		m.add("kafka-password", "is missing; a user needs its password")
	}
	if k.User != "" && !k.TLS && slices.ContainsFunc(k.Brokers, func(b string) bool { return !isLoopback(b) }) {
		m.add("kafka-tls", "is needed: the password would travel in clear")
	}
	if !k.TLS && (k.CA != "" || k.Cert != "" || k.Key != "") {
		m.add("kafka-tls", "is needed for the certificates to have an effect")
	}
	if _, err := k.TLSConfig(); err != nil {
		m.add("kafka-tls", "%v", err)
	}
}

// TLSConfig returns how to speak TLS to the brokers; nil when that is not asked for.
func (k Kafka) TLSConfig() (*tls.Config, error) {
	if !k.TLS {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.CA != "" {
		pem, err := os.ReadFile(k.CA)
		if err != nil {
			return nil, fmt.Errorf("the authorities cannot be read: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", filepath.Base(k.CA))
		}
	}
	if (k.Cert == "") != (k.Key == "") {
		return nil, errors.New("a certificate needs its key, and a key its certificate")
	}
	if k.Cert != "" {
		pair, err := tls.LoadX509KeyPair(k.Cert, k.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate cannot be used with its key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
