package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/domain/event"
)

// channel is where the sequencer notifies, once per published batch, up to which seq the
// record is published.
const channel = "ledger_published"

const (
	// followPoll is how long those who wait depend on a notification: it may be lost with
	// its connection.
	followPoll = 250 * time.Millisecond
	// sweepAll is after how many polls everything that is waited for is asked about, not
	// only what is new: a notification may have been missed, or an append removed.
	sweepAll = 8
	// followAtMost bounds how much is followed fact by fact before a sweep is cheaper.
	followAtMost = 5000
	// reconnectAfter is the pause before a lost connection is made anew.
	reconnectAfter = 500 * time.Millisecond
)

// Run wakes those who wait in this process, until ctx ends. It asks Postgres nothing
// while nobody waits.
func (l *Ledger) Run(ctx context.Context) error {
	heard := make(chan int64, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.listen(ctx, heard)
	}()
	poll := time.NewTicker(followPoll)
	defer poll.Stop()
	for ticks, failing := 0, false; ; {
		var err error
		select {
		case <-ctx.Done():
			<-done
			return nil
		case through := <-heard:
			err = l.follow(ctx, through)
		case <-l.board.kick:
			err = l.sweep(ctx, false)
		case <-poll.C:
			ticks++
			err = l.sweep(ctx, ticks%sweepAll == 0)
		}
		if err != nil && ctx.Err() == nil && !failing {
			l.log.WarnContext(ctx, "those who wait for the record are not served: postgres does not answer", slog.Any("err", err))
		}
		failing = err != nil
	}
}

// follow announces what was published since the last announcement, once that is known to
// reach up to through.
func (l *Ledger) follow(ctx context.Context, through int64) error {
	followed, anybody := l.board.position()
	if !anybody || through <= followed {
		return nil
	}
	if through-followed > followAtMost {
		return l.sweep(ctx, true)
	}
	rows, err := l.pool.Query(ctx, `
		select n.seq, n.pos, n.idx, f.id, f.stream, f.version
		  from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq > $1 and n.seq <= $2
		 order by n.seq`, followed, through)
	if err != nil {
		return fmt.Errorf("follow the record: %w", err)
	}
	l.counters.Sweeps.Add(1)
	facts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a announcement, err error) {
		err = row.Scan(&a.seq, &a.pos, &a.idx, &a.id, &a.stream, &a.version)
		return a, err
	})
	if err != nil {
		return fmt.Errorf("follow the record: %w", err)
	}
	l.board.announce(through, facts)
	return nil
}

// sweep answers those who wait by asking about what they wait for: all of it, or what
// nobody asked about yet.
func (l *Ledger) sweep(ctx context.Context, all bool) error {
	if _, anybody := l.board.position(); !anybody {
		return nil
	}
	l.counters.Sweeps.Add(1)
	q := l.board.question(all)
	// through is read first: what is numbered meanwhile is above it.
	batch := &pgx.Batch{}
	batch.Queue("select through from ledger.published")
	batch.Queue(`
		select w.pos, min(n.seq), max(n.seq), f.id
		  from unnest($1::bigint[]) w (pos)
		  left join ledger.numbers n using (pos)
		  left join ledger.facts f on f.pos = w.pos and f.idx = 0
		 where not exists (select from ledger.queue q where q.pos = w.pos)
		 group by w.pos, f.id`, q.positions)
	batch.Queue(`
		select w.stream, last.version
		  from unnest($1::text[], $2::bigint[]) w (stream, after)
		 cross join lateral (
		       select f.version
		         from ledger.facts f join ledger.numbers n using (pos, idx)
		        where f.stream = w.stream and f.version > w.after
		          and n.seq <= (select through from ledger.published)
		        order by f.version desc
		        limit 1) last`, q.streams, q.after)
	results := l.pool.SendBatch(ctx, batch)
	a, err := readAnswer(results)
	if err := errors.Join(err, results.Close()); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	l.board.answered(a, all)
	return nil
}

func readAnswer(results pgx.BatchResults) (answer, error) {
	a := answer{appends: map[int64]placed{}, streams: map[event.Stream]int64{}}
	if err := results.QueryRow().Scan(&a.through); err != nil {
		return a, err
	}
	rows, err := results.Query()
	if err != nil {
		return a, err
	}
	var pos int64
	var first, last *int64
	var id pgtype.UUID
	_, err = pgx.ForEachRow(rows, []any{&pos, &first, &last, &id}, func() error {
		switch {
		case first == nil:
			a.appends[pos] = placed{removed: true}
		case *last <= a.through:
			a.appends[pos] = placed{first: *first, id: id}
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	if rows, err = results.Query(); err != nil {
		return a, err
	}
	var stream event.Stream
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&stream, &version}, func() error {
		a.streams[stream] = version
		return nil
	})
	return a, err
}

// listen passes on what other processes notify. Without its connection those who wait
// are served by polling.
func (l *Ledger) listen(ctx context.Context, heard chan int64) {
	for pause := reconnectAfter; ctx.Err() == nil; pause = min(2*pause, 10*reconnectAfter) {
		began := time.Now()
		err := l.listenOnce(ctx, heard)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = reconnectAfter
		}
		l.log.WarnContext(ctx, "listening for what is published was interrupted", slog.Any("err", err))
		if sleep(ctx, pause) != nil {
			return
		}
	}
}

func (l *Ledger) listenOnce(ctx context.Context, heard chan int64) error {
	conn, err := pgx.ConnectConfig(ctx, keptAlive(l.pool.Config().ConnConfig))
	if err != nil {
		return err
	}
	defer closeQuietly(conn)
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return err
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		through, err := strconv.ParseInt(n.Payload, 10, 64)
		if err != nil {
			return fmt.Errorf("a notification that is no number: %w", err)
		}
		select {
		case <-heard: // the loop is behind; the newest is all it needs
		default:
		}
		heard <- through
	}
}

// keptAlive returns a copy of a connection's settings with which a peer that vanished
// without a word is noticed within some 20 s, on both sides.
func keptAlive(cfg *pgx.ConnConfig) *pgx.ConnConfig {
	cfg = cfg.Copy()
	dialer := &net.Dialer{
		Timeout:         cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 3 * time.Second, Count: 3},
	}
	cfg.DialFunc = dialer.DialContext
	cfg.RuntimeParams["tcp_keepalives_idle"] = "10"
	cfg.RuntimeParams["tcp_keepalives_interval"] = "3"
	cfg.RuntimeParams["tcp_keepalives_count"] = "3"
	return cfg
}

// closeQuietly ends a connection whose error, if it had one, was already returned.
func closeQuietly(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
