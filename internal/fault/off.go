//go:build !faults

package fault

// Point is where the process can be made to end. In this build it does nothing.
func Point(string) {}
