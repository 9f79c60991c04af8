package usecase_test

import (
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
)

func TestLasts(t *testing.T) {
	for period, want := range map[time.Duration]string{
		0: "none: at once", time.Hour: "1h0m0s", 24 * time.Hour: "1 day", 30 * 24 * time.Hour: "30 days", 365 * 24 * time.Hour: "365 days", 36 * time.Hour: "36h0m0s",
	} {
		if got := (usecase.KindStatus{Period: period}).Lasts(); got != want {
			t.Errorf("%v lasts %q, want %q", period, got, want)
		}
	}
}
