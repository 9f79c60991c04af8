package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot is the time that really passed since this machine started, also while it slept. Nobody
// sets it.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}

// started is for kernels without that clock.
var started = time.Now()
