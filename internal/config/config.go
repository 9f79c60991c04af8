// Package config is what an operator can set.
//
// Read it in this order: config.go (every setting), validate.go (what is refused), secret.go
// (values that are never shown), file.go (the YAML file), origin.go (where each value came
// from, and how all of them are printed), paths.go (folders by platform).
//
// A setting is taken from the command line, else from its BGREMOVER_… variable, else from the
// file, else it is the default. Secrets come from variables or the file: everybody on a machine
// can read a command line. Kong does the parsing; embed [Serve] in a command, and pass
// [Options] to kong.New.
//
// It holds no rule about pictures or people that policies/ should hold, and it opens nothing
// but the configuration file and the TLS files that it checks.
package config

import (
	"net"
	"time"

	"github.com/alecthomas/kong"
)

// Serve is what "bgremover serve" and "bgremover config" understand.
type Serve struct {
	Ground
	Model     Model     `embed:""`
	Listen    Listen    `embed:"" group:"Who can reach it"`
	Heads     Heads     `embed:"" group:"Signed heads of the record"`
	Rules     Rules     `embed:"" group:"Rules that decide"`
	Operator  Operator  `embed:"" group:"Who runs it, as the privacy policy states it (what is missing is shown as not stated)"`
	Providers Providers `embed:"" group:"Who works for it, as the register of processing names them"`
	Blobs     string    `name:"blobs" placeholder:"DIR" env:"BGREMOVER_BLOBS" help:"Folder, or file:// URL, for the sealed photos (${env}; default: the folder 'blobs' in --data)."`

	DeleteAfter time.Duration  `name:"delete-after" placeholder:"TIME" default:"24h" env:"BGREMOVER_DELETE_AFTER" help:"When a photo is deleted that nobody has downloaded, such as 90m: at least 1m, and at most 24h, which is what people are promised (${env}; default: ${default})."`
	ClockOffset *time.Duration `name:"clock-offset" placeholder:"TIME" env:"BGREMOVER_CLOCK_OFFSET" help:"Move the service's clock ahead, to see deadlines come, such as 25h. Only while nobody else can reach the service; kept from then on, and never less (${env})."`

	Log Log `embed:""`
}

// Tool is what a command understands that works on what a service keeps, whether that
// runs or not.
type Tool struct{ Ground }

// Ground says where everything is kept.
type Ground struct {
	File File `name:"config" type:"path" placeholder:"FILE" default:"${config_file}" env:"BGREMOVER_CONFIG" help:"Settings in YAML, one 'name: value' a line, with the names of these flags without the dashes (${env}; default: ${config_file})."`

	Folder
	Kafka    Kafka    `embed:"" group:"Kafka (without --kafka, one inside the service)"`
	Postgres Postgres `name:"postgres" placeholder:"DSN" env:"BGREMOVER_POSTGRES" help:"PostgreSQL to use, such as postgres://app@db.example/bgremover; without it the service runs a private one. Here without its password: that goes into PGPASSWORD, or with the whole DSN into ${env} or the file."`

	Vault Vault `embed:"" group:"Keys"`

	settings []setting // what is in force and where it came from; set by Validate
	strays   []string  // BGREMOVER_ variables that are no setting
}

// Vault says where keys are, and what wraps them.
type Vault struct {
	Postgres Postgres `name:"vault-postgres" placeholder:"DSN" env:"BGREMOVER_VAULT_POSTGRES" help:"The database of --postgres with another login, for keys alone: then the service's own login has no way to them (${env})."`
	Key      string   `name:"vault-key" placeholder:"URI" env:"BGREMOVER_VAULT_KEY" help:"Key of a key management service that seals the file 'keyset' in --data: gcp-kms://…, aws-kms://… or hcvault://…; without it the file stands in clear, readable by its owner alone (${env})."`
}

// Heads says how the record's tree is signed for others.
type Heads struct {
	Origin    string        `name:"log-origin" placeholder:"NAME" env:"BGREMOVER_LOG_ORIGIN" help:"Name of the record in its checkpoints, for ever: best where /log is served, such as bgremover.example.org/log (${env}; default: bgremover.localhost/ and a random number, made once)."`
	Every     time.Duration `name:"checkpoint-every" placeholder:"TIME" default:"1m" env:"BGREMOVER_CHECKPOINT_EVERY" help:"The least time between two checkpoints, so that their sizes betray no single upload: at least 1s (${env}; default: ${default})."`
	Witnesses []string      `name:"witness" placeholder:"URL" env:"BGREMOVER_WITNESS" help:"A witness that signs checkpoints, too: its submission prefix, and behind # its key, such as https://witness.example/log#witness.example+1a2b3c4d+BHqW… Repeat for more (${env})."`
}

// Rules says who may sign policy bundles, and where they come from.
type Rules struct {
	Keys            string `name:"policy-keys" type:"path" placeholder:"FILE" env:"BGREMOVER_POLICY_KEYS" help:"Public keys of those who may sign policy bundles: PEM blocks with a header Key-Id, or a JSON Web Key Set; without it none is taken (${env})."`
	URL             string `name:"policy-url" placeholder:"URL" env:"BGREMOVER_POLICY_URL" help:"Where an OPA bundle server has signed policy bundles; asked every minute, what is new is stored and waits for its activation (${env})."`
	ActivateRelease bool   `name:"activate-release-policy" env:"BGREMOVER_ACTIVATE_RELEASE_POLICY" help:"Put the rules that this release carries in force, if they are newer, without anybody's approval; always so while --addr is one that only this machine can reach (${env})."`
}

// Operator fills what the published policy leaves to whoever runs the service.
type Operator struct {
	Name      string `name:"operator-name" placeholder:"NAME" env:"BGREMOVER_OPERATOR_NAME" help:"Who runs the service and answers for it: the controller (${env})."`
	Address   string `name:"operator-address" placeholder:"ADDRESS" env:"BGREMOVER_OPERATOR_ADDRESS" help:"Its postal address, on one line (${env})."`
	Region    string `name:"operator-region" placeholder:"REGION" env:"BGREMOVER_OPERATOR_REGION" help:"Where the servers are, such as 'Frankfurt, Germany (EU)' (${env})."`
	Contact   string `name:"operator-contact" placeholder:"E-MAIL" env:"BGREMOVER_OPERATOR_CONTACT" help:"E-mail address for everything that concerns people's data (${env})."`
	Authority string `name:"operator-authority" placeholder:"NAME" env:"BGREMOVER_OPERATOR_AUTHORITY" help:"The supervisory authority that people can complain to, and where it is reached (${env})."`
}

// Folder says where the service keeps everything; it is all that the subcommands need to
// find a running one.
type Folder struct {
	Data string `name:"data" type:"path" placeholder:"DIR" default:"${data}" env:"BGREMOVER_DATA" help:"Folder for everything that the service keeps (${env}; default: ${default})."`
}

// Model says which network cuts out.
type Model struct {
	Model               string `name:"model" placeholder:"NAME" default:"u2net" env:"BGREMOVER_MODEL" help:"u2net (good), u2netp (small and quick, for trying out), or the path of a model's manifest (${env}; default: ${default})."`
	AcceptModelPassport string `name:"accept-model-passport" placeholder:"NAME" env:"BGREMOVER_ACCEPT_MODEL_PASSPORT" help:"Use the model of this name although its passport has gaps, such as training data of unknown licence. Yours to answer for (${env})."`
}

// Listen says who can reach the service, and how.
type Listen struct {
	Addr           string `name:"addr" placeholder:"HOST:PORT" default:"127.0.0.1:8080" env:"BGREMOVER_ADDR" help:"Address of the pages and the API (${env}; default: ${default}, which only this machine can reach)."`
	TLSCert        string `name:"tls-cert" type:"path" placeholder:"FILE" env:"BGREMOVER_TLS_CERT" help:"Certificate chain (PEM), to speak HTTPS (${env})."`
	TLSKey         string `name:"tls-key" type:"path" placeholder:"FILE" env:"BGREMOVER_TLS_KEY" help:"Its private key (PEM) (${env})."`
	BehindTLSProxy bool   `name:"behind-tls-proxy" env:"BGREMOVER_BEHIND_TLS_PROXY" help:"A proxy in front speaks HTTPS and appends to X-Forwarded-For, and nobody reaches --addr around it (${env})."`
	MetricsAddr    string `name:"metrics-addr" placeholder:"HOST:PORT" default:"127.0.0.1:18080" env:"BGREMOVER_METRICS_ADDR" help:"Address of the metrics, for Prometheus; empty for none (${env}; default: ${default})."`
}

// OnlyHere says that only this machine can reach the address.
func (l Listen) OnlyHere() bool { return isLoopback(l.Addr) }

// ForOthers says that people other than whoever sits at this machine are meant to reach the
// service: what they are promised about its operator has to be stated.
func (l Listen) ForOthers() bool {
	_, _, err := net.SplitHostPort(l.Addr)
	return err == nil && (!l.OnlyHere() || l.BehindTLSProxy)
}

// Kafka says how to reach the brokers.
type Kafka struct {
	Brokers  []string `name:"kafka" placeholder:"HOST:PORT" env:"BGREMOVER_KAFKA" help:"Brokers of the Kafka to use (${env})."`
	TLS      bool     `name:"kafka-tls" env:"BGREMOVER_KAFKA_TLS" help:"Speak TLS to the brokers (${env})."`
	CA       string   `name:"kafka-ca" type:"path" placeholder:"FILE" env:"BGREMOVER_KAFKA_CA" help:"Authorities that may have signed the brokers' certificates (PEM), instead of the machine's (${env})."`
	Cert     string   `name:"kafka-cert" type:"path" placeholder:"FILE" env:"BGREMOVER_KAFKA_CERT" help:"Certificate to show to the brokers (PEM) (${env})."`
	Key      string   `name:"kafka-key" type:"path" placeholder:"FILE" env:"BGREMOVER_KAFKA_KEY" help:"Its private key (PEM) (${env})."`
	User     string   `name:"kafka-user" placeholder:"NAME" env:"BGREMOVER_KAFKA_USER" help:"User to log in as (${env})."`
	SASL     string   `name:"kafka-sasl" placeholder:"MECHANISM" env:"BGREMOVER_KAFKA_SASL" help:"How to prove the password: plain, scram-sha-256 or scram-sha-512, as the brokers have it (${env}; default with a user: plain)."`
	Password Secret   `name:"kafka-password" placeholder:"SECRET" env:"BGREMOVER_KAFKA_PASSWORD" help:"Its password: only in ${env} or the file, because everybody on a machine can read a command line."`
}

// Log says what the service tells about itself.
type Log struct {
	Format string `name:"log-format" placeholder:"FORMAT" default:"auto" env:"BGREMOVER_LOG_FORMAT" help:"text, json, or auto: text on a terminal, else json (${env}; default: ${default})."`
	Level  string `name:"log-level" placeholder:"LEVEL" default:"info" env:"BGREMOVER_LOG_LEVEL" help:"debug, info, warn or error (${env}; default: ${default})."`
}

// Options is what kong needs to parse commands that embed these structs.
func Options() []kong.Option {
	return []kong.Option{kong.Vars{"data": defaultData(), "config_file": defaultFile()}}
}
