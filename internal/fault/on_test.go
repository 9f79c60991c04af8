//go:build faults

package fault

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A copy of this test binary ends at the second passing of the chosen point, and nowhere else.
func TestEndsTheProcess(t *testing.T) {
	const passes = "FAULT_TEST_PASSES"
	if os.Getenv(passes) != "" {
		Point(Points[0])
		Point(Points[1])
		Point(Points[0])
		os.Exit(0)
	}
	tests := map[string]struct {
		fault  string
		killed bool
	}{
		"none":             {fault: ""},
		"the first time":   {fault: Points[1], killed: true},
		"the second time":  {fault: Points[0] + ":2", killed: true},
		"more than passed": {fault: Points[0] + ":3"},
		"another":          {fault: Points[2]},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestEndsTheProcess$")
			cmd.Env = append(os.Environ(), passes+"=1", Variable+"="+tt.fault)
			_ = cmd.Run() // the state says it
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; killed != tt.killed || !killed && status.ExitStatus() != 0 {
				t.Errorf("killed: %v, exit status %d", killed, status.ExitStatus())
			}
		})
	}
}

func TestRefusesWhatIsNoPoint(t *testing.T) {
	for _, setting := range []string{"nowhere", Points[0] + ":0", Points[0] + ":x", Points[0] + ":"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", setting)
				}
			}()
			parse(setting)
		}()
	}
}
