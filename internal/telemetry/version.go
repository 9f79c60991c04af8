package telemetry

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Build says which build of the program this is.
type Build struct {
	Version  string // "v1.2.3", or "(devel)" when built from a working copy
	Revision string // of the source, shortened; "unknown" without version control
	Time     string // of the revision, RFC 3339; "" when unknown
	Modified bool   // the working copy held changes
	Go       string // "go1.26.8"
	Platform string // "linux/amd64"
}

// ThisBuild reads what the compiler noted.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Revision: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is what "bgremover version" prints, one line.
func (b Build) String() string {
	revision := b.Revision
	if b.Time != "" {
		revision += " of " + b.Time
	}
	if b.Modified {
		revision += ", with changes"
	}
	return fmt.Sprintf("bgremover %s (%s; %s, %s)", b.Version, revision, b.Go, b.Platform)
}

// Version returns what "bgremover version" prints.
func Version() string { return ThisBuild().String() }
