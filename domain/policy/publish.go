package policy

import "fmt"

// Deviation says that a version of the text is not the one that was published under its number.
type Deviation struct {
	Version int
	Later   bool // the record knows it, and this release does not
}

func (d Deviation) Error() string {
	if d.Later {
		return fmt.Sprintf("version %d was published, and this release does not have it", d.Version)
	}
	return fmt.Sprintf("version %d was published with another text", d.Version)
}

// DecidePublication returns the versions that were not published yet. Published is the record's,
// versions are this release's, both in order from 1 on; where they differ it is a [Deviation].
func DecidePublication(published, versions []Published) ([]Published, error) {
	for i, before := range published {
		if i >= len(versions) {
			return nil, Deviation{Version: before.Version, Later: true}
		}
		if before.Version != versions[i].Version || before.Digest != versions[i].Digest || before.Date != versions[i].Date {
			return nil, Deviation{Version: before.Version}
		}
	}
	return versions[len(published):], nil
}
