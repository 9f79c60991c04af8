// Package postgres keeps what is neither the record nor a projection: the vault of keys,
// the service's secrets, and the small tables by which several processes share work.
//
// Read it in this order: schema.sql (every table), key.go (what a key can do), keyset.go
// (what wraps it), vault.go and cache.go (how keys begin, are found and end), secrets.go;
// then leases.go, exclusive.go, attempts.go, requests.go, deliveries.go, links.go and sessions.go; away.go tells when
// it is worth trying again.
//
// It never writes a key or a secret unwrapped, never makes a key when asked for one, and
// never answers that a key is destroyed unless its tombstone says so: a lost vault must
// not look like a lawful erasure.
package postgres
