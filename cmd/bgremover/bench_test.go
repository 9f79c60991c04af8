package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// The benchmarks run the whole service in a process of its own with the full model, beside
// bare runs of the same model in this one, in turn. `make bench` prints them; what counts are the
// figures that compare the two, because the machine's own speed changes from run to run.

const fullModel = "u2net"

func benchService(b *testing.B, model string) *running {
	return serve(b, dataFolder(b), "--model", model, "--accept-model-passport", model)
}

func benchModel(b *testing.B, model string) *onnx.Model {
	b.Helper()
	m, err := openModel(b.Context(), config.Model{Model: model, AcceptModelPassport: model}, runtime.NumCPU())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	return m
}

// bare decodes a photo and runs the model, and does nothing else.
func bare(ctx context.Context, m *onnx.Model, photo []byte) error {
	slot, err := m.Slot(ctx)
	if err != nil {
		return err
	}
	defer slot.Release()
	picture, err := cutout.Decode(photo, cutout.Limits{}, slot.Workers())
	if err != nil {
		return err
	}
	defer picture.Release()
	_, err = slot.Run(ctx, make([]float32, 3*slot.Spec().Width*slot.Spec().Height))
	return err
}

// cut asks the service for one cutout, to the last byte of its body.
func (r *running) cut(photo []byte) error {
	res, err := r.post("/v1.0/removebg", "image_file", photo, nil)
	if err == nil && res.code != http.StatusOK {
		err = errors.New(res.String())
	}
	return err
}

// One request at a time: how much longer than decoding and the model's run does all of it take?
func BenchmarkOneRequest(b *testing.B) {
	for name, megapixels := range map[string]float64{"1.3MP": 1.3, "12MP": 12} {
		b.Run(name, func(b *testing.B) {
			s, m := benchService(b, fullModel), benchModel(b, fullModel)
			photo := testphotos.JPEG("astronaut", megapixels)
			const rounds = 9
			var bares, requests []time.Duration
			for b.Loop() {
				for range rounds {
					bares = append(bares, timed(b, func() error { return bare(b.Context(), m, photo) }))
					requests = append(requests, timed(b, func() error { return s.cut(photo) }))
				}
			}
			over := median(requests) - median(bares)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(median(bares)), "bare-ms")
			b.ReportMetric(ms(median(requests)), "request-ms")
			b.ReportMetric(ms(over), "over-ms")
		})
	}
}

// Twice as many clients as cores: how much of what the bare model gives arrives?
func BenchmarkThroughput(b *testing.B) {
	s, m := benchService(b, fullModel), benchModel(b, fullModel)
	photo := testphotos.JPEG("astronaut", 1.3)
	cores := runtime.NumCPU()
	const each = 4 // pictures of each client in one round
	var bareRate, serviceRate float64
	rounds := 0.0
	for b.Loop() {
		for range 3 {
			bareRate += rate(b, cores, 2*each, func() error { return bare(b.Context(), m, photo) })
			serviceRate += rate(b, 2*cores, each, func() error { return s.cut(photo) })
			rounds++
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bareRate/rounds, "bare/s")
	b.ReportMetric(serviceRate/rounds, "service/s")
	b.ReportMetric(serviceRate/bareRate, "ratio")
}

// rate has several callers do something several times each, and returns how often a second it was done.
func rate(b *testing.B, callers, times int, do func() error) float64 {
	b.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range times {
				if err := do(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	return float64(callers*times) / time.Since(began).Seconds()
}

// Memory stays what it is: the resident set after 500 pictures against that after 50.
func BenchmarkMemory(b *testing.B) {
	s := benchService(b, "u2netp") // what grows would grow with any model; this one is quick
	photos := [][]byte{testphotos.JPEG("astronaut", 1.3), testphotos.JPEG("coffee", 4), testphotos.JPEG("chelsea", 0.5), testphotos.JPEG("rocket", 12)}
	var after50, after500 float64
	for b.Loop() {
		for i := range 500 {
			if err := s.cut(photos[i%len(photos)]); err != nil {
				b.Fatal(err)
			}
			if i == 49 {
				after50 = s.residentMiB(b)
			}
		}
		after500 = s.residentMiB(b)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(after50, "MiB-after-50")
	b.ReportMetric(after500, "MiB-after-500")
	b.ReportMetric(after500/after50, "ratio")
}

// residentMiB is the resident set of the service's process, as the kernel tells it.
func (r *running) residentMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(r.cmd.Process.Pid) + "/status")
	if err != nil {
		b.Fatal(err) // only Linux tells
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kib)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return n / 1024
		}
	}
	b.Fatal("the kernel does not say how much memory the service has")
	return 0
}

// From nothing to ready, on a data folder that has been used before, with the full model.
func BenchmarkWarmStart(b *testing.B) {
	data := dataFolder(b)
	flags := []string{"--model", fullModel, "--accept-model-passport", fullModel}
	serve(b, data, flags...).stop()
	var starts []time.Duration
	for b.Loop() {
		began := time.Now()
		s := serve(b, data, flags...)
		if res := s.ask(http.MethodGet, "/readyz", ""); res.code != http.StatusOK {
			b.Fatal(res)
		}
		starts = append(starts, time.Since(began))
		s.stop()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(median(starts)), "ready-ms")
}

func timed(b *testing.B, do func() error) time.Duration {
	b.Helper()
	began := time.Now()
	if err := do(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
