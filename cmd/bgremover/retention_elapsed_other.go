//go:build !linux

package main

import "time"

// sinceBoot is the time that really passed since this process started. Where a machine that slept
// does not count that, its clock seems to have jumped.
func sinceBoot() time.Duration { return time.Since(started) }

var started = time.Now()
