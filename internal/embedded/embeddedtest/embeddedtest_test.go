package embeddedtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestDatabasesAreSeparate(t *testing.T) {
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), NewDatabase(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if _, err := conn.Exec(t.Context(), "create table only_here ()"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKafkaIsThere(t *testing.T) {
	if kafka := NewKafka(t); len(kafka.Brokers()) != 1 || kafka.Password() == "" {
		t.Errorf("brokers %v", kafka.Brokers())
	}
}

func BenchmarkNewDatabase(b *testing.B) {
	NewDatabase(b) // the server's start is not what is measured
	for b.Loop() {
		NewDatabase(b)
	}
}
