package answer

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
)

// TellQuota says how much a limit leaves, in the fields of draft-ietf-httpapi-ratelimit-headers-10 and in
// those that clients of remove.bg read; their reset is a Unix time. Who is not
// limited is told nothing. The partition key that the draft allows is never sent.
func TellQuota(h http.Header, q usecase.Quota) {
	if q.Scope == "" {
		return
	}
	h.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=%d`, q.Scope, q.Limit, seconds(usecase.Window)))
	h.Set("RateLimit", fmt.Sprintf(`"%s";r=%d;t=%d`, q.Scope, q.Left, seconds(q.Reset)))
	h.Set("X-RateLimit-Limit", strconv.FormatInt(q.Limit, 10))
	h.Set("X-RateLimit-Remaining", strconv.FormatInt(q.Left, 10))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(q.At.Add(time.Second-1).Unix(), 10))
}

// tellLimit says when to come back.
func tellLimit(h http.Header, l *usecase.Limited) {
	TellQuota(h, l.Quota)
	h.Set("Retry-After", strconv.FormatInt(seconds(l.RetryAfter), 10))
}

// seconds rounds up: who comes back a moment early is refused again.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
