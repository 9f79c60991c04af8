package promises_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/projections/promises"
)

// How fast the view applies the facts of pictures that are uploaded, downloaded and deleted, a thousand at a time.
func BenchmarkApply(b *testing.B) {
	db := open(b)
	var facts int
	for b.Loop() {
		b.StopTimer()
		var batch []event.Envelope
		for i := range 200 {
			batch = append(batch, life(noon.Add(time.Duration(i)*time.Minute), time.Second)...)
		}
		b.StartTimer()
		apply(b, db, batch...)
		facts += len(batch)
	}
	b.ReportMetric(float64(facts)/b.Elapsed().Seconds(), "facts/s")
}

// How long reading all figures takes after a busy month, with as many pictures waiting as a day can have.
func BenchmarkRead(b *testing.B) {
	db := open(b)
	fill := `
		insert into tally (hour, what, class, n)
		select date_trunc('hour', $1::timestamptz, 'UTC') - make_interval(hours => h), 'decision', 'sharing.share allow ' || c, 1
		  from generate_series(0, 30 * 24) h, generate_series(1, 50) c;`
	for _, sql := range []string{fill, `
		insert into total (what, class, n) select what, class, count(*) from tally where $1::timestamptz is not null group by what, class`, `
		insert into picture (image, due) select gen_random_uuid(), $1::timestamptz + make_interval(secs => n) from generate_series(1, 100000) n`, `
		insert into visit (visit, day) select 'visit/' || n, $1::timestamptz::date from generate_series(1, 100000) n`} {
		if _, err := db.Exec(b.Context(), sql, noon); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.Exec(b.Context(), `analyze`); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		s, err := promises.Read(b.Context(), db, noon)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Figures(promises.Outside{})
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
}
