package telemetry

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	platform := runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	tests := map[string]struct {
		given debug.BuildInfo
		then  string
	}{
		"nothing known": {then: "bgremover (devel) (unknown; " + platform},
		"a release": {
			given: debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-03-02T12:00:00Z"}, {Key: "vcs.modified", Value: "false"},
			}},
			then: "bgremover v1.2.3 (0123456789ab of 2026-03-02T12:00:00Z; " + platform,
		},
		"a working copy": {
			given: debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"},
			}},
			then: "bgremover (devel) (abc, with changes; " + platform,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := buildOf(&tt.given).String(); got != tt.then {
				t.Errorf("got %q, want %q", got, tt.then)
			}
		})
	}
	if got := Version(); !strings.HasPrefix(got, "bgremover ") || !strings.HasSuffix(got, platform) {
		t.Errorf("this build: %q", got)
	}
}
