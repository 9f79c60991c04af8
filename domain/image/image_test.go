package image_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
)

var (
	noon     = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	uploaded = image.Uploaded{SizeClass: image.UpTo1MiB, Due: noon.Add(24 * time.Hour), Basis: "contract", Capability: image.HashCapability("token")}
	deleted  = image.Deleted{Why: image.BecauseRequested, Due: uploaded.Due, Actual: noon.Add(time.Hour), Copies: image.Copies()}
	truncate = image.ProcessingFailed{Code: image.ErrTruncated.Code, Attempts: 2}
)

func TestStatus(t *testing.T) {
	tests := map[string]struct {
		given []image.Event
		then  image.Status
	}{
		"never seen":             {then: image.Unknown},
		"uploaded":               {given: []image.Event{uploaded}, then: image.Waiting},
		"processed":              {given: []image.Event{uploaded, image.Processed{}}, then: image.Ready},
		"failed":                 {given: []image.Event{uploaded, truncate}, then: image.Failed},
		"download broke off":     {given: []image.Event{uploaded, image.Processed{}, image.Downloaded{}}, then: image.Ready},
		"deleted while waiting":  {given: []image.Event{uploaded, deleted}, then: image.Gone},
		"deleted after failure":  {given: []image.Event{uploaded, truncate, deleted}, then: image.Gone},
		"deleted after download": {given: []image.Event{uploaded, image.Processed{}, image.Downloaded{Whole: true}, deleted}, then: image.Gone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := image.From(tt.given...)
			if got.Status() != tt.then || got.Version() != int64(len(tt.given)) {
				t.Errorf("got %s at version %d, want %s at %d", got.Status(), got.Version(), tt.then, len(tt.given))
			}
		})
	}
}

func TestDecideUpload(t *testing.T) {
	fine := image.Upload{Capability: uploaded.Capability, Bytes: 1, Due: uploaded.Due, Basis: "contract", At: noon}
	tests := map[string]struct {
		given []image.Event
		when  func(*image.Upload)
		then  image.Uploaded
		fails error
	}{
		"accepted":        {then: uploaded},
		"empty":           {when: func(u *image.Upload) { u.Bytes = 0 }, fails: image.ErrEmpty},
		"largest":         {when: func(u *image.Upload) { u.Bytes = image.MaxBytes }, then: withSize(uploaded, image.UpTo25MiB)},
		"too large":       {when: func(u *image.Upload) { u.Bytes = image.MaxBytes + 1 }, fails: image.ErrTooLarge},
		"no deadline":     {when: func(u *image.Upload) { u.Due = time.Time{} }, fails: image.ErrNoDeadline},
		"due too late":    {when: func(u *image.Upload) { u.Due = u.At.Add(24*time.Hour + time.Nanosecond) }, fails: image.ErrNoDeadline},
		"due at once":     {when: func(u *image.Upload) { u.Due = u.At }, fails: image.ErrNoDeadline},
		"twice":           {given: []image.Event{uploaded}, fails: image.ErrDuplicate},
		"again once gone": {given: []image.Event{uploaded, deleted}, fails: image.ErrDuplicate},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := fine
			if tt.when != nil {
				tt.when(&cmd)
			}
			got, err := image.DecideUpload(image.From(tt.given...), cmd)
			if got != tt.then || !errors.Is(err, tt.fails) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tt.then, tt.fails)
			}
		})
	}
}

func withSize(u image.Uploaded, c image.SizeClass) image.Uploaded {
	u.SizeClass = c
	return u
}

func TestMayDownload(t *testing.T) {
	tests := map[string]struct {
		given []image.Event
		fails error
	}{
		"never seen": {fails: image.ErrUnknown},
		"waiting":    {given: []image.Event{uploaded}, fails: image.ErrNotReady},
		"failed":     {given: []image.Event{uploaded, truncate}, fails: image.ErrTruncated},
		"ready":      {given: []image.Event{uploaded, image.Processed{}}},
		"gone":       {given: []image.Event{uploaded, image.Processed{}, deleted}, fails: image.ErrGone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := image.MayDownload(image.From(tt.given...)); !errors.Is(err, tt.fails) {
				t.Errorf("got %v, want %v", err, tt.fails)
			}
		})
	}
}

func TestDecideDelete(t *testing.T) {
	cmd := image.Delete{Why: image.BecauseRequested, At: noon.Add(time.Hour)}
	tests := map[string]struct {
		given []image.Event
		ok    bool
		fails error
	}{
		"never seen": {fails: image.ErrUnknown},
		"waiting":    {given: []image.Event{uploaded}, ok: true},
		"ready":      {given: []image.Event{uploaded, image.Processed{}}, ok: true},
		"failed":     {given: []image.Event{uploaded, truncate}, ok: true},
		"gone":       {given: []image.Event{uploaded, deleted}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok, err := image.DecideDelete(image.From(tt.given...), cmd)
			if ok != tt.ok || !errors.Is(err, tt.fails) {
				t.Fatalf("got ok %v, %v; want %v, %v", ok, err, tt.ok, tt.fails)
			}
			if ok && (got.Why != cmd.Why || !got.Actual.Equal(cmd.At) || !got.Due.Equal(uploaded.Due) || len(got.Copies) != 2) {
				t.Errorf("the fact does not say why, when, what was due and which copies: %+v", got)
			}
		})
	}
}

// Whatever happens to a picture in whatever order, once it is deleted nothing brings it back.
func TestDeletedForGood(t *testing.T) {
	events := []image.Event{uploaded, image.Processed{}, truncate, image.Downloaded{}, image.Downloaded{Whole: true}}
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOf(rapid.SampledFrom(events)).Draw(t, "before")
		after := rapid.SliceOf(rapid.SampledFrom(events)).Draw(t, "after")
		history := append([]image.Event{uploaded}, before...)
		history = append(append(history, deleted), after...)
		img := image.From(history...)
		if img.Status() != image.Gone {
			t.Fatalf("status %s after a deletion", img.Status())
		}
		if image.MayDownload(img) == nil {
			t.Fatal("a deleted picture may be downloaded")
		}
		if _, ok := image.DecideProcessed(img, image.Processed{}); ok {
			t.Fatal("a deleted picture may get a result")
		}
	})
}

// Whatever is asked, nothing is recorded without a time by which it is gone.
func TestNoUploadWithoutDeadline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cmd := image.Upload{
			Due:   noon.Add(time.Duration(rapid.Int64Range(-48, 48).Draw(t, "hours")) * time.Hour),
			Bytes: rapid.Int64Range(0, 2*image.MaxBytes).Draw(t, "bytes"),
			At:    noon,
		}
		got, err := image.DecideUpload(image.Image{}, cmd)
		if err == nil && (!got.Due.After(cmd.At) || got.Due.After(noon.Add(24*time.Hour))) {
			t.Fatalf("recorded without a deadline: %+v", got)
		}
	})
}

func TestCapabilityOpensOnlyItsPicture(t *testing.T) {
	tests := map[string]struct {
		given []image.Event
		token string
		opens bool
	}{
		"right":           {[]image.Event{uploaded}, "token", true},
		"wrong":           {[]image.Event{uploaded}, "Token", false},
		"empty":           {[]image.Event{uploaded}, "", false},
		"unknown picture": {nil, "token", false},
		"no hash kept":    {[]image.Event{image.Uploaded{}}, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := image.From(tt.given...).OpensWith(image.HashCapability(tt.token)); got != tt.opens {
				t.Errorf("opens %v, want %v", got, tt.opens)
			}
		})
	}
}

// Every code that a processing failure can be recorded with leads back to what its owner is told.
func TestUnusable(t *testing.T) {
	for _, want := range []*refusal.Error{image.ErrEmpty, image.ErrNotAnImage, image.ErrTruncated, image.ErrTooManyPixels, image.ErrUnsupportedFormat, image.ErrProcessing} {
		if got := image.Unusable(want.Code); got != want {
			t.Errorf("code %s leads to %s", want.Code, got.Code)
		}
	}
	if got := image.Unusable("a code of a newer release"); got != image.ErrProcessing {
		t.Errorf("an unknown code leads to %s", got.Code)
	}
}

func TestOfStream(t *testing.T) {
	const img = "01900000-0000-7000-8000-000000000001"
	if got, ok := image.OfStream(image.Stream(img)); !ok || got != img {
		t.Errorf("got %q, %v", got, ok)
	}
	for _, s := range []string{"", "image/", "vault/" + img, "image/" + img + "/x", "image/../etc"} {
		if got, ok := image.OfStream(event.Stream(s)); ok {
			t.Errorf("%q is taken for the picture %q", s, got)
		}
	}
}
