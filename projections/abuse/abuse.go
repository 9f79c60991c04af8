// Package abuse counts what the service refused to strangers, hour by hour, and how many visitors a
// day had.
//
//	reads:  policy.decision_refused, visit.began, visit.blocked
//	writes: refused, visits (schema.sql)
//	shown:  adapters/web/officer, the page /officer/security
//
// Read it in this order: schema.sql, abuse.go (what each fact counts as), queries.go, purge.go.
//
// It names nobody: no visit's id, no address, and of a rule's questions only whose uploads were counted
// together.
package abuse

import (
	_ "embed"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/visit"
)

// Name is the view's name, and its schema's.
const Name = "abuse"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Apply queues what some facts add. Each adds once because the projector commits its checkpoint with
// the counts.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	refused, days := refusals{}, map[string]*day{}
	of := func(name string) *day {
		if days[name] == nil {
			days[name] = &day{}
		}
		return days[name]
	}
	for _, env := range facts {
		switch f := env.Fact.(type) {
		case policy.DecisionRefused:
			refused.add(f)
		case visit.Began:
			if _, err := time.Parse(time.DateOnly, f.Day); err == nil {
				of(f.Day).began++
			}
		case visit.Blocked:
			of(f.At.UTC().Format(time.DateOnly)).blocked++
		}
	}
	refused.queue(b)
	queueDays(b, days)
}

type refusal struct {
	hour        int64 // its start, in seconds since 1970
	rule, scope string
}

type refusals map[refusal]int64

// add counts the questions that the fact tells by their scope; what found no room there has none.
func (r refusals) add(f policy.DecisionRefused) {
	hour := f.Minute.Truncate(time.Hour).Unix()
	left := f.Count
	for _, in := range f.Inputs {
		r[refusal{hour, f.Rule, scopeOf(in.Input)}] += in.Count
		left -= in.Count
	}
	if left > 0 {
		r[refusal{hour, f.Rule, ""}] += left
	}
}

// scopeOf returns the scope of a question, if it is one that rules know.
func scopeOf(input json.RawMessage) string {
	var asked struct{ Scope string }
	if json.Unmarshal(input, &asked) != nil {
		return ""
	}
	switch asked.Scope {
	case "visitor", "network", "api_key":
		return asked.Scope
	}
	return ""
}

func (r refusals) queue(b *pgx.Batch) {
	if len(r) == 0 {
		return
	}
	var (
		hours         []time.Time
		rules, scopes []string
		n             []int64
	)
	for one, more := range r {
		hours = append(hours, time.Unix(one.hour, 0))
		rules, scopes = append(rules, one.rule), append(scopes, one.scope)
		n = append(n, more)
	}
	b.Queue(`
		insert into refused as r (hour, rule, scope, n)
		select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[])
		on conflict (hour, rule, scope) do update set n = r.n + excluded.n`, hours, rules, scopes, n)
}

type day struct{ began, blocked int64 }

func queueDays(b *pgx.Batch, days map[string]*day) {
	if len(days) == 0 {
		return
	}
	var (
		names          []string
		began, blocked []int64
	)
	for name, d := range days {
		names, began, blocked = append(names, name), append(began, d.began), append(blocked, d.blocked)
	}
	b.Queue(`
		insert into visits as v (day, began, blocked)
		select * from unnest($1::date[], $2::bigint[], $3::bigint[])
		on conflict (day) do update set began = v.began + excluded.began, blocked = v.blocked + excluded.blocked`, names, began, blocked)
}
