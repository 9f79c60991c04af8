package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// What is personal in a decision's question lives as long as the key of the stream that it is recorded in, and a
// stream without a key takes none.
func TestPersonalAttributesEndWithTheirKey(t *testing.T) {
	const question = `{"country":"FR","objected":"canary"}`
	w := newWorld(t)
	w.sequencer()
	w.exec("insert into ledger.activations values (4, 0)")
	img := newImage()
	d := event.Decision{Rule: "test.rule", Promises: []string{}, Revision: 4, Outcome: "allow"}
	must(t, d.Ask(json.RawMessage(question), []string{"objected"}))
	up := w.upload(img)
	up.Parts[0].Facts[0].Decision = &d
	_, err := w.ledger.Append(t.Context(), up)
	must(t, err)
	read := func() event.Decision {
		t.Helper()
		history, err := w.ledger.Load(t.Context(), image.Stream(img))
		must(t, err)
		return *history[0].Decision
	}
	if asked, whole := read().Question(); !whole || string(asked) != question {
		t.Errorf("read %s, %v", asked, whole)
	}

	keyless := event.Append{At: noon, Actor: event.Actor{Role: event.Clock}, Parts: []event.Part{{
		Stream: system.VaultStream(image.Key(newImage())), Facts: []event.Pending{{Fact: image.Processed{Model: "u2netp"}, Decision: &d}},
	}}}
	if _, err := w.ledger.Append(t.Context(), keyless); !errors.Is(err, personal.ErrNoKey) {
		t.Errorf("appended without a key: %v", err)
	}
	if n := w.number("select count(*) from ledger.facts"); n != 1 {
		t.Errorf("%d facts are stored", n)
	}

	_, err = w.ledger.Append(t.Context(), deleted(img, 1))
	must(t, err)
	gone := read()
	if asked, whole := gone.Question(); whole || !gone.Sealed.IsErased() || string(gone.Input) != `{"country":"FR"}` {
		t.Errorf("after the key's end: %s, %v, %+v", asked, whole, gone)
	}
	var body []byte
	must(t, w.pool.QueryRow(t.Context(), "select body from ledger.facts where stream = $1 and version = 1", image.Stream(img)).Scan(&body))
	if bytes.Contains(body, []byte("canary")) || !bytes.Contains(body, []byte(`"personal":["objected"]`)) {
		t.Errorf("stored as %s", body)
	}
}
