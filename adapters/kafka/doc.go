// Package kafka carries the record to and from Kafka: the embedded one and real ones alike.
//
// Read it in this order: config.go (the settings, in one place, and why), access.go (what it
// says when they are wrong), topics.go (which topics there are), durable.go (on how many
// brokers they must be), publisher.go (what the sequencer publishes with), source.go (how the
// record is read back in order), subscriber.go (how processors share the uploads).
//
// It never decides anything: which bytes, in which order, how often again, and what a gap
// means is the business of internal/ledger. No payload reaches a log or an error.
package kafka
