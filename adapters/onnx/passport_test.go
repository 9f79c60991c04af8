package onnx

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/deploy/models"
	"github.com/bgremover/bgremover/internal/cutout"
)

func passport(t testing.TB, name string) Passport {
	t.Helper()
	p, dir, err := LoadPassport(name)
	if err != nil || dir != "" {
		t.Fatal(dir, err)
	}
	return p
}

func TestKnownPassportsSayWhatIsNotKnown(t *testing.T) {
	for _, name := range []string{"u2net", "u2netp"} {
		p := passport(t, name)
		if p.Name != name || p.Licences.TrainingData.Licence != NotEstablished {
			t.Errorf("%s: name %q, training data %q", name, p.Name, p.Licences.TrainingData.Licence)
		}
		if content, _ := models.Passport(name); p.Digest != fmt.Sprintf("%x", sha256.Sum256(content)) {
			t.Errorf("%s: its digest is %s", name, p.Digest)
		}
		for _, says := range []string{"training data licence: not established", "DUTS-TR", "vouched by nobody"} {
			if !strings.Contains(p.Summary(), says) {
				t.Errorf("%s: %q does not say %q", name, p.Summary(), says)
			}
		}
		want := cutout.Spec{
			Width: 320, Height: 320, Mean: [3]float64{0.485, 0.456, 0.406}, Std: [3]float64{0.229, 0.224, 0.225},
			Scale: cutout.ByMax, Order: cutout.RGB, Activation: cutout.NoActivation, Range: cutout.MinMax,
		}
		if p.Spec() != want {
			t.Errorf("%s: %+v", name, p.Spec())
		}
	}
}

func TestParsePassportNamesWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		when func(*Passport)
		then string
	}{
		"complete":           {func(*Passport) {}, ""},
		"no name":            {func(p *Passport) { p.Name = "" }, "name is missing"},
		"no file":            {func(p *Passport) { p.File = "" }, "file is missing"},
		"no size":            {func(p *Passport) { p.Bytes = 0 }, "bytes is missing"},
		"bad hash":           {func(p *Passport) { p.SHA256 = "abc" }, "sha256 is not"},
		"no input":           {func(p *Passport) { p.Input.Name = "" }, "input.name is missing"},
		"no width":           {func(p *Passport) { p.Input.Width = 0 }, "input.width is not"},
		"huge height":        {func(p *Passport) { p.Input.Height = 1 << 20 }, "input.height is not"},
		"std of zero":        {func(p *Passport) { p.Input.Std[1] = 0 }, "input.std has"},
		"unknown scale":      {func(p *Passport) { p.Input.Scale = "1/256" }, "input.scale is not"},
		"unknown order":      {func(p *Passport) { p.Input.Order = "grb" }, "input.order is not"},
		"no output":          {func(p *Passport) { p.Output.Name = "" }, "output.name is missing"},
		"unknown function":   {func(p *Passport) { p.Output.Activation = "tanh" }, "output.activation is not"},
		"unknown range":      {func(p *Passport) { p.Output.Range = "all" }, "output.range is not"},
		"no data licence":    {func(p *Passport) { p.Licences.TrainingData.Licence = "" }, "licences.training_data lacks"},
		"a licence in prose": {func(p *Passport) { p.Licences.Code.Licence = "<free>" }, "licences.code is no SPDX"},
		"no weights source":  {func(p *Passport) { p.Licences.Weights.Source = "" }, "licences.weights lacks"},
		"nobody vouches":     {func(p *Passport) { p.VouchedBy = "" }, "vouched_by is missing"},
		"two at once":        {func(p *Passport) { p.File, p.VouchedBy = "", "" }, "file is missing; vouched_by is missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := passport(t, "u2netp")
			tt.when(&p)
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			_, err = ParsePassport(data)
			var wrong *PassportError
			if tt.then == "" && err != nil || tt.then != "" && (!errors.As(err, &wrong) || !strings.Contains(wrong.Problem, tt.then)) {
				t.Errorf("got %v, want %q", err, tt.then)
			}
		})
	}
	for _, data := range []string{"", "{", "[]", `{"title": "u2net"}`} {
		var wrong *PassportError
		if _, err := ParsePassport([]byte(data)); !errors.As(err, &wrong) {
			t.Errorf("%q: got %v", data, err)
		}
	}
}

func TestLoadPassportFromAFile(t *testing.T) {
	dir := t.TempDir()
	p := passport(t, "u2netp")
	p.Name = "mine"
	p.Licences.TrainingData.Licence = "CC0-1.0"
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mine.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p.Digest = fmt.Sprintf("%x", sha256.Sum256(data))
	got, from, err := LoadPassport(path)
	if err != nil || got != p || from != dir {
		t.Errorf("got %+v from %q, %v", got, from, err)
	}
	var wrong *PassportError
	if _, _, err := LoadPassport(filepath.Join(dir, "other.json")); !errors.As(err, &wrong) {
		t.Errorf("a missing file: %v", err)
	}
}
