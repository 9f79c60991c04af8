package clock

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func ptr(d time.Duration) *time.Duration { return &d }

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		recorded string // "" when there is no file
		flag     *time.Duration
		then     time.Duration
		file     string
		backward bool
		fails    bool
	}{
		"first start":           {},
		"first offset":          {flag: ptr(26 * time.Hour), then: 26 * time.Hour, file: "26h0m0s\n"},
		"kept without a flag":   {recorded: "26h0m0s\n", then: 26 * time.Hour, file: "26h0m0s\n"},
		"the same again":        {recorded: "26h0m0s\n", flag: ptr(26 * time.Hour), then: 26 * time.Hour, file: "26h0m0s\n"},
		"further":               {recorded: "26h0m0s\n", flag: ptr(48 * time.Hour), then: 48 * time.Hour, file: "48h0m0s\n"},
		"back":                  {recorded: "26h0m0s\n", flag: ptr(25 * time.Hour), file: "26h0m0s\n", backward: true, fails: true},
		"back to none":          {recorded: "26h0m0s\n", flag: ptr(0), file: "26h0m0s\n", backward: true, fails: true},
		"into the past":         {flag: ptr(-time.Second), backward: true, fails: true},
		"damaged file":          {recorded: "26", file: "26", fails: true},
		"file with a past time": {recorded: "-1h", file: "-1h", fails: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clock-offset")
			if tt.recorded != "" {
				if err := os.WriteFile(path, []byte(tt.recorded), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Open(path, tt.flag)
			if (err != nil) != tt.fails || errors.Is(err, ErrBackwards) != tt.backward {
				t.Fatalf("error %v", err)
			}
			if err == nil && c.Offset() != tt.then {
				t.Errorf("offset %s, want %s", c.Offset(), tt.then)
			}
			got, err := os.ReadFile(path)
			if string(got) != tt.file || (err == nil) != (tt.file != "") {
				t.Errorf("file %q, %v; want %q", got, err, tt.file)
			}
			left, err := filepath.Glob(path + ".*")
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestNowIsAheadByTheOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(filepath.Join(t.TempDir(), "clock-offset"), ptr(26*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got, want := c.Now(), time.Now().Add(26*time.Hour); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("got %s, want %s in UTC", got, want)
		}
	})
}

func TestNowFailsWithoutAFolder(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "missing", "clock-offset"), ptr(time.Hour)); err == nil {
		t.Error("an offset that cannot be recorded must not be used")
	}
}

// Whatever the machine's clock does, ours never runs backwards, and shows the machine's time
// whenever that is ahead of everything shown before.
func TestNeverBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		machine := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
		c := Clock{machine: func() time.Time { return machine }}
		var highest time.Time
		for range rapid.IntRange(1, 50).Draw(t, "readings") {
			machine = machine.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "step")))
			if machine.After(highest) {
				highest = machine
			}
			if got := c.Now(); !got.Equal(highest) {
				t.Fatalf("shows %s, want %s", got, highest)
			}
		}
	})
}

func TestNowForManyAtOnce(t *testing.T) {
	c, err := Open(filepath.Join(t.TempDir(), "clock-offset"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := c.Now()
			for range 1000 {
				now := c.Now()
				if now.Before(last) {
					t.Errorf("%s after %s", now, last)
				}
				last = now
			}
		})
	}
	all.Wait()
}
