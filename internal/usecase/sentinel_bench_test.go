package usecase_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// plenty is a store, a vault and a view of as many pictures as one likes, of which nothing is kept: each
// with its photo and its cutout, all as they should be.
type plenty struct {
	usecase.Blobs
	pictures int
}

func (p plenty) image(i int) id.Image {
	return id.Image(fmt.Sprintf("01900000-0000-7000-8000-%012d", i))
}

func (p plenty) place(img string) int {
	var i int
	if _, err := fmt.Sscanf(img[max(0, len(img)-12):], "%d", &i); err != nil {
		return 0
	}
	return i
}

func (p plenty) List(_ context.Context, each func(usecase.Blob) error) error {
	for i := 1; i <= p.pictures; i++ {
		for _, kind := range image.Copies() {
			if err := each(usecase.Blob{Name: string(p.image(i)) + "/" + kind, Stored: noon}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p plenty) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	if i := p.place(strings.Split(name, "/")[0]); i < 1 || i > p.pictures {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader("\x28sealed, all of it")), 17, nil
}

func (p plenty) Through(context.Context) (int64, time.Duration, error) {
	return int64(p.pictures), 0, nil
}

func (p plenty) Pictures(_ context.Context, wanted []id.Image) ([]usecase.InCustody, error) {
	found := make([]usecase.InCustody, len(wanted))
	for i, img := range wanted {
		found[i] = usecase.InCustody{Image: img, UploadedSeq: 1, Due: noon.Add(time.Hour)}
	}
	return found, nil
}

func (p plenty) Kept(_ context.Context, after id.Image, limit int) (page []usecase.InCustody, _ error) {
	for i := p.place(string(after)) + 1; i <= p.pictures && len(page) < limit; i++ {
		page = append(page, usecase.InCustody{Image: p.image(i), UploadedSeq: 1, Due: noon.Add(time.Hour)})
	}
	return page, nil
}

func (p plenty) Ended(context.Context, []personal.KeyID) ([]personal.KeyID, error) { return nil, nil }

func (p plenty) LiveKeys(_ context.Context, after personal.KeyID, limit int) (page []usecase.LiveKey, _ error) {
	for i := p.place(string(after)) + 1; i <= p.pictures && len(page) < limit; i++ {
		page = append(page, usecase.LiveKey{ID: image.Key(p.image(i)), Age: time.Hour})
	}
	return page, nil
}

func (p plenty) Alive(_ context.Context, keys []personal.KeyID) ([]personal.KeyID, error) {
	return keys, nil
}

// Memory does not grow with what is audited: the most that is alive at any time with a million
// objects, beside the same with ten thousand, in one run.
func BenchmarkSentinel(b *testing.B) {
	for b.Loop() {
		small, _ := auditOf(b, 5_000)
		large, took := auditOf(b, 500_000)
		ratio := float64(large) / float64(small)
		b.ReportMetric(ratio, "memory-ratio")
		b.ReportMetric(float64(large)/(1<<20), "MiB")
		b.ReportMetric(1_000_000/took.Seconds(), "objects/s")
		if ratio > 1.2 {
			b.Errorf("%d bytes with a million objects, %d with ten thousand", large, small)
		}
	}
}

// auditOf audits pictures with two objects each and returns the most memory that was alive at a time.
func auditOf(b *testing.B, pictures int) (most uint64, took time.Duration) {
	b.Helper()
	all := plenty{Blobs: &fake.Blobs{}, pictures: pictures}
	record := fake.NewRecord(nil)
	s := usecase.Sentinel{
		Record: record, Custody: all, Keys: all, Blobs: all, Retention: fake.Retention{}, Tables: &tables{}, Limits: limits{}, Files: &files{},
		Signer: signer{}, Now: func() time.Time { return noon }, Wall: func() time.Time { return noon },
	}
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	began, batches := time.Now(), 0
	done, err := s.Do(b.Context(), func(usecase.AuditProgress) {
		if batches++; batches%(1+pictures/5_000) != 0 { // some ten times, whatever there is
			return
		}
		paused := time.Now()
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		began = began.Add(time.Since(paused))
	})
	if err != nil || !done.Fact.Whole || done.Fact.Objects != int64(2*pictures) || len(done.Fact.Findings) > 0 {
		b.Fatalf("found %+v, %v, %v", done.Fact, done.Trouble, err)
	}
	return most, time.Since(began)
}
