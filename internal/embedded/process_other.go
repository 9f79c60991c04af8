//go:build !linux

package embedded

import (
	"bytes"
	"os/exec"
	"strconv"
	"syscall"
)

// tieToParent has nothing to offer here: a server that outlives us is found and
// stopped by the next start (endPredecessor).
func tieToParent(*syscall.SysProcAttr) {}

// isPostmaster reports whether the process is a server on this data folder.
func isPostmaster(pid int, data string) bool {
	output, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && bytes.Contains(output, []byte(" -D "+data+" "))
}
