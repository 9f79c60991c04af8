package embedded

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// tieToParent has the kernel send SIGQUIT, PostgreSQL's immediate shutdown, when
// the starting thread ends.
func tieToParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

// isPostmaster reports whether the process is a server on this data folder. A
// zombie has no command line, so it is none.
func isPostmaster(pid int, data string) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(cmdline, []byte("\x00-D\x00"+data+"\x00"))
}
