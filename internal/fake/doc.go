// Package fake holds small working implementations of the ports of internal/usecase, in
// memory, for tests. Each keeps the contract of its port: where a conformance suite
// exists, the fake passes it. Nothing here is for production, and nothing here is a mock.
package fake
