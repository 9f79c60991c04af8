package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fault"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
)

// processorShutdown is how long handlers may take to come to their end when the service stops.
const processorShutdown = 20 * time.Second

// errNoUpload marks a message that no retry can make sense of.
var errNoUpload = errors.New("the message is no uploaded picture")

// newProcessor makes the router that takes uploads from work and makes their cutouts. A
// message that is not understood goes to the dead letters; everything else is tried until it succeeds
// or the picture's deadline has come, because a deleted picture is no work.
func newProcessor(work message.Subscriber, dead message.Publisher, codec *ledger.Codec, process usecase.Process, log *slog.Logger) (*message.Router, error) {
	// What the router has to tell on its way is for debugging.
	logger := watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: processorShutdown}, logger)
	if err != nil {
		return nil, fmt.Errorf("make the processor's router: %w", err)
	}
	poison, err := middleware.PoisonQueueWithFilter(dead, kafka.TopicDead, func(err error) bool { return errors.Is(err, errNoUpload) })
	if err != nil {
		return nil, fmt.Errorf("make the dead letter queue: %w", err)
	}
	// The first is the outermost: what retries cannot mend reaches the dead letters.
	router.AddMiddleware(
		poison,
		middleware.Retry{
			MaxRetries:          3,
			InitialInterval:     100 * time.Millisecond,
			MaxInterval:         2 * time.Second,
			Multiplier:          3,
			ResetContextOnRetry: true,
			ShouldRetry:         func(p middleware.RetryParams) bool { return !errors.Is(p.Err, errNoUpload) },
			Logger:              logger,
		}.Middleware,
		middleware.Recoverer,
	)
	router.AddConsumerHandler("cutout", ledger.TopicWork, work, func(msg *message.Message) error {
		return handleUpload(msg.Context(), msg.Payload, codec, process)
	})
	return router, nil
}

func handleUpload(ctx context.Context, payload []byte, codec *ledger.Codec, process usecase.Process) error {
	env, err := codec.Decode(ctx, 0, payload)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoUpload, err)
	}
	img, ok := image.OfStream(env.Stream)
	if _, isUpload := env.Fact.(image.Uploaded); !ok || !isUpload {
		return errNoUpload
	}
	fault.Point("process.taken")
	if err := process.Do(ctx, img); err != nil {
		return fmt.Errorf("process image %s: %w", img, err)
	}
	fault.Point("process.done")
	return nil
}
