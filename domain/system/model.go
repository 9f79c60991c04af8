package system

import "github.com/bgremover/bgremover/domain/event"

// ModelLoaded says which model makes cutouts from now on. Passport is the SHA-256 of its
// passport, in hexadecimal. Established is false where the training data's licence is not known
// and the operator answers for that.
type ModelLoaded struct {
	Model       string `json:"model"`
	Passport    string `json:"passport"`
	Established bool   `json:"established"`
}

// ModelRefused says which model was not loaded, and why.
type ModelRefused struct {
	Model    string   `json:"model"`
	Passport string   `json:"passport"`
	Reasons  []string `json:"reasons"`
}

// EventName implements [event.Fact].
func (ModelLoaded) EventName() event.Name { return "model.loaded.v1" }

// EventName implements [event.Fact].
func (ModelRefused) EventName() event.Name { return "model.refused.v1" }

// ModelStream returns the stream of a model.
func ModelStream(model string) event.Stream { return event.DerivedStream("model", model) }
