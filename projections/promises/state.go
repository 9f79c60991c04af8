package promises

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/policy"
)

// DB is what reading needs of a pool.
type DB interface {
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

// State is the view as of one place in the record and one moment: what figures follow from.
type State struct {
	Seq int64 // of the last fact that it rests on
	At  time.Time

	counts   map[string][]count // by what
	pictures openPictures
	visits   openVisits
	newest   map[string][]kept // by kind, in order of names
}

// count is how often something of one class happened.
type count struct {
	class            string
	day, month, ever int64
	worst            *int64 // in milliseconds, in the last 30 days
}

// openPictures are those that are not gone.
type openPictures struct {
	open      int64
	overdue   int64      // past their deadline
	oldest    *time.Time // the earliest of these deadlines
	lingering int64      // downloaded more than lingerAfter ago, and not deleted
	sealed    int64      // deleted more than lingerAfter ago, whose key is not destroyed
}

// lingerAfter is how long what has to happen at once may take before it is late.
const lingerAfter = time.Minute

type openVisits struct {
	n      int64
	oldest *time.Time // its day
}

// kept is the newest of something.
type kept struct {
	name string
	at   time.Time
	body json.RawMessage
}

// read decodes what is kept. The rows are this package's own.
func (k kept) read(into any) error {
	if err := json.Unmarshal(k.body, into); err != nil {
		return fmt.Errorf("read what is kept of %s: %w", k.name, err)
	}
	return nil
}

// Read reads the view in one transaction, which sees it as it is at one place in the record. Now is the
// service's time.
func Read(ctx context.Context, db DB, now time.Time) (State, error) {
	s := State{At: now, counts: map[string][]count{}, newest: map[string][]kept{}}
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for _, step := range []func(context.Context, pgx.Tx) error{s.readSeq, s.readCounts, s.readPictures, s.readVisits, s.readNewest} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return State{}, fmt.Errorf("read the figures of promises: %w", err)
	}
	return s, nil
}

func (s *State) readSeq(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, `select seq from promises.checkpoint`).Scan(&s.Seq)
}

func (s *State) readCounts(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx,
		`select o.what, o.class, coalesce(t.day, 0)::bigint, coalesce(t.month, 0)::bigint, o.n, t.worst
		   from promises.total o
		   left join (
		          select what, class, sum(n) as month, max(worst) as worst, sum(n) filter (where hour > $1) as day
		            from promises.tally
		           where hour > $2
		           group by what, class) t using (what, class)
		  order by o.what, o.class`, s.At.Add(-24*time.Hour), s.At.AddDate(0, 0, -30))
	if err != nil {
		return err
	}
	var what string
	var c count
	_, err = pgx.ForEachRow(rows, []any{&what, &c.class, &c.day, &c.month, &c.ever, &c.worst}, func() error {
		s.counts[what] = append(s.counts[what], c)
		return nil
	})
	return err
}

func (s *State) readPictures(ctx context.Context, tx pgx.Tx) error {
	p := &s.pictures
	return tx.QueryRow(ctx,
		`select (select count(*) from promises.picture where deleted_at is null),
		        (select count(*) from promises.picture where deleted_at is null and due < $1),
		        (select min(due) from promises.picture where deleted_at is null and due < $1),
		        (select count(*) from promises.picture where deleted_at is null and downloaded_at < $2),
		        (select count(*) from promises.picture where deleted_at < $2)`, s.At, s.At.Add(-lingerAfter)).
		Scan(&p.open, &p.overdue, &p.oldest, &p.lingering, &p.sealed)
}

func (s *State) readVisits(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, `select count(*), min(day)::timestamp at time zone 'UTC' from promises.visit`).Scan(&s.visits.n, &s.visits.oldest)
}

func (s *State) readNewest(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `select kind, name, at, body::text from promises.newest order by kind, name`)
	if err != nil {
		return err
	}
	var kind, body string
	var k kept
	_, err = pgx.ForEachRow(rows, []any{&kind, &k.name, &k.at, &body}, func() error {
		k.body = json.RawMessage(body)
		s.newest[kind] = append(s.newest[kind], k)
		return nil
	})
	return err
}

// of returns the counts of a class; none if it never happened.
func (s State) of(what, class string) count {
	for _, c := range s.counts[what] {
		if c.class == class {
			return c
		}
	}
	return count{class: class}
}

// all adds the counts of all classes.
func (s State) all(what string) (sum count) {
	for _, c := range s.counts[what] {
		sum.day, sum.month, sum.ever = sum.day+c.day, sum.month+c.month, sum.ever+c.ever
	}
	return sum
}

// decisions adds the decisions of a rule for which is says yes.
func (s State) decisions(rule string, is func(decided) bool) (sum count) {
	for _, c := range s.counts[decisions] {
		if d := decidedOf(c.class); d.rule == rule && is(d) {
			sum.day, sum.month, sum.ever = sum.day+c.day, sum.month+c.month, sum.ever+c.ever
		}
	}
	return sum
}

func permits(d decided) bool  { return d.allowed }
func refusals(d decided) bool { return !d.allowed }

// Checks returns the newest result of each check that names a promise, or is named.
func (s State) Checks(promise policy.ID, check string) (all []policy.Checked, err error) {
	for _, k := range s.newest[checkResult] {
		var c keptCheck
		if err := k.read(&c); err != nil {
			return nil, err
		}
		if k.name == check || slices.Contains(c.Promises, string(promise)) {
			all = append(all, policy.Checked{Name: k.name, At: k.at, Passed: c.Passed, Looked: c.Looked, Found: c.Found, Code: c.Code})
		}
	}
	return all, nil
}

// Signed returns what was signed about a promise; nil where nothing was or the last was withdrawn.
// Words is the digest of those that are signed today.
func (s State) Signed(promise policy.ID, words string) (*policy.Signed, error) {
	for _, k := range s.newest[statement] {
		if k.name != string(promise) {
			continue
		}
		var c keptStatement
		if err := k.read(&c); err != nil {
			return nil, err
		}
		return &policy.Signed{At: k.at, Until: c.Until, Current: c.Words == words}, nil
	}
	return nil, nil //nolint:nilnil // Nobody signed: that is no error.
}

// Audit returns the last audit with what it found about a promise; nil where there was none.
// Whether a finding breaks the promise is for breaks to say.
func (s State) Audit(promise policy.ID, breaks func(code string) bool) (*policy.Audited, error) {
	last, at, err := s.lastAudit()
	if err != nil || last == nil {
		return nil, err
	}
	audited := &policy.Audited{At: at, Whole: last.Whole}
	for _, f := range last.Findings {
		if f.Promise == string(promise) {
			audited.Findings = append(audited.Findings, policy.Finding{Code: f.Code, Count: f.Count, Breaks: breaks(f.Code)})
		}
	}
	return audited, nil
}

// lastAudit returns the newest audit, and when it was; nil where there was none.
func (s State) lastAudit() (*keptAudit, time.Time, error) {
	all := s.newest[lastAudit]
	if len(all) == 0 {
		return nil, time.Time{}, nil
	}
	var c keptAudit
	if err := all[0].read(&c); err != nil {
		return nil, time.Time{}, err
	}
	return &c, all[0].at, nil
}
