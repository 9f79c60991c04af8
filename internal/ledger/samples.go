package ledger

import (
	"embed"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
)

//go:embed testdata/facts/*.json
var sampleFiles embed.FS

// Sample returns what a fact looks like in the record: of every version that was ever
// published there is one, whose personal fields are sealed under a key that everybody knows.
func Sample(name event.Name) ([]byte, error) {
	body, err := sampleFiles.ReadFile("testdata/facts/" + string(name) + ".json")
	if err != nil {
		return nil, fmt.Errorf("ledger: the fact %s has no sample: %w", name, err)
	}
	return body, nil
}
