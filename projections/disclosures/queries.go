package disclosures

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/id"
)

// DB is what the queries need of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Disclosure is one request, without what is personal about it.
type Disclosure struct {
	ID        id.Disclosure
	At        time.Time
	Sender    string
	Country   string
	Category  string
	Fields    []string
	Basis     string
	Purpose   string
	Expires   time.Time
	Approvals int
	Outcome   Outcome
	Reasons   []string
	Records   int64
	Told      string
	TellFrom  *time.Time
}

// Most is how many requests a list has at most.
const Most = 200

const columns = `disclosure::text, requested_at, sender, country, category, fields, basis, purpose, expires, approvals, outcome, reasons, records, told, tell_from`

// List returns the newest requests, the newest first, at most [Most].
func List(ctx context.Context, db DB) ([]Disclosure, error) {
	return collect(ctx, db, `select `+columns+` from disclosures.disclosure order by requested_at desc, disclosure limit $1`, Most)
}

// Get returns one request, or [disclosure.ErrUnknown].
func Get(ctx context.Context, db DB, which id.Disclosure) (Disclosure, error) {
	if _, ok := id.ParseDisclosure(string(which)); !ok {
		return Disclosure{}, disclosure.ErrUnknown
	}
	found, err := collect(ctx, db, `select `+columns+` from disclosures.disclosure where disclosure = $1`, string(which))
	switch {
	case err != nil:
		return Disclosure{}, err
	case len(found) == 0:
		return Disclosure{}, disclosure.ErrUnknown
	}
	return found[0], nil
}

func collect(ctx context.Context, db DB, sql string, args ...any) ([]Disclosure, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list disclosures: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Disclosure])
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("list disclosures: %w", err)
	}
	for i := range found {
		one := &found[i]
		one.At, one.Expires = one.At.UTC(), one.Expires.UTC()
		if one.TellFrom != nil {
			utc := one.TellFrom.UTC()
			one.TellFrom = &utc
		}
	}
	return found, nil
}

// Group is how many requests of a half-year came from a kind of sender about a category of
// data, and had an outcome.
type Group struct {
	Half     time.Time // its first day
	Sender   string
	Category string
	Outcome  Outcome
	N        int64
}

// all is every request there was, as counts. What is permitted and not made yet is pending.
const all = `(
	select half, sender, country, category, outcome, n from disclosures.tally
	union all
	select ` + half + `, sender, country, category, outcome, 1 from disclosures.disclosure
) as requests (half, sender, country, category, outcome, n)`

// Report counts requests, the newest half-year first. It says nothing of countries.
func Report(ctx context.Context, db DB) ([]Group, error) {
	rows, err := db.Query(ctx, `
		select half, sender, category, replace(outcome, 'permitted', 'pending'), sum(n)::bigint
		from   `+all+`
		group  by half, sender, category, replace(outcome, 'permitted', 'pending')
		order  by half desc, sender, category, 4`)
	if err != nil {
		return nil, fmt.Errorf("count disclosures: %w", err)
	}
	groups, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Group])
	if err != nil {
		return nil, fmt.Errorf("count disclosures: %w", err)
	}
	return groups, nil
}

// Country is how many requests of a half-year came from a country. The country is empty for
// all those together from which fewer than [Smallest] came each.
type Country struct {
	Half    time.Time
	Country string
	N       int64
}

// Smallest is the smallest count of a country that is shown: of fewer, the country could tell
// which case it was.
const Smallest = 5

// Countries counts requests by country, the newest half-year first and the named countries in
// their order.
func Countries(ctx context.Context, db DB) ([]Country, error) {
	rows, err := db.Query(ctx, `
		select half, shown, sum(n)::bigint
		from   (
			select half, case when sum(n) >= $1 then country else '' end as shown, sum(n) as n
			from   `+all+`
			group  by half, country
		) as countries
		group  by half, shown
		order  by half desc, shown = '', shown`, Smallest)
	if err != nil {
		return nil, fmt.Errorf("count disclosures by country: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Country])
	if err != nil {
		return nil, fmt.Errorf("count disclosures by country: %w", err)
	}
	return counts, nil
}
