// Package postgres keeps what is neither the record nor a projection: the vault of keys,
// the service's secrets, and the small tables by which several processes share work.
//
// Read it in this order: roles.go (who may do what, and which connections), schema.sql and
// vault.sql (every table, and the functions by which appends reach keys), key.go (what a key can
// do), keyset.go and wrapping.go (what wraps it), vault.go and cache.go (how keys begin, are found
// and end), rotate.go, status.go, compare.go, secrets.go; backup_format.go and backup.go. Then leases.go,
// exclusive.go, attempts.go, requests.go, deliveries.go, links.go and sessions.go; apilog.go (what is kept of requests); away.go tells
// when it is worth trying again.
//
// It never writes a key or a secret unwrapped, never makes a key when asked for one or of a kind
// whose end nobody has set, never gives keys to the role that pages are served by, and never
// answers that a key is destroyed unless its tombstone says so: a lost vault must not look like
// a lawful erasure.
package postgres
