//go:build fullmodel

package cutout_test

import "testing"

func TestMasksAreThePeersFullModel(t *testing.T) { checkGolden(t, openModel(t, "u2net", 2)) }
