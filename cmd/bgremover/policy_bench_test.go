package main

import (
	"context"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// BenchmarkPolicyShare compares all questions that the rules are asked on the way from an upload over the network to
// the deletion after its download with that whole way, in turn. The small model is the harder case: the less a
// cutout takes, the larger is the share of the rules.
func BenchmarkPolicyShare(b *testing.B) {
	const most, rounds = 2.0, 20
	p, err := opa.New(b.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	s := benchService(b, "u2netp")
	photo := testphotos.JPEG("astronaut", 1.3)
	var uploads, asks, ways []time.Duration
	for b.Loop() {
		for range rounds {
			ways = append(ways, timed(b, func() error { return s.cut(photo) }))
			asks = append(asks, timed(b, func() error { return askAsAnUploadDoes(b.Context(), p) }))
		}
	}
	for range rounds { // afterwards: their cutouts would stand in the way
		uploads = append(uploads, timed(b, func() error { _, err := s.post("/v1/images", "image", photo, nil); return err }))
	}
	share := 100 * float64(median(asks)) / float64(median(ways))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median(asks).Microseconds()), "asks-µs")
	b.ReportMetric(ms(median(ways)), "way-ms")
	b.ReportMetric(share, "%way")
	b.ReportMetric(100*float64(median(asks))/float64(median(uploads)), "%upload-alone")
	if share > most {
		b.Errorf("%.1f %% of the way of a photo are questions to the rules; %.0f %% is the most", share, most)
	}
}

// askAsAnUploadDoes asks what one photo's way asks: whether it is taken, whether its visitor and its network
// have room, when it must be gone, whether it may be read for its cutout and handed out, and whether it is
// deleted then.
func askAsAnUploadDoes(ctx context.Context, p *opa.Policy) error {
	if _, _, err := p.Accept(ctx, usecase.Load{Type: "jpeg", Bytes: 1 << 20, Pixels: 2_000_000}); err != nil {
		return err
	}
	for _, scope := range []usecase.Scope{usecase.ScopeVisitor, usecase.ScopeNetwork} {
		if _, _, err := p.Rate(ctx, usecase.Usage{Scope: scope, Uploads: 1, Pixels: 2_000_000}); err != nil {
			return err
		}
	}
	if _, _, err := p.Deadline(ctx, time.Unix(0, 0)); err != nil {
		return err
	}
	for _, reader := range []string{"processor", "holder"} {
		if _, _, err := p.Blob(ctx, reader, "cutout", true); err != nil {
			return err
		}
	}
	_, _, err := p.Downloaded(ctx, true)
	return err
}
