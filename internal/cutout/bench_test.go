package cutout_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// Benchmarks with the full model. Everything is compared with bare runs of the
// network that take turns with it, in this process: read the ratios, not the
// milliseconds. The stages alone are in BenchmarkStages.

const rounds = 15

// one runs a picture to its last byte.
func one(b *testing.B, m *onnx.Model, data []byte) (t cutout.Timings, whole time.Duration) {
	start := time.Now()
	s, err := m.Slot(b.Context())
	if err != nil {
		b.Error(err)
		return
	}
	defer s.Release()
	r, err := cutout.Cut(b.Context(), data, cutout.Options{}, s)
	if err != nil {
		b.Error(err)
		return
	}
	defer r.Release()
	if err := r.Encode(io.Discard, cutout.RGBA); err != nil {
		b.Error(err)
	}
	return r.Timings, time.Since(start)
}

// bare runs the network alone.
func bare(b *testing.B, m *onnx.Model, input []float32) time.Duration {
	s, err := m.Slot(b.Context())
	if err != nil {
		b.Error(err)
		return 0
	}
	defer s.Release()
	start := time.Now()
	if _, err := s.Run(b.Context(), input); err != nil {
		b.Error(err)
	}
	return time.Since(start)
}

func inputOf(m *onnx.Model) []float32 {
	input := make([]float32, 3*m.Spec().Width*m.Spec().Height)
	for i := range input {
		input[i] = float32(i%97)/48 - 1
	}
	return input
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkOnePicture is what one person waits for.
func BenchmarkOnePicture(b *testing.B) {
	m := openModel(b, "u2net", 0)
	checkGolden(b, m)
	input := inputOf(m)
	for _, size := range []struct {
		megapixels float64
		limit      float64 // ms above a bare run and decoding that the service may take
	}{{1.3, 60}, {12, 350}} {
		b.Run(fmt.Sprintf("%gMP", size.megapixels), func(b *testing.B) {
			for b.Loop() {
				above, report := compare(b, m, input, size.megapixels)
				b.ReportMetric(above, "ms-above-run-and-decode")
				fmt.Printf("%g MP, %d threads, medians of %d, ms: %s\n  above bare run and decode: %.0f ms (the whole service may take %.0f)\n",
					size.megapixels, runtime.GOMAXPROCS(0), rounds, report, above, size.limit)
			}
		})
	}
}

// compare runs pictures and bare runs in turn.
func compare(b *testing.B, m *onnx.Model, input []float32, megapixels float64) (above float64, report string) {
	var bares []time.Duration
	stages := make([][]time.Duration, 7)
	for i := range rounds {
		data := testphotos.JPEG(testphotos.Names()[i%4], megapixels)
		bares = append(bares, bare(b, m, input))
		t, whole := one(b, m, data)
		for j, d := range []time.Duration{t.Decode, t.Resize, t.Run, t.Mask, t.Foreground, t.Encode, whole} {
			stages[j] = append(stages[j], d)
		}
	}
	var line strings.Builder
	for i, name := range []string{"decode", "resize", "run", "mask", "foreground", "encode", "whole"} {
		fmt.Fprintf(&line, "%s %.1f, ", name, ms(median(stages[i])))
	}
	fmt.Fprintf(&line, "bare run %.1f", ms(median(bares)))
	rest := median(stages[1]) + median(stages[3]) + median(stages[4]) + median(stages[5])
	fmt.Fprintf(&line, "; all but run and decode %.1f", ms(rest))
	return ms(median(stages[6]) - median(stages[0]) - median(bares)), line.String()
}

// BenchmarkManyClients is the throughput with twice as many clients as cores.
func BenchmarkManyClients(b *testing.B) {
	m := openModel(b, "u2net", 0)
	input := inputOf(m)
	for _, megapixels := range []float64{1.3, 12} {
		b.Run(fmt.Sprintf("%gMP", megapixels), func(b *testing.B) {
			for _, name := range testphotos.Names() {
				testphotos.JPEG(name, megapixels)
			}
			for b.Loop() {
				var ratios []float64
				var pictures, runs float64
				for range 5 {
					runs = throughput(func(int) { bare(b, m, input) })
					pictures = throughput(func(i int) { one(b, m, testphotos.JPEG(testphotos.Names()[i%4], megapixels)) })
					ratios = append(ratios, pictures/runs)
				}
				slices.Sort(ratios)
				b.ReportMetric(ratios[2], "of-bare-runs")
				fmt.Printf("%g MP, %d clients on %d cores: %.2f pictures/s, %.2f bare runs/s; ratio %.2f (median of %.2f)\n",
					megapixels, clients(), runtime.GOMAXPROCS(0), pictures, runs, ratios[2], ratios)
			}
		})
	}
}

func clients() int { return 2 * runtime.GOMAXPROCS(0) }

// throughput calls f from every client for a while, and returns calls a second.
func throughput(f func(i int)) float64 {
	const each = 6
	var wg sync.WaitGroup
	start := time.Now()
	for c := range clients() {
		wg.Go(func() {
			for i := range each {
				f(c + i)
			}
		})
	}
	wg.Wait()
	return float64(each*clients()) / time.Since(start).Seconds()
}

// BenchmarkMemory fails if 500 pictures of several sizes, four at a time, leave
// the process larger than 50 did.
func BenchmarkMemory(b *testing.B) {
	if _, err := residentMB(); err != nil {
		fmt.Println("memory: not measured here:", err)
		return
	}
	m := openModel(b, "u2netp", 0)
	sizes := []float64{0.3, 1.3, 4}
	for b.Loop() {
		var done atomic.Int64
		var after [2]float64
		for phase, target := range []int64{50, 500} {
			var wg sync.WaitGroup
			for range clients() {
				wg.Go(func() {
					for i := done.Add(1); i <= target; i = done.Add(1) {
						one(b, m, testphotos.JPEG(testphotos.Names()[i%4], sizes[i%3]))
					}
				})
			}
			wg.Wait()
			done.Store(target)
			after[phase], _ = residentMB()
		}
		b.ReportMetric(after[1]/after[0], "of-RSS-after-50")
		fmt.Printf("memory: %.0f MB after 50 pictures, %.0f MB after 500: ratio %.2f (limit 1.2)\n", after[0], after[1], after[1]/after[0])
		if after[1] > 1.2*after[0] {
			b.Error("memory grows")
		}
	}
}

// residentMB reads the process's resident set (Linux).
func residentMB() (float64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	pages, err := strconv.Atoi(fields[1])
	return float64(pages*os.Getpagesize()) / (1 << 20), err
}
