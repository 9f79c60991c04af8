package officer

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// timed is a connection that remembers when it was given time.
type timed struct {
	*httptest.ResponseRecorder
	did []string
}

func (c *timed) SetWriteDeadline(time.Time) error { c.did = append(c.did, "time"); return nil }

func (c *timed) Write(piece []byte) (int, error) {
	c.did = append(c.did, string(piece))
	return len(piece), nil
}

// Each piece has its whole time to go out, however long the record was read for it.
func TestPiecesHaveTheirTime(t *testing.T) {
	c := &timed{ResponseRecorder: httptest.NewRecorder()}
	w := patient{c, http.NewResponseController(c)}
	for _, piece := range []string{"one", "two"} {
		if _, err := w.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"time", "one", "time", "two"}; !slices.Equal(c.did, want) {
		t.Errorf("%q, want %q", c.did, want)
	}
}
