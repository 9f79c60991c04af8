package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/config"
)

// certificate makes a certificate and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: privateDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// stated is what a service for others has to say about who runs it.
const stated = "--operator-name=Example --operator-region=Frankfurt --operator-contact=privacy@example.org"

func TestMistakes(t *testing.T) {
	cert, key := certificate(t)
	tests := map[string]struct {
		args  string
		wrong []string
	}{
		"loopback in clear":               {args: "--addr=127.0.0.2:80"},
		"loopback of IPv6":                {args: "--addr=[::1]:80"},
		"loopback by name":                {args: "--addr=localhost:0"},
		"off loopback in clear":           {args: "--addr=192.0.2.1:8080 STATED", wrong: []string{"addr"}},
		"every address":                   {args: "--addr=:8080 STATED", wrong: []string{"addr"}},
		"every address of IPv6":           {args: "--addr=[::]:8080 STATED", wrong: []string{"addr"}},
		"a name that is like localhost":   {args: "--addr=localhost.example:80 STATED", wrong: []string{"addr"}},
		"off loopback with TLS":           {args: "--addr=:443 --tls-cert=CERT --tls-key=KEY STATED"},
		"off loopback behind a proxy":     {args: "--addr=:8080 --behind-tls-proxy STATED"},
		"a certificate without its key":   {args: "--addr=:443 --tls-cert=CERT STATED", wrong: []string{"tls-key"}},
		"a key without its certificate":   {args: "--tls-key=KEY", wrong: []string{"tls-cert"}},
		"a certificate that is none":      {args: "--tls-cert=KEY --tls-key=KEY", wrong: []string{"tls-cert"}},
		"no port":                         {args: "--addr=127.0.0.1", wrong: []string{"addr"}},
		"a port by name":                  {args: "--addr=127.0.0.1:http", wrong: []string{"addr"}},
		"no metrics":                      {args: "--metrics-addr="},
		"metrics on the same port":        {args: "--metrics-addr=127.0.0.1:8080", wrong: []string{"metrics-addr"}},
		"ports that the system chooses":   {args: "--addr=127.0.0.1:0 --metrics-addr=127.0.0.1:0"},
		"longer than promised":            {args: "--delete-after=24h1s", wrong: []string{"delete-after"}},
		"never":                           {args: "--delete-after=0", wrong: []string{"delete-after"}},
		"before it came":                  {args: "--delete-after=-1h", wrong: []string{"delete-after"}},
		"sooner than promised":            {args: "--delete-after=1m"},
		"almost as it comes":              {args: "--delete-after=59s", wrong: []string{"delete-after"}},
		"the clock ahead":                 {args: "--clock-offset=25h"},
		"the clock back":                  {args: "--clock-offset=-1h", wrong: []string{"clock-offset"}},
		"the clock ahead for others":      {args: "--clock-offset=25h --addr=:80 --behind-tls-proxy STATED", wrong: []string{"clock-offset"}},
		"for others, by nobody":           {args: "--addr=:8080 --behind-tls-proxy", wrong: []string{"operator-name", "operator-region", "operator-contact"}},
		"for others, from nowhere":        {args: "--behind-tls-proxy --operator-name=Example --operator-contact=privacy@example.org", wrong: []string{"operator-region"}},
		"an operator's address":           {args: "--operator-contact=privacy@example.org"},
		"a name with the address":         {args: "--operator-contact=Privacy<privacy@example.org>", wrong: []string{"operator-contact"}},
		"no e-mail address":               {args: "--operator-contact=example.org", wrong: []string{"operator-contact"}},
		"a statement of two lines":        {args: "--operator-name=Example\nLtd", wrong: []string{"operator-name"}},
		"a statement without an end":      {args: "--operator-region=" + strings.Repeat("ä", 301), wrong: []string{"operator-region"}},
		"a statement that just fits":      {args: "--operator-region=" + strings.Repeat("ä", 300)},
		"blobs in a folder":               {args: "--blobs=photos"},
		"blobs in an object store":        {args: "--blobs=s3://photos", wrong: []string{"blobs"}},
		"blobs nowhere known":             {args: "--blobs=ftp://photos", wrong: []string{"blobs"}},
		"blobs on another host":           {args: "--blobs=file://host/photos", wrong: []string{"blobs"}},
		"a DSN":                           {args: "--postgres=postgres://app@db.example/bgremover"},
		"a DSN of words":                  {args: "--postgres=host=/run/postgresql user=app"},
		"no DSN":                          {args: "--postgres=postgres://:x:y", wrong: []string{"postgres"}},
		"a login for keys alone":          {args: "--vault-postgres=postgres://vault@db.example/", wrong: []string{"vault-postgres"}},
		"no DSN for keys":                 {args: "--postgres=postgres://app@db.example/ --vault-postgres=postgres://:x:y", wrong: []string{"vault-postgres"}},
		"a key of an unknown service":     {args: "--vault-key=azure-kv://vault/key", wrong: []string{"vault-key"}},
		"no key":                          {args: "--vault-key=gcp-kms://", wrong: []string{"vault-key"}},
		"a password for all to read":      {args: "--postgres=postgres://app:hush@db.example/", wrong: []string{"postgres"}},
		"a password as a parameter":       {args: "--postgres=postgres://app@db.example/?password=hush", wrong: []string{"postgres"}},
		"a password among words":          {args: "--postgres=user=app password='hush hush'", wrong: []string{"postgres"}},
		"Kafka":                           {args: "--kafka=a:9092,b:9092"},
		"a broker without port":           {args: "--kafka=a", wrong: []string{"kafka"}},
		"Kafka's password for all":        {args: "--kafka=127.0.0.1:9092 --kafka-user=app --kafka-password=hush", wrong: []string{"kafka-password"}},
		"a user without password":         {args: "--kafka=127.0.0.1:9092 --kafka-user=app", wrong: []string{"kafka-password"}},
		"a user over the network":         {args: "--kafka=a:9092 --kafka-user=app", wrong: []string{"kafka-password", "kafka-tls"}},
		"a mechanism that there is not":   {args: "--kafka=127.0.0.1:9092 --kafka-sasl=gssapi", wrong: []string{"kafka-sasl", "kafka-user"}},
		"Kafka with certificates":         {args: "--kafka=a:9092 --kafka-tls --kafka-ca=CERT --kafka-cert=CERT --kafka-key=KEY"},
		"Kafka with half a certificate":   {args: "--kafka=a:9092 --kafka-tls --kafka-cert=CERT", wrong: []string{"kafka-tls"}},
		"Kafka with no authority":         {args: "--kafka=a:9092 --kafka-tls --kafka-ca=KEY", wrong: []string{"kafka-tls"}},
		"certificates without TLS":        {args: "--kafka=a:9092 --kafka-ca=CERT", wrong: []string{"kafka-tls"}},
		"settings for a Kafka that is no": {args: "--kafka-tls", wrong: []string{"kafka"}},
		"how to log":                      {args: "--log-format=xml --log-level=all", wrong: []string{"log-format", "log-level"}},
		"a record's name":                 {args: "--log-origin=bgremover.example.org/log --checkpoint-every=1s"},
		"a record's name with a plus":     {args: "--log-origin=a+b", wrong: []string{"log-origin"}},
		"checkpoints all the time":        {args: "--checkpoint-every=999ms", wrong: []string{"checkpoint-every"}},
		"a witness":                       {args: "--witness=https://witness.example#witness.example+00000000+BA"},
		"a witness without its key":       {args: "--witness=https://witness.example", wrong: []string{"witness"}},
		"no model":                        {args: "--model=", wrong: []string{"model"}},
		"all at once": {
			args:  "--addr=:80 --metrics-addr=x --postgres=postgres://a:hush@b/ --blobs=s3://b --delete-after=48h --clock-offset=1h",
			wrong: []string{"postgres", "addr", "metrics-addr", "blobs", "delete-after", "clock-offset", "operator-name", "operator-region", "operator-contact"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			alone(t)
			args := []string{"serve"}
			for i, arg := range strings.Split(strings.NewReplacer("CERT", cert, "KEY", key, "STATED", stated).Replace(tt.args), " --") {
				if i > 0 {
					arg = "--" + arg
				}
				args = append(args, arg)
			}
			_, err := parse(t, args...)
			got := mistakes(t, err)
			slices.Sort(got)
			slices.Sort(tt.wrong)
			if !slices.Equal(got, tt.wrong) {
				t.Errorf("wrong are %v (%v), want %v", got, err, tt.wrong)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// Secrets are taken from variables, and from a file that not everybody can read.
func TestSecrets(t *testing.T) {
	const secrets = "kafka: 127.0.0.1:9092\nkafka-user: app\nkafka-password: hush\npostgres: host=db password=hush\n"
	tests := map[string]struct {
		env   map[string]string
		file  string
		mode  os.FileMode
		wrong []string
	}{
		"variables": {env: map[string]string{
			"BGREMOVER_KAFKA": "127.0.0.1:9092", "BGREMOVER_KAFKA_USER": "app", "BGREMOVER_KAFKA_PASSWORD": "hush",
			"BGREMOVER_POSTGRES": "postgres://app:hush@db/",
		}},
		"a file of one's own":     {file: secrets, mode: 0o600},
		"a file of a group":       {file: secrets, mode: 0o640},
		"a file for everybody":    {file: secrets, mode: 0o644, wrong: []string{"kafka-password", "postgres"}},
		"nothing secret in there": {file: "kafka: 127.0.0.1:9092\npostgres: host=db", mode: 0o644},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			alone(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			args := []string{"serve"}
			if tt.file != "" {
				args = append(args, "--config", write(t, tt.file, tt.mode))
			}
			p, err := parse(t, args...)
			if got := mistakes(t, err); !slices.Equal(got, tt.wrong) {
				t.Errorf("wrong are %v, want %v", got, tt.wrong)
			}
			var out bytes.Buffer
			if err := p.Serve.Print(&out); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "hush") || strings.Contains(out.String(), "kafka-password  \n") {
				t.Errorf("printed:\n%s", &out)
			}
			if tt.env != nil && (p.Serve.Kafka.Password != "hush" || printed(t, p)["kafka-password"] != [2]string{"********", "BGREMOVER_KAFKA_PASSWORD"}) {
				t.Errorf("password %q, printed:\n%s", string(p.Serve.Kafka.Password), &out)
			}
		})
	}
}

func TestKafkaTLS(t *testing.T) {
	cert, key := certificate(t)
	tests := map[string]struct {
		given  config.Kafka
		tls    bool
		pairs  int
		anyone bool // the machine's own authorities
	}{
		"in clear":      {},
		"plain TLS":     {given: config.Kafka{TLS: true}, tls: true, anyone: true},
		"own authority": {given: config.Kafka{TLS: true, CA: cert}, tls: true},
		"both ways":     {given: config.Kafka{TLS: true, CA: cert, Cert: cert, Key: key}, tls: true, pairs: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := tt.given.TLSConfig()
			if err != nil {
				t.Fatal(err)
			}
			if (c != nil) != tt.tls {
				t.Fatalf("got %v", c)
			}
			if c != nil && (len(c.Certificates) != tt.pairs || (c.RootCAs == nil) != tt.anyone || c.InsecureSkipVerify) {
				t.Errorf("got %d certificates, authorities %v", len(c.Certificates), c.RootCAs)
			}
		})
	}
}
