package decisionlog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/decisionlog"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func written(t *testing.T, env event.Envelope) string {
	t.Helper()
	var out strings.Builder
	if err := decisionlog.Write(&out, env); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The bytes are read by others' tools.
func TestGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		given event.Envelope
		want  string
	}{
		"one decision": {
			event.Envelope{
				ID: "0190b0a0-0000-7000-8000-000000000001", Seq: 7, Stream: "image/0190b0a0-0000-7000-8000-0000000000aa", At: noon,
				Actor: event.Actor{Role: event.Visitor, Who: personal.Of("Zoë")}, Fact: image.Uploaded{Due: noon},
				Decision: &event.Decision{
					Rule: "retention.deadline", Promises: []string{"image.delete-24h"}, Revision: 4, Outcome: "allow",
					Input: json.RawMessage(`{"kind":"image","period_s":86400,"uploaded":"2026-03-02T12:00:00Z"}`),
				},
			},
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000001","bundles":{"bgremover":{"revision":"4"}},"path":"retention/deadline","input":{"kind":"image","period_s":86400,"uploaded":"2026-03-02T12:00:00Z"},"result":{"allow":true},"timestamp":"2026-03-02T12:00:00Z","custom":{"seq":7,"type":"image.uploaded.v1","subject":"image/0190b0a0-0000-7000-8000-0000000000aa","promises":["image.delete-24h"],"count":1}}
`,
		},
		"refusals": {
			event.Envelope{ID: "0190b0a0-0000-7000-8000-000000000002", Seq: 8, Stream: "policy/x", At: noon.Add(time.Minute), Fact: policy.DecisionRefused{
				Rule: "upload.rate", Promises: []string{"abuse.prevent"}, Revision: 4, Minute: noon, Count: 5, More: 2,
				Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"scope":"visitor"}`), Count: 3}},
			}},
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000002-1","bundles":{"bgremover":{"revision":"4"}},"path":"upload/rate","input":{"scope":"visitor"},"result":{"allow":false},"timestamp":"2026-03-02T12:01:00Z","custom":{"seq":8,"type":"policy.decision_refused.v1","subject":"policy/x","promises":["abuse.prevent"],"count":3,"from":"2026-03-02T12:00:00Z","until":"2026-03-02T12:01:00Z"}}
{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000002-2","bundles":{"bgremover":{"revision":"4"}},"path":"upload/rate","result":{"allow":false},"erased":["/input"],"timestamp":"2026-03-02T12:01:00Z","custom":{"seq":8,"type":"policy.decision_refused.v1","subject":"policy/x","promises":["abuse.prevent"],"count":2,"from":"2026-03-02T12:00:00Z","until":"2026-03-02T12:01:00Z"}}
`,
		},
		"reads": {
			event.Envelope{ID: "0190b0a0-0000-7000-8000-000000000003", Seq: 9, Stream: "policy/x", At: noon, Fact: policy.DecisionsCounted{
				Rule: "access.blob", Revision: 4, From: noon, Until: noon.Add(time.Minute),
				Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"own":true}`), Count: 3}},
			}},
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000003-1","bundles":{"bgremover":{"revision":"4"}},"path":"access/blob","input":{"own":true},"result":{"allow":true},"timestamp":"2026-03-02T12:00:00Z","custom":{"seq":9,"type":"policy.decisions_counted.v1","subject":"policy/x","promises":[],"count":3,"from":"2026-03-02T12:00:00Z","until":"2026-03-02T12:01:00Z"}}
`,
		},
		"personal, and there": {
			shared(personal.Of(`{"gpc":true,"objected":"canary"}`)),
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000004","bundles":{"bgremover":{"revision":"5"}},"path":"sharing/share","input":{"basis":"consent","gpc":null,"objected":null,"recipient":"partner"},"result":{"allow":false},"masked":["/input/gpc","/input/objected"],"timestamp":"2026-03-02T12:00:00Z","custom":{"seq":10,"type":"image.processed.v1","subject":"disclosure/x","promises":[],"count":1}}
`,
		},
		"personal, and not opened": {
			shared(personal.Sealed),
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000004","bundles":{"bgremover":{"revision":"5"}},"path":"sharing/share","input":{"basis":"consent","gpc":null,"objected":null,"recipient":"partner"},"result":{"allow":false},"masked":["/input/gpc","/input/objected"],"timestamp":"2026-03-02T12:00:00Z","custom":{"seq":10,"type":"image.processed.v1","subject":"disclosure/x","promises":[],"count":1}}
`,
		},
		"personal, and erased": {
			shared(personal.Erased),
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000004","bundles":{"bgremover":{"revision":"5"}},"path":"sharing/share","input":{"basis":"consent","recipient":"partner"},"result":{"allow":false},"erased":["/input/gpc","/input/objected"],"timestamp":"2026-03-02T12:00:00Z","custom":{"seq":10,"type":"image.processed.v1","subject":"disclosure/x","promises":[],"count":1}}
`,
		},
		"questions that are only counted": {
			event.Envelope{ID: "0190b0a0-0000-7000-8000-000000000005", Seq: 11, Stream: "policy/x", At: noon, Fact: policy.DecisionsCounted{
				Rule: "marketing.send", Revision: 5, From: noon, Until: noon.Add(time.Minute), Inputs: []policy.CountedInput{{Input: json.RawMessage(`null`), Count: 3}},
			}},
			`{"labels":{"app":"bgremover"},"decision_id":"0190b0a0-0000-7000-8000-000000000005-1","bundles":{"bgremover":{"revision":"5"}},"path":"marketing/send","result":{"allow":true},"erased":["/input"],"timestamp":"2026-03-02T12:00:00Z","custom":{"seq":11,"type":"policy.decisions_counted.v1","subject":"policy/x","promises":[],"count":3,"from":"2026-03-02T12:00:00Z","until":"2026-03-02T12:01:00Z"}}
`,
		},
		"no decision": {event.Envelope{Fact: image.Processed{}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := written(t, tt.given); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// opaEvent has the members of an event that OPA 1.21 writes and reads.
type opaEvent struct {
	Labels         map[string]string                    `json:"labels"`
	DecisionID     string                               `json:"decision_id"`
	TraceID        string                               `json:"trace_id"`
	SpanID         string                               `json:"span_id"`
	Bundles        map[string]struct{ Revision string } `json:"bundles"`
	Path           string                               `json:"path"`
	Query          string                               `json:"query"`
	Input          any                                  `json:"input"`
	Result         any                                  `json:"result"`
	MappedResult   any                                  `json:"mapped_result"`
	NDBuiltinCache any                                  `json:"nd_builtin_cache"`
	Erased         []string                             `json:"erased"`
	Masked         []string                             `json:"masked"`
	Error          any                                  `json:"error"`
	RequestedBy    string                               `json:"requested_by"`
	Timestamp      time.Time                            `json:"timestamp"`
	Metrics        map[string]any                       `json:"metrics"`
	RequestID      uint64                               `json:"req_id"`
	RequestContext any                                  `json:"request_context"`
	Custom         map[string]any                       `json:"custom"`
}

// shared is a fact by a decision whose question was partly personal.
func shared(sealed personal.Text) event.Envelope {
	return event.Envelope{
		ID: "0190b0a0-0000-7000-8000-000000000004", Seq: 10, Stream: "disclosure/x", At: noon, Fact: image.Processed{},
		Decision: &event.Decision{
			Rule: "sharing.share", Revision: 5, Outcome: "deny", Input: json.RawMessage(`{"basis":"consent","recipient":"partner"}`),
			Personal: []string{"gpc", "objected"}, Sealed: sealed,
		},
	}
}

func TestReadersOfDecisionLogsCanReadIt(t *testing.T) {
	line := written(t, event.Envelope{ID: "0190b0a0-0000-7000-8000-000000000002", Seq: 8, At: noon, Fact: policy.DecisionRefused{
		Rule: "upload.rate", Revision: 4, Minute: noon, Count: 3, Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"scope":"visitor"}`), Count: 3}},
	}})
	read := json.NewDecoder(strings.NewReader(line))
	read.DisallowUnknownFields()
	var e opaEvent
	if err := read.Decode(&e); err != nil {
		t.Fatal(err)
	}
	if e.Path != "upload/rate" || e.Bundles["bgremover"].Revision != "4" || !e.Timestamp.Equal(noon) || e.Custom["count"] != 3.0 {
		t.Errorf("got %+v", e)
	}
}
