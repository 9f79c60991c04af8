package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaConfig says how to run Kafka inside this process.
type KafkaConfig struct {
	Dir  string       // everything it keeps is below this folder
	Log  *slog.Logger // gets its messages; nil: nobody does
	Port int          // on the loopback address; 0: any that is free
}

// Kafka is a broker inside this process that speaks the Kafka protocol. It
// fsyncs every batch before it acknowledges it, and it never deletes a record
// because of its age unless the topic's own retention.ms says so.
//
// It is weaker than Apache Kafka: it ignores an fsync that fails, drops the rest
// of a segment after a damaged record (with a warning), and after a write that
// failed may acknowledge a producer's repetition of the same batch without
// storing it. So its tail is compared with the ledger at every start, and a
// producer that got an error must begin a new term, which scans the tail.
type Kafka struct {
	cluster  *kfake.Cluster
	lock     *Lock
	log      *kafkaLog
	state    string // the folder of its files
	password string
}

const kafkaUser = "bgremover"

// kafkaSettings: its ticker applies log.retention.ms to every topic as soon as
// one topic has a retention of its own; and a service that was off for a week
// must find its consumers' places again.
var kafkaSettings = map[string]string{
	"log.retention.ms":           "-1",
	"log.retention.bytes":        "-1",
	"offsets.retention.minutes":  "5256000", // ten years
	"default.replication.factor": "1",
}

// StartKafka opens the folder's record, or begins one, and returns when the
// broker accepts connections. A folder that another process uses is ErrInUse.
func StartKafka(ctx context.Context, cfg KafkaConfig) (*Kafka, error) {
	k, err := startKafka(ctx, cfg, kafkaSettings)
	if err != nil {
		return nil, fmt.Errorf("start the embedded kafka: %w", err)
	}
	return k, nil
}

func startKafka(ctx context.Context, cfg KafkaConfig, settings map[string]string) (*Kafka, error) {
	lock, err := LockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Kafka{lock: lock, log: &kafkaLog{log: cfg.Log}, state: filepath.Join(cfg.Dir, "log"), password: rand.Text()}
	if err := k.open(ctx, cfg.Port, settings); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return k, nil
}

func (k *Kafka) open(ctx context.Context, port int, settings map[string]string) error {
	// The broker makes its files readable by all; their folder is closed.
	if err := os.MkdirAll(k.state, 0o700); err != nil {
		return fmt.Errorf("make the record's folder: %w", err)
	}
	// It would prefer the password of an earlier run to ours.
	if err := k.forgetPassword(); err != nil {
		return err
	}
	listen := func(network, address string) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &guardedListener{Listener: l, password: []byte(k.password)}, nil
	}
	cluster, err := kfake.NewCluster(
		kfake.Ports(port), kfake.ListenFn(listen), kfake.ClusterID("bgremover-embedded"),
		kfake.DataDir(k.state), kfake.SyncWrites(), kfake.BrokerConfigs(settings), kfake.WithLogger(k.log),
		// Without access lists, the broker lets an unknown user in with an empty password.
		kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", kafkaUser, k.password),
	)
	if err != nil {
		return err
	}
	k.cluster = cluster
	return k.forgetPassword()
}

// forgetPassword removes the file into which the broker writes its users.
func (k *Kafka) forgetPassword() error {
	err := os.Remove(filepath.Join(k.state, "sasl.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the broker's password file: %w", err)
	}
	return nil
}

// Brokers are the addresses to connect to, with SASL PLAIN and without TLS.
func (k *Kafka) Brokers() []string { return k.cluster.ListenAddrs() }

// Username is the only user that may do anything.
func (k *Kafka) Username() string { return kafkaUser }

// Password is made at every start and known to this process alone: other users
// of the machine can neither read nor write the record. It MUST NOT be logged.
func (k *Kafka) Password() string { return k.password }

// Close ends the broker in order and lets go of the folder. Not closing costs
// only time at the next start.
func (k *Kafka) Close() error {
	k.cluster.Close()
	err := errors.Join(k.forgetPassword(), k.lock.Unlock())
	if said := k.log.failure.Load(); said != nil {
		err = errors.Join(err, fmt.Errorf("the embedded kafka failed: %s", *said))
	}
	return err
}

// kafkaLog passes the broker's messages on: its errors and warnings as such (it
// has no other way to say that a file is damaged), the rest as debug. They name
// topics, groups and files, never contents.
type kafkaLog struct {
	log     *slog.Logger
	failure atomic.Pointer[string] // the last error
}

// Logf is kfake's logger interface.
func (l *kafkaLog) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	case kfake.LogLevelNone, kfake.LogLevelInfo, kfake.LogLevelDebug:
	}
	if to < slog.LevelError && !l.log.Enabled(context.Background(), to) {
		return
	}
	line := fmt.Sprintf(format, args...)
	if to == slog.LevelError {
		l.failure.Store(&line)
	}
	l.log.Log(context.Background(), to, "kafka says", "line", line)
}
