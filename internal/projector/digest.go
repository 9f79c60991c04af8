package projector

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Table is one table of a view, live and rebuilt.
type Table struct {
	Name          string
	Live, Rebuilt Side
	// Keys are the primary keys of the first few rows that differ, with how they do.
	Keys []string
	// Columns says that the two have other columns: then another release made one of them.
	Columns bool
}

// Side is a table as one of the two has it.
type Side struct {
	There  bool
	Rows   int64
	Digest [sha256.Size]byte // over the rows as text, in the order of their primary keys
}

// Identical says whether both are there and hold the same rows.
func (t Table) Identical() bool {
	return t.Live.There && t.Live == t.Rebuilt && !t.Columns
}

// Digest is over the rebuilt tables, their names and rows: the same for equal views anywhere.
func (r Report) Digest() string {
	all := sha256.New()
	for _, t := range r.Tables {
		fmt.Fprintf(all, "%s %d %x\n", t.Name, t.Rebuilt.Rows, t.Rebuilt.Digest)
	}
	return hex.EncodeToString(all.Sum(nil))
}

// mostKeys is how many rows that differ are named.
const mostKeys = 5

// plainly makes values look the same wherever this runs, and lets Postgres sort and join as
// it finds best: these statements read whole tables.
const plainly = `
	set local timezone to 'UTC';
	set local datestyle to 'ISO, YMD';
	set local intervalstyle to 'postgres';
	set local bytea_output to 'hex';
	set local extra_float_digits to 1;
	set local enable_seqscan to on;
	set local enable_hashjoin to on;
	set local enable_mergejoin to on;`

// compareSchemas compares all tables but the checkpoints.
func compareSchemas(ctx context.Context, tx pgx.Tx, live, rebuilt string) ([]Table, error) {
	if _, err := tx.Exec(ctx, plainly); err != nil {
		return nil, err
	}
	old, err := tablesOf(ctx, tx, live)
	if err != nil {
		return nil, err
	}
	made, err := tablesOf(ctx, tx, rebuilt)
	if err != nil {
		return nil, err
	}
	var tables []Table
	for _, name := range union(old, made) {
		t := Table{Name: name}
		was, is := old[name], made[name]
		if t.Live, err = was.side(ctx, tx, live); err != nil {
			return nil, err
		}
		if t.Rebuilt, err = is.side(ctx, tx, rebuilt); err != nil {
			return nil, err
		}
		if t.Live.There && t.Rebuilt.There {
			t.Columns = !slices.Equal(was.columns, is.columns)
			if !t.Identical() && !t.Columns {
				if t.Keys, err = is.differing(ctx, tx, live, rebuilt); err != nil {
					return nil, err
				}
			}
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func union(a, b map[string]table) []string {
	var names []string
	for _, m := range []map[string]table{a, b} {
		for name := range m {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// table is what is known of a table's form.
type table struct {
	name    string
	columns []column // by name
}

type column struct {
	name, kind string
	key        int // place in the primary key, from 0 on; -1 outside
	text       bool
}

type querying interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// tablesOf lists a schema's tables, without the checkpoint.
func tablesOf(ctx context.Context, db querying, schema string) (map[string]table, error) {
	rows, err := db.Query(ctx, `
		select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
		       coalesce(array_position(i.indkey::int2[], a.attnum), -1), a.attcollation <> 0
		  from pg_namespace n
		  join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition
		  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		  left join pg_index i on i.indrelid = c.oid and i.indisprimary
		 where n.nspname = $1 and c.relname <> 'checkpoint'
		 order by c.relname, a.attname`, schema)
	if err != nil {
		return nil, err
	}
	found := map[string]table{}
	var name string
	var c column
	_, err = pgx.ForEachRow(rows, []any{&name, &c.name, &c.kind, &c.key, &c.text}, func() error {
		t := found[name]
		t.name, t.columns = name, append(t.columns, c)
		found[name] = t
		return nil
	})
	return found, err
}

func (t table) in(schema string) string { return pgx.Identifier{schema, t.name}.Sanitize() }

func quoted(c column) string { return pgx.Identifier{c.name}.Sanitize() }

// key lists the columns of the primary key, in its order.
func (t table) key() []column {
	key := slices.DeleteFunc(slices.Clone(t.columns), func(c column) bool { return c.key < 0 })
	slices.SortFunc(key, func(a, b column) int { return cmp.Compare(a.key, b.key) })
	return key
}

// side digests the rows in the order of their primary key, as they come: however large the
// table is, this needs no more memory.
func (t table) side(ctx context.Context, tx pgx.Tx, schema string) (Side, error) {
	if len(t.columns) == 0 {
		return Side{}, nil
	}
	var columns, order []string
	for _, c := range t.columns {
		columns = append(columns, quoted(c))
	}
	for _, c := range t.key() {
		by := quoted(c)
		if c.text {
			by += ` collate "C"` // not as this database sorts
		}
		order = append(order, by)
	}
	if len(order) == 0 {
		order = []string{`row(` + strings.Join(columns, ", ") + `)::text collate "C"`}
	}
	digest := sha256.New()
	answer, err := tx.Conn().PgConn().CopyTo(ctx, digest, fmt.Sprintf("copy (select %s from %s order by %s) to stdout",
		strings.Join(columns, ", "), t.in(schema), strings.Join(order, ", ")))
	if err != nil {
		return Side{}, err
	}
	s := Side{There: true, Rows: answer.RowsAffected()}
	digest.Sum(s.Digest[:0])
	return s, nil
}

// differing names the first few rows that are not the same on both sides.
func (t table) differing(ctx context.Context, tx pgx.Tx, live, rebuilt string) ([]string, error) {
	key := t.key()
	if len(key) == 0 {
		return nil, nil
	}
	var same, shown, l, r []string
	for _, c := range key {
		name := quoted(c)
		same = append(same, fmt.Sprintf("l.%s = r.%s", name, name))
		shown = append(shown, fmt.Sprintf("coalesce(l.%s, r.%s)::text", name, name))
	}
	for _, c := range t.columns {
		l, r = append(l, "l."+quoted(c)), append(r, "r."+quoted(c))
	}
	first := quoted(key[0])
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		select left(concat_ws(' ', %s), 200) ||
		       case when l.%s is null then ' (only rebuilt)' when r.%s is null then ' (only live)' else ' (not the same)' end
		  from %s l full join %s r on %s
		 where row(%s) is distinct from row(%s)
		 order by 1
		 limit %d`,
		strings.Join(shown, ", "), first, first, t.in(live), t.in(rebuilt), strings.Join(same, " and "),
		strings.Join(l, ", "), strings.Join(r, ", "), mostKeys))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
