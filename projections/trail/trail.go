// Package trail lists every fact of the record: by kind, by what it is about, by time, and by
// what it follows from.
//
//	reads:  all facts
//	writes: fact (schema.sql)
//	shown:  adapters/web, the officers' page of the record
//
// Read it in this order: schema.sql, trail.go, queries.go (lists), chain.go (causes and effects).
//
// It holds of a fact what its envelope says in the open, and nothing of its content: that is
// read from the record itself when somebody asks for it.
package trail

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
)

// Name is the view's name, and its schema's.
const Name = "trail"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Apply queues a row for each fact.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	if len(facts) == 0 {
		return
	}
	n := len(facts)
	var (
		seqs, versions     = make([]int64, n), make([]int64, n)
		ids, types, stream = make([]string, n), make([]string, n), make([]string, n)
		at                 = make([]time.Time, n)
		causes, requests   = make([]*string, n), make([]*string, n)
	)
	for i, env := range facts {
		seqs[i], versions[i], at[i] = env.Seq, env.Version, env.At
		ids[i], types[i], stream[i] = string(env.ID), string(env.Fact.EventName()), string(env.Stream)
		causes[i], requests[i] = orNull(string(env.Cause.Fact)), orNull(string(env.Cause.Request))
	}
	b.Queue(`
		insert into fact (seq, id, type, stream, version, at, cause, request)
		select * from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::uuid[], $8::text[])`,
		seqs, ids, types, stream, versions, at, causes, requests)
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
