package kafka

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watermillkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
)

// NewSubscriber returns a watermill subscriber that shares a topic with the other members
// of its consumer group. A new group begins with the oldest message. Each partition's
// messages come one at a time and in order; one that is not acknowledged comes again, and
// those of a member that died go to another one within some seconds.
func NewSubscriber(c Config, group string, log *slog.Logger) (message.Subscriber, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := watermillkafka.NewSubscriber(watermillkafka.SubscriberConfig{
		Brokers:               c.Brokers,
		Unmarshaler:           watermillkafka.DefaultMarshaler{},
		OverwriteSaramaConfig: c.group(),
		ConsumerGroup:         group,
		NackResendSleep:       500 * time.Millisecond,
		ReconnectRetrySleep:   time.Second,
	}, watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug}))
	if err != nil {
		return nil, fmt.Errorf("kafka: subscriber: %w", err)
	}
	return s, nil
}
