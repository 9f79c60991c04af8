package schedule

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/policy"
)

// retentionFile is where a bundle has its periods, and mostUnpacked how much of one is read for them.
const (
	retentionFile = "data/retention.json"
	mostUnpacked  = 4 << 20
)

var kindName = regexp.MustCompile(`^[a-z_]{1,40}$`)

// period is the longest life of a kind, in the data of a bundle.
type period struct {
	Years   int32 `json:"years"`
	Days    int32 `json:"days"`
	Seconds int64 `json:"seconds"`
}

// periodsOf reads the periods from a bundle's archive. One that cannot be read has none: whether it is a
// bundle is for those to say who activate it.
func periodsOf(archive []byte) map[string]period {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil
	}
	files := tar.NewReader(io.LimitReader(unzipped, mostUnpacked))
	for {
		file, err := files.Next()
		if err != nil {
			return nil
		}
		if path.Clean(file.Name) != retentionFile && path.Clean(file.Name) != "/"+retentionFile {
			continue
		}
		var data struct {
			Periods map[string]struct {
				Maximum period `json:"maximum"`
			} `json:"periods"`
		}
		if json.NewDecoder(files).Decode(&data) != nil {
			return nil
		}
		found := map[string]period{}
		for kind, of := range data.Periods {
			if kindName.MatchString(kind) {
				found[kind] = of.Maximum
			}
		}
		return found
	}
}

// stored queues the periods of a bundle.
func stored(b *pgx.Batch, e policy.BundleStored) {
	periods := periodsOf(e.Archive)
	for _, kind := range slices.Sorted(maps.Keys(periods)) {
		p := periods[kind]
		b.Queue(`
			insert into period (revision, kind, years, days, seconds)
			values ($1, $2, $3, $4, $5)
			on conflict (revision, kind) do nothing`, e.Revision, kind, p.Years, p.Days, p.Seconds)
	}
}

// Reign is a period that was in force and is no longer.
type Reign struct {
	Until   time.Time // when the next rules came into force
	Years   int
	Days    int
	Seconds int64
}

// Earlier returns the periods of a kind that were in force before the newest rules, the oldest first.
func Earlier(ctx context.Context, db DB, kind string) ([]Reign, error) {
	rows, err := db.Query(ctx,
		`select r.until, p.years, p.days, p.seconds
		 from (select revision, lead(since) over (order by revision) as until from schedule.reign) as r
		 join schedule.period as p on p.revision = r.revision
		 where p.kind = $1 and r.until is not null
		 order by r.revision`, kind)
	if err != nil {
		return nil, fmt.Errorf("list earlier periods: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Reign])
	if err != nil {
		return nil, fmt.Errorf("list earlier periods: %w", err)
	}
	for i := range all {
		all[i].Until = all[i].Until.UTC()
	}
	return all, nil
}

// Began lists what waits of a kind, without a deadline in the record, that began up to a moment, the oldest first.
func Began(ctx context.Context, db DB, kind string, upTo time.Time, limit int) ([]Waiting, error) {
	rows, err := db.Query(ctx,
		`select subject, started
		 from schedule.waiting
		 where kind = $1 and due is null and started <= $2
		 order by started, subject
		 limit $3`, kind, upTo, limit)
	if err != nil {
		return nil, fmt.Errorf("list what began: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Waiting, err error) {
		err = row.Scan(&w.Subject, &w.Started)
		w.Started = w.Started.UTC()
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what began: %w", err)
	}
	return all, nil
}
