package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// ErrAccess says that the brokers do not let the service in, or the service does not trust
// the brokers. Trying again does not help; the text says what to change.
var ErrAccess = errors.New("the brokers cannot be used with these settings")

// explain puts in front of an error what an operator can do about it. Others stay as they are.
func (c Config) explain(err error) error {
	if why := c.why(err); why != "" {
		return fmt.Errorf("%w: %s (%w)", ErrAccess, why, err)
	}
	if hint := c.hint(err); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

func (c Config) why(err error) string {
	var wrong sarama.ConfigurationError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &wrong):
		return "they do not fit together"
	case errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
		return fmt.Sprintf("they do not offer the mechanism %s here; choose another one of theirs by --kafka-sasl, "+
			"or enable it there (sasl.enabled.mechanisms)", c.mechanism())
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return fmt.Sprintf("they refuse the user %q with this password by %s; see that --kafka-user and "+
			"BGREMOVER_KAFKA_PASSWORD are right, and that the brokers know the user for this mechanism (--kafka-sasl)", c.User, c.mechanism())
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed),
		errors.Is(err, sarama.ErrGroupAuthorizationFailed):
		return fmt.Sprintf("they know the user %q and do not allow it what the service needs: Create, Describe, DescribeConfigs, Read "+
			"and Write on the topics record, checkpoints and work.image*, and Read on the consumer group processor; see kafka-acls", c.User)
	}
	return whyTLS(err)
}

func whyTLS(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var alert *net.OpError // crypto/tls's own type of an alert that came from the other side
	switch {
	case errors.As(err, &unknown):
		return "an authority that this machine does not know signed their certificate; give that authority's certificate by --kafka-ca"
	case errors.As(err, &name):
		return "their certificate is for another name than the one in --kafka; use the name that it is for"
	case errors.As(err, &invalid):
		return "their certificate is not valid; see its dates and what it is for"
	case errors.As(err, &header):
		return "they do not speak TLS at this address; take --kafka-tls away, or use the address of their TLS listener"
	case errors.As(err, &alert) && alert.Op == "remote error":
		return "they ended the TLS handshake; if they ask for a certificate, give one that they trust by --kafka-cert and --kafka-key"
	}
	return ""
}

// hint says what may be wrong when a broker ends the connection and does not say why. It may
// as well be about to go: that is worth another try.
func (c Config) hint(err error) string {
	var packet sarama.PacketDecodingError
	switch {
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.As(err, &packet):
		return ""
	case c.TLS == nil && c.User == "":
		return "if this goes on: what the brokers speak at this address may be TLS (--kafka-tls), or they may want a password (--kafka-user)"
	case c.TLS == nil:
		return "if this goes on: what the brokers speak at this address may be TLS (--kafka-tls)"
	case c.User == "" && len(c.TLS.Certificates) == 0:
		return "if this goes on: the brokers may not speak TLS at this address, or they may want a password (--kafka-user)"
	}
	return "if this goes on: the brokers may not speak TLS at this address, or not know the user, the password or the mechanism " +
		"(--kafka-user, BGREMOVER_KAFKA_PASSWORD, --kafka-sasl)"
}

// probe connects to the brokers one by one and returns what the first says that refuses:
// a sarama client has no answer but that there is no broker.
func (c Config) probe() error {
	for _, addr := range c.Brokers {
		b := sarama.NewBroker(addr)
		if err := b.Open(c.base()); err != nil {
			return err
		}
		_, err := b.Connected()
		_ = b.Close()
		if refusal, ok := errors.AsType[sarama.KError](err); ok {
			return refusal
		}
	}
	return nil
}

// conversation is one log-in by SCRAM (RFC 5802).
type conversation struct {
	*scram.ClientConversation
	hash scram.HashGeneratorFcn
}

func newScram(hash scram.HashGeneratorFcn) func() sarama.SCRAMClient {
	return func() sarama.SCRAMClient { return &conversation{hash: hash} }
}

// Begin implements [sarama.SCRAMClient].
func (c *conversation) Begin(user, password, authorization string) error {
	client, err := c.hash.NewClient(user, password, authorization)
	if err != nil {
		return err
	}
	c.ClientConversation = client.NewConversation()
	return nil
}
