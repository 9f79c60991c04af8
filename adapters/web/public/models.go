package public

import (
	"embed"
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/policy"
)

//go:embed models.html contradictions.html
var practice embed.FS

var modelsPage = page.Must(practice, "models.html")

// Models are the models that this release knows, with what is known about where each comes from.
// They do not change while the service runs.
type Models []Model

// Model is a network and its passport. The JSON is what GET /v1/models answers.
type Model struct {
	Name        string   `json:"name"`
	File        string   `json:"file"`
	Bytes       int64    `json:"bytes"`
	SHA256      string   `json:"sha256"`          // of the file
	Passport    string   `json:"passport_sha256"` // of the passport, by which the record knows it
	Licences    Licences `json:"licences"`
	VouchedBy   string   `json:"vouched_by"`
	InService   bool     `json:"in_service"`  // it makes the cutouts of this service
	Established bool     `json:"established"` // all its licences are known, and allow what the service does
	Accepted    bool     `json:"accepted"`    // the operator answers for what nobody established
	RefusedBy   []string `json:"refused_by"`  // why this service would not use it
}

// Licences are those of what a model is made of.
type Licences struct {
	Code         Licence `json:"code"`
	Weights      Licence `json:"weights"`
	TrainingData Licence `json:"training_data"`
}

// Licence is an SPDX identifier or "not established", with its source.
type Licence struct {
	Licence string `json:"licence"`
	Source  string `json:"source"`
	Note    string `json:"note,omitempty"`
}

// promised is the promise that passports are about.
const promised policy.ID = "model.licensed"

// established says whether the promise holds for all that is in service.
func (m Models) established() bool {
	served := false
	for _, one := range m {
		if one.InService && !one.Established {
			return false
		}
		served = served || one.InService
	}
	return served
}

// ModelList is what GET /v1/models answers.
type ModelList struct {
	Promise     policy.ID `json:"promise"`
	Established bool      `json:"established"` // for the models in service
	Models      Models    `json:"models"`
}

// Page serves GET /models.
func (m Models) Page() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		modelsPage.Show(w, r, http.StatusOK, ModelList{promised, m.established(), m})
	}
}

// JSON serves GET /v1/models.
func (m Models) JSON() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer.JSON(w, http.StatusOK, ModelList{promised, m.established(), m})
	}
}

// refusals are the conditions of the rule model.load, in words.
var refusals = map[string]string{
	"digest":  "the file is not the one that the passport describes",
	"code":    "the licence of its code does not allow what this service does",
	"weights": "the licence of its weights does not allow what this service does",
	"data":    "the licence of its training data is not established or does not allow it, and the operator has not accepted that",
}

// Refusals says in words why this service would not use the model.
func (m Model) Refusals() []string {
	said := make([]string, len(m.RefusedBy))
	for i, reason := range m.RefusedBy {
		if said[i] = refusals[reason]; said[i] == "" {
			said[i] = reason
		}
	}
	return said
}

// Megabytes is the file's size as people read it.
func (m Model) Megabytes() int64 { return (m.Bytes + 500_000) / 1_000_000 }
