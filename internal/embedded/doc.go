// Package embedded is what bgremover brings along so that it needs nothing else
// on one machine: a private PostgreSQL, an in-process Kafka, and the files that
// `make setup` unpacked for them and for ONNX Runtime.
//
// Read runtime.go (which files, and where), lock.go (one process per data
// folder), then postgres.go with cluster.go (the data folder), process.go (the
// process) and user.go (whom it runs as), then kafka.go.
//
// It never listens on more than a unix socket or the loopback address without a
// password that only this process has, never takes anything from the network,
// and never lets a statement, a parameter or a message's contents reach a log.
package embedded
