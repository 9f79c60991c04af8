package fake

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Uploads is a policy about uploads that takes every picture, and so many a minute.
type Uploads struct {
	PerMinute int64 // 0: as many as come
	Refuse    []string
}

var _ usecase.UploadPolicy = Uploads{}

func answered(rule string, allow bool, input string) event.Decision {
	d := event.Decision{Rule: rule, Promises: []string{"abuse.prevent"}, Revision: 1, Outcome: "allow", Input: []byte(input)}
	if !allow {
		d.Outcome = "deny"
	}
	return d
}

// Accept implements [usecase.UploadPolicy].
func (u Uploads) Accept(context.Context, usecase.Load) ([]string, event.Decision, error) {
	return u.Refuse, answered("upload.accept", len(u.Refuse) == 0, `{}`), nil
}

// Rate implements [usecase.UploadPolicy].
func (u Uploads) Rate(_ context.Context, usage usecase.Usage) (usecase.RateAnswer, event.Decision, error) {
	allow := u.PerMinute == 0 || usage.Uploads <= u.PerMinute
	input := fmt.Sprintf(`{"scope":%q,"uploads":%d}`, usage.Scope, usage.Uploads)
	return usecase.RateAnswer{Allow: allow, UploadsMinute: u.PerMinute, RetryAfter: time.Minute}, answered("upload.rate", allow, input), nil
}

// NewGate wires a gate. Its counts go by the machine's clock.
func NewGate(policy usecase.UploadPolicy, decisions usecase.Decisions, record usecase.Record, vault usecase.Vault, now usecase.Now) usecase.Gate {
	var last atomic.Int64
	newVisit := func() id.Visit { return id.Visit(fmt.Sprintf("01900000-0000-7000-9000-%012d", last.Add(1))) }
	return usecase.Gate{
		Policy: policy, Decisions: decisions, Visits: usecase.NewVisits(record, vault, now, newVisit), Rates: usecase.NewRates(time.Now),
	}
}
