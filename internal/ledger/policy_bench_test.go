package ledger_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// BenchmarkDecided compares the transaction of an append that rests on a decision, which shares a lock and looks up
// the rules in force, with one that does not: in turns on one connection, by the medians, because the
// machine is not quiet. The aim: at most 3 % of what one of 64 callers waits for its append (BenchmarkAppend64).
func BenchmarkDecided(b *testing.B) {
	const pairs = 4000
	w := fsynced(b)
	w.exec("insert into ledger.activations values (4, 0)")
	conn, err := pgx.ConnectConfig(b.Context(), w.pool.Config().ConnConfig)
	must(b, err)
	defer conn.Close(b.Context())
	body, four := make([]byte, 1024), int64(4)
	once := func(restsOn *int64) time.Duration {
		id := uuid.New()
		stream := "image/" + id.String()
		began := time.Now()
		var outcome string
		must(b, conn.QueryRow(b.Context(), "select outcome from ledger.append('', now(), $1, 0, $2, $3, $4, $5, $6)",
			stream, [][16]byte{id}, []string{stream}, []int64{1}, [][]byte{body}, restsOn).Scan(&outcome))
		if outcome != "ok" {
			b.Fatal(outcome)
		}
		return time.Since(began)
	}
	for b.Loop() {
		bare, decided := make([]time.Duration, pairs), make([]time.Duration, pairs)
		for i := range pairs {
			bare[i], decided[i] = once(nil), once(&four)
		}
		slices.Sort(bare)
		slices.Sort(decided)
		median := pairs / 2
		b.ReportMetric(float64(bare[median])/1e3, "µs/bare")
		b.ReportMetric(float64(decided[median])/1e3, "µs/decided")
		b.ReportMetric(float64(decided[median])/float64(bare[median]), "decided/bare")
	}
}
