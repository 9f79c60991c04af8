// Package projectortest gives tests of views the tables that a projector makes for them.
package projectortest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/projector"
)

// Open gives a database of the test's own on which the view's tables are the ones that are
// meant by their names alone.
func Open(t testing.TB, view projector.View) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(embeddedtest.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["search_path"] = view.Name
	db, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	p, err := projector.New(projector.Config{DB: db}, view)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
