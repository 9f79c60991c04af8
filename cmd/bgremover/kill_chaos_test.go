package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/fault"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
)

var faultyFolder string // where faulty built, if it did

// faulty is the program with its fault points compiled in, built once for all tests.
var faulty = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "bgremover-faulty-")
	if err != nil {
		return "", err
	}
	faultyFolder = folder
	path := filepath.Join(folder, "bgremover")
	said, err := exec.Command("go", "build", "-tags", "faults", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program with its fault points: %w\n%s", err, said)
	}
	return path, nil
})

// removeFaulty is called after the last test.
func removeFaulty() {
	if faultyFolder != "" {
		_ = os.RemoveAll(faultyFolder)
	}
}

// startFaulty starts a service that ends itself at a point; none if it is empty. It may be over
// before it is ready.
func startFaulty(t *testing.T, data, point string, flags ...string) *running {
	t.Helper()
	path, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	args := append(serveFlags(data), "--checkpoint-every", "1s")
	cmd := exec.CommandContext(context.Background(), path, append(args, flags...)...)
	cmd.Env = append(os.Environ(), "BGREMOVER_CONFIG=", "BGREMOVER_FAULT="+point)
	return launch(t, cmd, data)
}

// A service that ends itself at each boundary between storing a fact and answering, one
// after the other over the same data, loses nothing that it acknowledged, and doubles nothing.
func TestKilledAtEveryBoundary(t *testing.T) {
	t.Parallel()
	var halves [2][]string // so that two can go on at a time
	for i, point := range fault.Points {
		halves[i%2] = append(halves[i%2], point)
	}
	for i, points := range halves {
		t.Run(fmt.Sprintf("%d of 2", i+1), func(t *testing.T) {
			t.Parallel()
			killAt(t, points)
		})
	}
}

func killAt(t *testing.T, points []string) {
	c := newClients(t)
	data := dataFolder(t)
	rounds := faulttest.Times(1, 3)
	killed := map[string]int{}
	for round := range rounds {
		for _, point := range points {
			at := fmt.Sprintf("%s:%d", point, 1+rand.IntN(1+2*round))
			s := startFaulty(t, data, at)
			if s.url != "" {
				c.checkUnlessKilled(s)
				c.keepCheckpoint(s)
				c.load(s, time.Minute)
			}
			if !s.endedBy(syscall.SIGKILL) {
				t.Fatalf("nothing passed %s in a minute", at)
			}
			killed[point]++
		}
	}
	c.settle(startFaulty(t, data, ""))
	if len(c.saved) == 0 {
		t.Error("no checkpoint could be kept")
	}
	for _, point := range points {
		if killed[point] != rounds {
			t.Errorf("killed %d times at %s", killed[point], point)
		}
	}
	faulttest.Counted(t, "%d kills at %d boundaries; %s", rounds*len(points), len(points), c)
}

// The same, killed from outside at any moment under load, and while it starts: while it makes
// its tables, reads the record back, publishes again.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	c := newClients(t)
	data := dataFolder(t)
	kills, starts := faulttest.Times(3, 200), 0
	for n := range kills {
		s := startFaulty(t, data, "")
		c.keepCheckpoint(s)
		if n%10 == 0 { // the more facts, the longer it takes
			c.checkUnlessKilled(s)
		}
		loaded := make(chan struct{})
		go func() { defer close(loaded); c.load(s, time.Minute) }()
		<-time.After(time.Duration(300+rand.IntN(2000)) * time.Millisecond)
		s.kill()
		<-loaded
		if n%4 == 1 {
			killWhileStarting(t, data)
			starts++
		}
	}
	c.settle(startFaulty(t, data, ""))
	c.due(startFaulty(t, data, "", "--clock-offset", "25h"))
	faulttest.Counted(t, "%d kills at random moments, and %d during the start; %s", kills, starts, c)
}

func killWhileStarting(t *testing.T, data string) {
	t.Helper()
	path, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, serveFlags(data)...)
	cmd.Env = append(os.Environ(), "BGREMOVER_CONFIG=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(rand.IntN(1200)) * time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("the service ended before it was killed: %v", err)
	}
	_ = cmd.Wait()
}
