package onnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bgremover/bgremover/deploy/models"
	"github.com/bgremover/bgremover/internal/cutout"
)

// NotEstablished is what a passport says where nobody could find out or vouch.
const NotEstablished = "not established"

// Passport says where a model comes from, how it is used, and under which
// licences. It is JSON; every field is required unless stated.
type Passport struct {
	Name      string   `json:"name"`
	File      string   `json:"file"` // relative to the model folder, or absolute
	Bytes     int64    `json:"bytes"`
	SHA256    string   `json:"sha256"` // of the file, lower-case hex
	Input     Input    `json:"input"`
	Output    Output   `json:"output"`
	Licences  Licences `json:"licences"`
	VouchedBy string   `json:"vouched_by"` // who answers for the licences; "nobody" is an answer
	Digest    string   `json:"-"`          // SHA-256 of the passport's own bytes, lower-case hex
}

// Input is what the network is fed: float32 [1, 3, height, width].
type Input struct {
	Name   string       `json:"name"`
	Width  int          `json:"width"`
	Height int          `json:"height"`
	Mean   [3]float64   `json:"mean"` // R, G, B
	Std    [3]float64   `json:"std"`
	Scale  cutout.Scale `json:"scale"` // "max" or "255"
	Order  cutout.Order `json:"order"` // "rgb" or "bgr"
}

// Output is which answer counts, float32 of height × width values whatever its
// rank, and what is still to be done with it.
type Output struct {
	Name       string            `json:"name"`
	Activation cutout.Activation `json:"activation"` // "none" or "sigmoid"
	Range      cutout.Range      `json:"range"`      // "min-max" or "none"
}

// Licences are those of what a model is made of.
type Licences struct {
	Code         Licence `json:"code"`
	Weights      Licence `json:"weights"`
	TrainingData Licence `json:"training_data"`
}

// Licence is an SPDX identifier or NotEstablished, with its source and, where
// that needs saying, a note.
type Licence struct {
	Licence string `json:"licence"`
	Source  string `json:"source"`
	Note    string `json:"note,omitempty"`
}

// PassportError says what is wrong with a passport, or that the model does not
// match it.
type PassportError struct {
	Name    string // of the model, or what was asked for
	Problem string
}

func (e *PassportError) Error() string {
	return fmt.Sprintf("passport of model %q: %s", e.Name, e.Problem)
}

// LoadPassport returns the passport that the project knows by that name, or
// reads the file of that path. dir is where the model's file is looked for: the
// passport's own folder, and empty for a name, whose file is in the runtime's folder.
func LoadPassport(nameOrPath string) (p Passport, dir string, err error) {
	data, known := models.Passport(nameOrPath)
	if !known {
		data, err = os.ReadFile(nameOrPath)
		if errors.Is(err, os.ErrNotExist) {
			return p, "", &PassportError{nameOrPath, "no model is known by that name, and there is no such file"}
		}
		if err != nil {
			return p, "", fmt.Errorf("read passport: %w", err)
		}
		dir = filepath.Dir(nameOrPath)
	}
	p, err = ParsePassport(data)
	if p.Name == "" && err != nil {
		err = &PassportError{nameOrPath, err.Error()}
	}
	return p, dir, err
}

// ParsePassport reads a passport and checks that it is complete. Unknown fields
// are mistakes.
func ParsePassport(data []byte) (Passport, error) {
	var p Passport
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Passport{}, &PassportError{"", err.Error()}
	}
	if problems := p.problems(); len(problems) > 0 {
		return p, &PassportError{p.Name, strings.Join(problems, "; ")}
	}
	digest := sha256.Sum256(data)
	p.Digest = hex.EncodeToString(digest[:])
	return p, nil
}

// Summary is the licences in one line, for a person.
func (p Passport) Summary() string {
	l := p.Licences
	return fmt.Sprintf("%s: code %s, weights %s, training data licence: %s (%s); vouched by %s",
		p.Name, l.Code.Licence, l.Weights.Licence, l.TrainingData.Licence, l.TrainingData.Source, p.VouchedBy)
}

// Spec is the passport's part that the mathematics needs.
func (p Passport) Spec() cutout.Spec {
	return cutout.Spec{
		Width: p.Input.Width, Height: p.Input.Height,
		Mean: p.Input.Mean, Std: p.Input.Std, Scale: p.Input.Scale, Order: p.Input.Order,
		Activation: p.Output.Activation, Range: p.Output.Range,
	}
}

// maxSide bounds a network's picture; the largest of the family take 2048.
const maxSide = 4096

// problems lists all that is missing or impossible.
func (p Passport) problems() (list []string) {
	require := func(ok bool, problem string) {
		if !ok {
			list = append(list, problem)
		}
	}
	sum, err := hex.DecodeString(p.SHA256)
	require(p.Name != "", "name is missing")
	require(p.File != "", "file is missing")
	require(p.Bytes > 0, "bytes is missing")
	require(err == nil && len(sum) == 32, "sha256 is not 64 hexadecimal digits")
	require(p.Input.Name != "", "input.name is missing")
	require(p.Input.Width > 0 && p.Input.Width <= maxSide, "input.width is not 1 to 4096")
	require(p.Input.Height > 0 && p.Input.Height <= maxSide, "input.height is not 1 to 4096")
	for _, std := range p.Input.Std {
		require(std > 0, "input.std has a value that is not positive")
	}
	require(oneOf(p.Input.Scale, cutout.ByMax, cutout.By255), `input.scale is not "max" or "255"`)
	require(oneOf(p.Input.Order, cutout.RGB, cutout.BGR), `input.order is not "rgb" or "bgr"`)
	require(p.Output.Name != "", "output.name is missing")
	require(oneOf(p.Output.Activation, cutout.NoActivation, cutout.Sigmoid), `output.activation is not "none" or "sigmoid"`)
	require(oneOf(p.Output.Range, cutout.MinMax, cutout.AsIs), `output.range is not "min-max" or "none"`)
	for name, l := range map[string]Licence{
		"code": p.Licences.Code, "weights": p.Licences.Weights, "training_data": p.Licences.TrainingData,
	} {
		require(l.Licence != "" && l.Source != "", "licences."+name+" lacks licence or source")
		require(licenceForm.MatchString(l.Licence), "licences."+name+" is no SPDX identifier, and not \"not established\"")
	}
	require(p.VouchedBy != "", "vouched_by is missing")
	slices.Sort(list)
	return slices.Compact(list)
}

// licenceForm is what an SPDX expression, or [NotEstablished], is written in. Empty is told apart.
var licenceForm = regexp.MustCompile(`^[A-Za-z0-9.+() -]{0,200}$`)

func oneOf[T comparable](v T, allowed ...T) bool { return slices.Contains(allowed, v) }
