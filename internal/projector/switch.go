package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How long the switch keeps others waiting at most, and how long it goes on trying. A dump of
// the database, for example, holds every table's lock as long as it runs.
const (
	switchWait  = 300 * time.Millisecond
	switchPause = 200 * time.Millisecond
	switchTries = 120
)

// takeOver puts the draft into the live view's place.
//
// All live tables are locked for that moment. Whoever waits for a table looks again which
// one is meant once it goes on, also with a statement that was prepared before: so who reads
// sees the old rows or the new ones, and never some of each. The same holds for who applies
// facts, whose transaction would otherwise raise the old checkpoint and change the new tables.
func (d *draft) takeOver(ctx context.Context) error {
	for try := 1; ; try++ {
		live, there, err := d.live(ctx)
		if err != nil {
			return err
		}
		if there {
			if err := d.catchUp(ctx, live); err != nil {
				return err
			}
		}
		err = d.trySwitch(ctx)
		switch {
		case err == nil:
			return nil
		case d.conn.IsClosed():
			return d.afterAll(ctx, err)
		case !errors.Is(err, errAgain) && !locked(err):
			return fmt.Errorf("switch: %w", settle(err))
		case try == switchTries:
			return errors.New("somebody keeps the live tables locked, a dump of the database perhaps; rebuild again when that is over")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(switchPause):
		}
	}
}

// trySwitch renames both schemas in one transaction, once the draft rests on at least as
// many facts as the live view.
func (d *draft) trySwitch(ctx context.Context) error {
	tx, err := d.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	name := d.view.Name
	_, err = tx.Exec(ctx, fmt.Sprintf("set local lock_timeout to %d; set local synchronous_commit to on", switchWait.Milliseconds()))
	if err == nil { // nobody makes the live tables meanwhile
		_, err = tx.Exec(ctx, schemaLock, "projector.schema."+name)
	}
	if err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRow(ctx, `select to_regclass($1) is not null`, name+".checkpoint").Scan(&there); err != nil {
		return err
	}
	if there {
		if err := d.overtake(ctx, tx); err != nil {
			return err
		}
	}
	if err := d.retire(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("alter schema %s rename to %s", d.schema, name)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// overtake locks the live tables and applies what the live view has applied meanwhile. Whoever
// holds one of them and waits for another waits for the lock's time at most: it is less than Postgres
// takes to look for a deadlock, of which a reader could be the victim.
func (d *draft) overtake(ctx context.Context, tx pgx.Tx) error {
	tables, err := tablesOf(ctx, tx, d.view.Name)
	if err != nil {
		return err
	}
	all := d.view.Name + ".checkpoint"
	for _, t := range tables {
		all += ", " + t.in(d.view.Name)
	}
	if _, err := tx.Exec(ctx, "lock table "+all+" in access exclusive mode"); err != nil {
		return err
	}
	live, err := d.view.checkpoint(ctx, tx)
	if err != nil && !missing(err) {
		return err
	}
	if live.Seq > d.at.Seq+tail {
		return errAgain
	}
	_, err = d.within(ctx, tx, live.Seq)
	return err
}

// retire puts the live schema aside, if there is one.
func (d *draft) retire(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, `select to_regnamespace($1) is not null`, d.view.Name).Scan(&there); err != nil || !there {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("alter schema %s rename to %s", d.view.Name, retiredOf(d.view.Name)))
	return err
}

// afterAll looks whether a switch whose answer was lost was made.
func (d *draft) afterAll(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	failed := fmt.Errorf("switch: the connection to the database was lost: %w; the live view is as it was before, rebuild again", settle(why))
	if err := d.reconnect(ctx, lockPatience); err != nil {
		return fmt.Errorf("switch: the connection to the database was lost, and whether the rebuilt view is the live one now is not known: %w; rebuild again",
			errors.Join(settle(why), err))
	}
	var draft bool
	if err := d.conn.QueryRow(ctx, `select to_regnamespace($1) is not null`, d.schema).Scan(&draft); err != nil || draft {
		return errors.Join(failed, settle(err))
	}
	return nil
}

func locked(err error) bool {
	const lockNotAvailable = "55P03"
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == lockNotAvailable
}

// lockBeside takes the lock of whoever may make or drop schemas beside a live view. It ends
// with the connection.
func lockBeside(ctx context.Context, conn *pgx.Conn, view string) (mine bool, err error) {
	err = conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended($1, 0))`, "projector.rebuild."+view).Scan(&mine)
	return mine, err
}

// unlock gives the lock back now, and not when the server notices that the connection is closed.
func unlock(ctx context.Context, conn *pgx.Conn) {
	_, _ = conn.Exec(ctx, "select pg_advisory_unlock_all()") // closing does it too, a moment later
	_ = conn.Close(ctx)
}

// dropBeside drops the schemas beside a live view. Who still reads the one that was live a
// moment ago comes to its end first, and whoever would have to wait does not.
func dropBeside(ctx context.Context, conn *pgx.Conn, view string) error {
	for _, schema := range []string{draftOf(view), retiredOf(view)} {
		for try := 1; ; try++ {
			_, err := conn.Exec(ctx, "begin; set local lock_timeout to 100; drop schema if exists "+schema+" cascade; commit")
			if err == nil {
				break
			}
			if _, rollback := conn.Exec(ctx, "rollback"); rollback != nil || !locked(err) || try == switchTries {
				return fmt.Errorf("drop schema %s: %w", schema, settle(err))
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(switchPause):
			}
		}
	}
	return nil
}

// sweep drops what an interrupted rebuild left: nothing is erased in there any more.
func (p *Projector) sweep(ctx context.Context, view string) error {
	var there bool
	err := p.with.DB.QueryRow(ctx, `select to_regnamespace($1) is not null or to_regnamespace($2) is not null`,
		draftOf(view), retiredOf(view)).Scan(&there)
	if err != nil || !there {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, p.with.DB.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer unlock(context.WithoutCancel(ctx), conn)
	if mine, err := lockBeside(ctx, conn, view); err != nil || !mine {
		return err
	}
	return dropBeside(ctx, conn, view)
}
