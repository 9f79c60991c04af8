// Package telemetry is what the service tells its operator: a log, metrics, and which build it is.
//
// Read it in this order: log.go, metrics.go (every metric), label.go (what may stand in a
// label), version.go.
//
// Nothing here tells about a person or a picture: no id, token, address or file name is a
// label, and the log shows personal texts as "[personal]".
package telemetry
