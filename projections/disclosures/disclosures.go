// Package disclosures lists requests for data from outside and what became of them.
//
//	reads:  disclosure.*, vault.key_destroyed
//	writes: disclosure, tally (schema.sql)
//	shown:  adapters/web (officers' list, the public report)
//
// Read it in this order: schema.sql, disclosures.go (what each fact changes), queries.go, next.go (what
// has to be done, and by when).
//
// It holds nothing that the codec seals: not who asked, by name, nor about whom. Of a request
// whose key is destroyed it keeps a count and nothing else.
package disclosures

import (
	_ "embed"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/system"
)

// Name is the view's name, and its schema's.
const Name = "disclosures"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Outcome is what became of a request, as far as everybody is told.
type Outcome string

// The outcomes. A request that is permitted and not carried out yet is pending for everybody
// but officers.
const (
	Pending   Outcome = "pending"
	Permitted Outcome = "permitted"
	Made      Outcome = "made"
	Nothing   Outcome = "nothing" // allowed, and there was nothing to give
	Refused   Outcome = "refused"
)

// Apply queues what some facts change. The facts are few; each is a statement of its own.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	for _, env := range facts {
		if e, ok := env.Fact.(system.KeyDestroyed); ok {
			if d, ok := disclosure.OfStream(event.Stream(e.Key)); ok {
				forget(b, d)
			}
			continue
		}
		d, ok := disclosure.OfStream(env.Stream)
		if !ok {
			continue
		}
		if e, ok := env.Fact.(disclosure.Event); ok {
			apply(b, d, e, env)
		}
	}
}

func apply(b *pgx.Batch, d id.Disclosure, e disclosure.Event, env event.Envelope) {
	change := func(set string, args ...any) {
		b.Queue(`update disclosure set `+set+` where disclosure = $1`, append([]any{string(d)}, args...)...)
	}
	switch e := e.(type) {
	case disclosure.Requested:
		b.Queue(`
			insert into disclosure (disclosure, requested_at, sender, country, category, fields, basis, expires)
			values ($1, $2, $3, $4, $5, coalesce($6, '{}'::text[]), $7, $8)
			on conflict do nothing`,
			string(d), env.At, e.From, e.Country, e.Category, e.Fields, e.Basis, e.Expires)
	case disclosure.Scoped:
		change(`purpose = $2`, e.Purpose)
	case disclosure.Approved:
		change(`approvals = $2`, e.Approvals)
	case disclosure.Permitted:
		change(`outcome = $2`, string(Permitted))
	case disclosure.Refused:
		outcome := Refused
		if e.NotHeld() {
			outcome = Nothing
		}
		change(`outcome = $2, reasons = coalesce($3, '{}'::text[])`, string(outcome), e.Reasons)
	case disclosure.Made:
		outcome := Made
		if e.Count == 0 {
			outcome = Nothing
		}
		change(`outcome = $2, records = $3, tell_from = $4`, string(outcome), e.Count, env.At)
	case disclosure.SubjectTold:
		change(`told = 'told'`)
	case disclosure.SubjectUnreachable:
		change(`told = 'unreachable'`)
	case disclosure.SubjectDeferred:
		change(`tell_from = $2`, e.Until)
	}
}

// forget keeps of a request that it was made and what became of it.
func forget(b *pgx.Batch, d id.Disclosure) {
	b.Queue(`
		insert into tally (half, sender, country, category, outcome, n)
		select `+half+`, sender, country, category, outcome, 1
		from   disclosure
		where  disclosure = $1
		on conflict (half, sender, country, category, outcome) do update set n = tally.n + 1`, string(d))
	b.Queue(`delete from disclosure where disclosure = $1`, string(d))
}

// half is the first day of the half-year in which a request came, in UTC.
const half = `make_date(extract(year from requested_at at time zone 'UTC')::int, case when extract(month from requested_at at time zone 'UTC') < 7 then 1 else 7 end, 1)`
