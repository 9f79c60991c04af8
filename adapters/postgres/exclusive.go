package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrLockLost says that the connection that holds a lock broke, so that another process
// may hold it by now.
var ErrLockLost = errors.New("the connection that held the lock broke")

// Exclusive runs do unless somebody, in any process, is running something of the same
// name; then ok is false. Unlike a lease, that holds for as long as it takes, be it the
// process's whole life, and ends with the connection: when it breaks, do's context ends with
// [ErrLockLost] as its cause. Whoever does more than look should check that context before
// each step; what do returned is joined to ErrLockLost.
//
// The lock has a connection of its own with the pool's settings, beside those of the pool,
// which may be exhausted without disturbing it. It must lead to one database session: an
// advisory lock does not survive a pooler in transaction mode.
func Exclusive(ctx context.Context, pool *pgxpool.Pool, name string, do func(context.Context) error) (ok bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return false, unavailable(fmt.Sprintf("connect for the lock %q", name), err)
	}
	defer closeSoon(ctx, conn)
	if err := keepAlive(ctx, conn); err != nil {
		return false, unavailable(fmt.Sprintf("watch the connection for the lock %q", name), err)
	}
	err = conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended('bgremover exclusive ' || $1, 0))`, name).Scan(&ok)
	if err != nil {
		return false, unavailable(fmt.Sprintf("take the lock %q", name), err)
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

// How a connection on which nothing is said is found broken, from both ends: silent for
// probeAfter, then probeTimes probes in vain, one every probeEvery. That is half a minute.
// Without it, the server would hold a lock for hours whose holder's machine has died.
const (
	probeAfter = 15 * time.Second
	probeEvery = 5 * time.Second
	probeTimes = 3
)

// keepAlive has both ends watch the connection, and the server suffer its silence. On a Unix
// socket, which cannot break silently, the probes have no effect.
func keepAlive(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `
		select set_config('tcp_keepalives_idle', $1, false),
		       set_config('tcp_keepalives_interval', $2, false),
		       set_config('tcp_keepalives_count', $3, false),
		       set_config('idle_session_timeout', '0', false)`,
		seconds(probeAfter), seconds(probeEvery), strconv.Itoa(probeTimes))
	if err != nil {
		return err
	}
	socket := conn.PgConn().Conn()
	if encrypted, ok := socket.(*tls.Conn); ok {
		socket = encrypted.NetConn()
	}
	tcp, ok := socket.(*net.TCPConn)
	if !ok {
		return nil
	}
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: probeTimes})
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// whileConnected runs do with a context that ends when the connection breaks.
func whileConnected(ctx context.Context, conn *pgx.Conn, do func(context.Context) error) error {
	running, lost := context.WithCancelCause(ctx)
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for { // until the connection breaks or watching ends; a notification is neither
			if _, err := conn.WaitForNotification(watching); err != nil {
				if watching.Err() == nil {
					lost(ErrLockLost)
				}
				return
			}
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
