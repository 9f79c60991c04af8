package promises

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
)

// The kinds of what there is one newest of, and what tells them apart.
const (
	checkResult = "check"     // by check
	statement   = "statement" // by promise; gone once it is withdrawn
	lastAudit   = "audit"
	modelLoaded = "model" // by model
	stall       = "stall" // by kind of data; gone once nothing is late any more
	region      = "region"
	lastText    = "text"  // of the policy
	lastRules   = "rules" // in force
	lastPurge   = "purge" // by kind of data
)

// subject says what something is the newest of.
type subject struct{ kind, name string }

// version is the newest of it; without a body it is gone.
type version struct {
	at   time.Time
	seq  int64
	body any
}

type newest map[subject]version

// What is kept of each. The names in JSON stand in rows, which a rebuild has to make the same.
type (
	keptCheck struct {
		Promises []string `json:"promises"`
		Passed   bool     `json:"passed"`
		Looked   int64    `json:"looked"`
		Found    int64    `json:"found"`
		Code     string   `json:"code"`
	}
	keptStatement struct {
		Until time.Time `json:"until"`
		Words string    `json:"words"` // their digest
	}
	keptAudit struct {
		Whole    bool             `json:"whole"`
		Objects  int64            `json:"objects"`
		Keys     int64            `json:"keys"`
		Tables   int64            `json:"tables"`
		Removed  int64            `json:"removed"`
		Findings []system.Finding `json:"findings"`
	}
	keptModel struct {
		Established bool `json:"established"`
	}
	keptStall struct {
		Due     time.Time `json:"due"`
		Waiting int64     `json:"waiting"`
	}
	keptPurge struct {
		Due   time.Time `json:"due"`
		Count int64     `json:"count"`
	}
	keptText struct {
		Version int    `json:"version"`
		Date    string `json:"date"`
	}
	keptRules struct {
		Revision int64  `json:"revision"`
		Digest   string `json:"digest"`
	}
	keptRegion struct {
		Region string `json:"region"`
	}
)

func (n newest) add(env event.Envelope) {
	is := func(kind, name string, body any) { n[subject{kind, name}] = version{env.At, env.Seq, body} }
	switch e := env.Fact.(type) {
	case system.AuditCheckPassed:
		is(checkResult, e.Check, keptCheck{Promises: e.Promises, Passed: true, Looked: e.Looked})
	case system.AuditCheckFailed:
		is(checkResult, e.Check, keptCheck{Promises: e.Promises, Looked: e.Looked, Found: e.Found, Code: e.Code})
	case system.AttestationMade:
		is(statement, e.Promise, keptStatement{e.Until, e.Statement})
	case system.AttestationWithdrawn:
		is(statement, e.Promise, nil)
	case system.AuditCompleted:
		is(lastAudit, "", keptAudit{e.Whole, e.Objects, e.Keys, e.Tables, e.Removed, e.Findings})
	case system.ModelLoaded:
		is(modelLoaded, e.Model, keptModel{e.Established})
	case system.RetentionStalled:
		is(stall, e.Kind, keptStall{e.Due, e.Waiting})
	case system.RetentionResumed:
		is(stall, e.Kind, nil)
	case system.RetentionPurged:
		is(lastPurge, e.Kind, keptPurge{e.Due, e.Count})
	case system.RegionDeclared:
		is(region, "", keptRegion{e.Region})
	case policy.Published:
		is(lastText, "", keptText{e.Version, e.Date})
	case policy.Activated:
		is(lastRules, "", keptRules{e.Revision, e.Digest})
	}
}

func (n newest) queue(b *pgx.Batch) {
	var kinds, names, bodies, goneKinds, goneNames []string
	var at []time.Time
	var seq []int64
	for of, v := range n {
		if v.body == nil {
			goneKinds, goneNames = append(goneKinds, of.kind), append(goneNames, of.name)
			continue
		}
		body, err := json.Marshal(v.body)
		if err != nil {
			panic("promises: a row that is no JSON: " + err.Error()) // texts, numbers and times always are
		}
		kinds, names, bodies = append(kinds, of.kind), append(names, of.name), append(bodies, string(body))
		at, seq = append(at, v.at), append(seq, v.seq)
	}
	if len(kinds) > 0 {
		b.Queue(renew, kinds, names, at, seq, bodies)
	}
	if len(goneKinds) > 0 {
		b.Queue(forget, goneKinds, goneNames)
	}
}

const renew = `
	insert into newest as n (kind, name, at, seq, body)
	select kind, name, at, seq, body::jsonb
	  from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[]) as c (kind, name, at, seq, body)
	on conflict (kind, name) do update
	   set at = excluded.at, seq = excluded.seq, body = excluded.body`

const forget = `
	delete from newest as n
	 using unnest($1::text[], $2::text[]) as c (kind, name)
	 where n.kind = c.kind and n.name = c.name`
