package image

import (
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Event is a fact about one picture. The set is closed; linters check that every switch
// over it is complete.
//
//sumtype:decl
type Event interface {
	event.Fact
	aboutImage()
}

// Uploaded says that somebody handed us a picture, and when it is gone at the latest.
type Uploaded struct {
	SizeClass  SizeClass      `json:"size_class"`
	Due        time.Time      `json:"due"`
	Basis      string         `json:"basis"`      // legal basis: "contract", GDPR article 6(1)(b)
	Capability CapabilityHash `json:"capability"` // of the token that opens the result
	Owner      personal.Text  `json:"owner"`      // account; empty without one
	FileName   personal.Text  `json:"name"`
}

// ProcessingFailed says that no cutout could be made, for good.
type ProcessingFailed struct {
	Code     string `json:"code"` // of the refusal that the owner sees
	Attempts int    `json:"attempts"`
}

// Processed says that the cutout is ready.
type Processed struct {
	Model      string          `json:"model"` // name of the model's passport
	Dimensions DimensionsClass `json:"dimensions"`
	Stages     Stages          `json:"ms"`
}

// Stages are the milliseconds that each stage of a cutout took.
type Stages struct {
	Decode     int64 `json:"decode"`
	Resize     int64 `json:"resize"`
	Run        int64 `json:"run"`
	Mask       int64 `json:"mask"`
	Foreground int64 `json:"foreground"`
	Encode     int64 `json:"encode"`
	Total      int64 `json:"total"` // with opening, sealing and storing
}

// Downloaded says that the result was sent; Whole, that its last byte was.
type Downloaded struct {
	Whole bool `json:"whole"`
}

// DeletionDueChanged says that the picture is gone earlier than was promised at its upload,
// because a period became shorter while it waited. Due is never later than before.
type DeletionDueChanged struct {
	Due time.Time `json:"due"`
}

// Deleted says that every copy is unreadable from Actual on: the key that sealed them is
// destroyed by the same append. Copies are the kinds of copy that were then looked for and removed.
type Deleted struct {
	Why    Why       `json:"why"`
	Due    time.Time `json:"due"`
	Actual time.Time `json:"actual"`
	Copies []string  `json:"copies"`
}

// Why a picture was deleted.
type Why string

// The reasons there are.
const (
	BecauseDownloaded Why = "downloaded"
	BecauseDue        Why = "due"
	BecauseRequested  Why = "requested"
)

// The permanent names.
func (Uploaded) EventName() event.Name         { return "image.uploaded.v1" }
func (ProcessingFailed) EventName() event.Name { return "image.processing_failed.v1" }
func (Processed) EventName() event.Name        { return "image.processed.v1" }
func (Downloaded) EventName() event.Name       { return "image.downloaded.v1" }
func (Deleted) EventName() event.Name          { return "image.deleted.v1" }
func (DeletionDueChanged) EventName() event.Name {
	return "image.deletion_due_changed.v1"
}

func (Uploaded) aboutImage()           {}
func (ProcessingFailed) aboutImage()   {}
func (Processed) aboutImage()          {}
func (Downloaded) aboutImage()         {}
func (Deleted) aboutImage()            {}
func (DeletionDueChanged) aboutImage() {}

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind {
	return []event.Kind{
		event.KindOf[Uploaded](),
		event.KindOf[ProcessingFailed](),
		event.KindOf[Processed](),
		event.KindOf[Downloaded](),
		event.KindOf[DeletionDueChanged](),
		event.KindOf[Deleted](),
	}
}

const streamPrefix = "image/"

// Stream returns the stream of a picture's facts.
func Stream(img id.Image) event.Stream { return event.Stream(streamPrefix + string(img)) }

// Key returns the id of the key that seals everything about a picture.
func Key(img id.Image) personal.KeyID { return personal.KeyID(Stream(img)) }

// OfStream returns the picture that a stream is about, if it is about one.
func OfStream(s event.Stream) (id.Image, bool) {
	rest, ok := strings.CutPrefix(string(s), streamPrefix)
	if !ok {
		return "", false
	}
	return id.ParseImage(rest)
}
