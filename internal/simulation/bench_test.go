package simulation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/simulation"
	"github.com/bgremover/bgremover/policies"
)

// counted counts how often a bundle is asked.
type counted struct {
	*opa.Rules
	asked *atomic.Int64
}

func (c counted) Evaluate(ctx context.Context, rule string, input json.RawMessage) (event.Decision, json.RawMessage, error) {
	c.asked.Add(1)
	return c.Rules.Evaluate(ctx, rule, input)
}

// BenchmarkSimulation simulates a record of deadlines, all different, as it stands in Kafka, under two
// bundles, and in turn evaluates the same questions twice by the policy engine alone, by as many goroutines as
// there are cores. It fails below half of that rate.
func BenchmarkSimulation(b *testing.B) {
	const decisions = 4000
	own := opened(b, policies.Bundle)
	candidate := opened(b, changed(b, change{".manifest", `"revision": "`, `"revision": "100`}))
	codec := ledger.NewCodec("bench", ledger.Facts(), nil)
	inputs := make([]json.RawMessage, decisions)
	bodies := make([][]byte, decisions)
	for i := range bodies {
		at := noon.Add(time.Duration(i) * time.Second)
		inputs[i] = json.RawMessage(fmt.Sprintf(`{"kind":"image","period_s":86400,"uploaded":"%s"}`, at.Format(time.RFC3339Nano)))
		d, _, err := own.Evaluate(b.Context(), "retention.deadline", inputs[i])
		if err != nil {
			b.Fatal(err)
		}
		bodies[i], err = codec.Encode(event.Envelope{
			ID: id.Fact(fmt.Sprintf("01900000-0000-7000-8000-%012d", i)), Stream: image.Stream("01900000-0000-7000-8000-000000000001"), Version: 1,
			At: at, Actor: event.Actor{Role: event.Visitor}, Cause: event.Cause{Request: "r"}, Decision: &d,
			Fact: image.DeletionDueChanged{Due: at.Add(24 * time.Hour)},
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	var asked atomic.Int64
	config := over(nil, counted{own, &asked}, counted{candidate, &asked})
	config.To = decisions
	config.Record = func(ctx context.Context, _, _ int64, each func(event.Envelope) error) error {
		for i, body := range bodies {
			env, err := codec.Decode(ctx, int64(i+1), body)
			if err != nil {
				return err
			}
			if err := each(env); err != nil {
				return err
			}
		}
		return nil
	}
	bare := []rego.PreparedEvalQuery{bareQuery(b, policies.Bundle, "retention.deadline"), bareQuery(b, policies.Bundle, "retention.deadline")}
	var simulated, alone time.Duration
	var rounds int64
	for b.Loop() {
		start := time.Now()
		report, err := simulation.Run(b.Context(), config)
		if err != nil || report.Total.Same != decisions {
			b.Fatalf("%+v, %v", report.Total, err)
		}
		between := time.Now()
		evaluate(b, inputs, bare...)
		simulated, alone = simulated+between.Sub(start), alone+time.Since(between)
		rounds++
	}
	if asked.Load() != rounds*decisions*2 {
		b.Errorf("%d evaluations for %d questions", asked.Load(), rounds*decisions)
	}
	ratio := float64(alone) / float64(simulated)
	b.ReportMetric(ratio*100, "%of-bare")
	b.ReportMetric(float64(rounds*decisions*2)/simulated.Seconds(), "evaluations/s")
	if rounds > 1 && ratio < 0.5 {
		b.Errorf("a simulation makes %.0f %% of the bare evaluations a second; at least half is promised", ratio*100)
	}
}

// bareQuery prepares a rule with the engine alone.
func bareQuery(b *testing.B, files fs.FS, rule string) rego.PreparedEvalQuery {
	data := map[string]any{}
	options := []func(*rego.Rego){rego.Query("data." + rule)}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		switch {
		case path.Ext(name) == ".rego":
			options = append(options, rego.Module(name, string(content)))
		case path.Dir(name) == "data":
			err = util.UnmarshalJSON(content, &data) // adds to what is there
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	query, err := rego.New(append(options, rego.Store(inmem.NewFromObject(data)))...).PrepareForEval(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return query
}

// evaluate puts each question to each query.
func evaluate(b *testing.B, inputs []json.RawMessage, queries ...rego.PreparedEvalQuery) {
	var next atomic.Int64
	var hands sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		hands.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(inputs)); i = next.Add(1) - 1 {
				for _, query := range queries {
					var input any
					if err := util.UnmarshalJSON(inputs[i], &input); err != nil {
						b.Error(err)
					}
					if results, err := query.Eval(b.Context(), rego.EvalInput(input)); err != nil || len(results) != 1 {
						b.Error(results, err)
					}
				}
			}
		})
	}
	hands.Wait()
}
