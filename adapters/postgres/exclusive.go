package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrLockLost says that the connection that holds a lock broke, so that another process
// may hold it by now.
var ErrLockLost = errors.New("the connection that held the lock broke")

// Exclusive runs do unless somebody, in any process, is running something of the same
// name; then ok is false. Unlike a lease, that holds for as long as it takes, and ends
// with the connection: when it breaks, do's context ends with [ErrLockLost] as its cause.
func Exclusive(ctx context.Context, pool *pgxpool.Pool, name string, do func(context.Context) error) (ok bool, err error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return false, fmt.Errorf("connect for the lock %q: %w", name, err)
	}
	conn := pooled.Hijack() // the lock belongs to the session, so nobody else may use that
	defer closeSoon(ctx, conn)
	err = conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended('bgremover exclusive ' || $1, 0))`, name).Scan(&ok)
	if err != nil {
		return false, fmt.Errorf("take the lock %q: %w", name, err)
	}
	if !ok {
		return false, nil
	}
	err = whileConnected(ctx, conn, do)
	// Closing would do, but the server takes a moment to notice; the next one should not have to wait.
	unlockWithin, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	_, _ = conn.Exec(unlockWithin, `select pg_advisory_unlock_all()`)
	return true, err
}

// whileConnected runs do with a context that ends when the connection breaks.
func whileConnected(ctx context.Context, conn *pgx.Conn, do func(context.Context) error) error {
	running, lost := context.WithCancelCause(ctx)
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		// Nobody notifies this session: it returns when the connection breaks or watching ends.
		if _, err := conn.WaitForNotification(watching); err != nil && watching.Err() == nil {
			lost(ErrLockLost)
		}
	}()
	defer func() {
		stop()
		<-watched
		lost(nil)
	}()
	err := do(running)
	if cause := context.Cause(running); errors.Is(cause, ErrLockLost) {
		return errors.Join(cause, err)
	}
	return err
}

func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
