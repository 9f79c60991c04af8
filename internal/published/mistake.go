package published

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

// Mistake is one thing that is wrong with what is published.
type Mistake struct {
	File    string
	Line    int       // from 1 on; 0 for the file as a whole
	Promise policy.ID // empty where none is concerned
	Text    string
}

// Error implements error: "promises.yaml, line 7, image.purpose: …".
func (m Mistake) Error() string {
	where := []string{m.File}
	if m.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", m.Line))
	}
	if m.Promise != "" {
		where = append(where, string(m.Promise))
	}
	return strings.Join(where, ", ") + ": " + m.Text
}

// mistakes collects all there are, so that nobody has to mend one to learn of the next.
type mistakes []error

func (m *mistakes) add(file string, line int, promise policy.ID, format string, args ...any) {
	*m = append(*m, Mistake{file, line, promise, fmt.Sprintf(format, args...)})
}

func (m *mistakes) err() error { return errors.Join(*m...) }
