package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// ErrFacts says that a receipt and the entries that it shows do not belong together.
var ErrFacts = refusal.New(refusal.Invalid, "receipt.facts",
	"What this receipt says is not what the entries of the record say that it shows.", "It was not made by this service as it should be. Ask for another one, and tell its operator.")

// envelope is an entry of the record as the ledger stores it, member by member in its
// order. What reads as one and is written again as other bytes is none.
type envelope[F any] struct {
	SpecVersion   string     `json:"specversion"`
	ID            string     `json:"id"`
	Source        string     `json:"source"`
	Type          event.Name `json:"type"`
	Subject       string     `json:"subject"`
	Time          string     `json:"time"`
	ContentType   string     `json:"datacontenttype"`
	StreamVersion int64      `json:"streamversion"`
	Cause         string     `json:"causationid,omitempty"`
	Request       string     `json:"requestid,omitempty"`
	Data          struct {
		Fact     F               `json:"fact"`
		Actor    actor           `json:"actor"`
		Decision json.RawMessage `json:"decision,omitempty"`
		Salt     json.RawMessage `json:"salt"`
	} `json:"data"`
}

// actor is who acted: a capacity, and a name only as ciphertext.
type actor struct {
	Role string  `json:"role"`
	Who  *sealed `json:"who,omitempty"`
}

type sealed struct {
	Sealed string         `json:"sealed"`
	Key    personal.KeyID `json:"key"`
}

// deletedV1 and keyDestroyedV1 are the facts as they stand in the record under these names,
// for ever; the Go types of the domain may go on.
type deletedV1 struct {
	Why    image.Why `json:"why"`
	Due    string    `json:"due"`
	Actual string    `json:"actual"`
	Copies []string  `json:"copies"`
}

type keyDestroyedV1 struct {
	Key personal.KeyID `json:"key"`
	Why string         `json:"why"`
}

const (
	nameDeleted      = event.Name("image.deleted.v1")
	nameKeyDestroyed = event.Name("vault.key_destroyed.v1")
	whyDestroyed     = "image.deleted"
)

// checkFacts compares what a receipt says with the entries that it shows.
func checkFacts(r Receipt) error {
	key := image.Key(r.Image)
	var deletion envelope[deletedV1]
	var destruction envelope[keyDestroyedV1]
	if !readFact(r.Deletion.Body, &deletion) || !readFact(r.Destruction.Body, &destruction) {
		return ErrFacts
	}
	at := func(t time.Time) string { return t.UTC().Format(timeLayout) }
	kinds := make([]string, len(r.Copies))
	for i, c := range r.Copies {
		kinds[i] = c.Kind
	}
	deleted, ended := deletion.Data.Fact, destruction.Data.Fact
	agree := r.Deletion.Seq > 0 && r.Destruction.Seq > r.Deletion.Seq &&
		deletion.Type == nameDeleted && deletion.Subject == string(image.Stream(r.Image)) &&
		deleted.Why == r.Why && deleted.Due == at(r.Due) && deleted.Actual == at(r.Deleted) && slices.Equal(deleted.Copies, kinds) &&
		destruction.Type == nameKeyDestroyed && destruction.Subject == string(system.VaultStream(key)) &&
		ended.Key == key && ended.Why == whyDestroyed &&
		namesNobody(deletion, key) && namesNobody(destruction, key)
	if !agree {
		return ErrFacts
	}
	return nil
}

// readFact reads an entry, and says whether it is written as the ledger writes it.
func readFact[F any](body string, into *envelope[F]) bool {
	dec := json.NewDecoder(bytes.NewReader([]byte(body)))
	dec.DisallowUnknownFields()
	if dec.Decode(into) != nil {
		return false
	}
	var again bytes.Buffer
	enc := json.NewEncoder(&again)
	enc.SetEscapeHTML(false)
	return enc.Encode(into) == nil && again.String() == body+"\n"
}

// namesNobody says whether all that is personal in an entry is ciphertext under the key
// that is destroyed. A salt in clear is only random. Decisions about a picture's end hold
// times and states; one that seals anything is not shown.
func namesNobody[F any](e envelope[F], key personal.KeyID) bool {
	who := e.Data.Actor.Who
	if e.Data.Actor.Role == "" || who != nil && who.Key != key || bytes.Contains(e.Data.Decision, []byte(`"sealed"`)) {
		return false
	}
	var clear string
	if json.Unmarshal(e.Data.Salt, &clear) == nil {
		raw, err := hex.DecodeString(clear)
		return err == nil && len(raw) == 16 && who == nil
	}
	var salt sealed
	return json.Unmarshal(e.Data.Salt, &salt) == nil && salt.Key == key && who != nil
}
