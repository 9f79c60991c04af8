//go:build faults

package fault

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Variable names a point in the environment, and which passing of it is the last:
// "append.committed:3". Without a number it is the first.
const Variable = "BGREMOVER_FAULT"

var (
	chosen, at = parse(os.Getenv(Variable))
	passed     atomic.Int64
)

func parse(setting string) (name string, at int64) {
	name, number, counted := strings.Cut(setting, ":")
	at = 1
	if counted {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 {
			panic(fmt.Sprintf("%s=%s: after the colon stands which passing ends the process, from 1 on", Variable, setting))
		}
		at = n
	}
	if name != "" && !slices.Contains(Points, name) {
		panic(fmt.Sprintf("%s=%s: there is no such point", Variable, setting))
	}
	return name, at
}

// Point ends the process as a power cut would, when it is the one that was chosen.
func Point(name string) {
	if !slices.Contains(Points, name) {
		panic("fault: the point " + name + " is not on the list")
	}
	if name != chosen || passed.Add(1) != at {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail: it is ourselves
	select {}                                      // nothing after the point happens
}
