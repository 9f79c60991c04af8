package answer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	sendChunk = 128 << 10
	// sendStall is how long a client may take for one chunk.
	sendStall = 30 * time.Second
	// sendTotal is how long it may take for everything.
	sendTotal = 10 * time.Minute
)

// Send writes exactly size bytes of src and flushes them. Headers must be set before. If it returns without
// error, every byte was handed to the connection. An error of the client's side is [ErrClientGone].
func Send(w http.ResponseWriter, src io.Reader, size int64) error {
	rc := http.NewResponseController(w)
	end := time.Now().Add(sendTotal)
	chunk := make([]byte, min(sendChunk, max(size, 1)))
	for left := size; left > 0; {
		n, err := io.ReadFull(src, chunk[:min(int64(len(chunk)), left)])
		if err != nil {
			return fmt.Errorf("read what is to be sent: %w", err)
		}
		left -= int64(n)
		if left == 0 {
			// Only the end proves that nothing was cut off, and the client must not have
			// everything before that is known.
			if err := atEnd(src); err != nil {
				return err
			}
		}
		extend(rc, end)
		if _, err := w.Write(chunk[:n]); err != nil {
			return errors.Join(ErrClientGone, err)
		}
	}
	extend(rc, end)
	if err := rc.Flush(); err != nil {
		return errors.Join(ErrClientGone, err)
	}
	return nil
}

func atEnd(src io.Reader) error {
	n, err := io.ReadFull(src, make([]byte, 1))
	if n == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("what is to be sent does not end where it should: %w", err)
}

// extend gives the next write its time. A writer that has no deadlines (in tests) needs none.
func extend(rc *http.ResponseController, end time.Time) {
	next := time.Now().Add(sendStall)
	if next.After(end) {
		next = end
	}
	_ = rc.SetWriteDeadline(next)
}
