package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/bgremover/bgremover/adapters/web/intake"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

const (
	// maxForm is the largest body: a photo of the largest size as base64, whose "+" and "/" may
	// be escaped, and the other parameters.
	maxForm = image.MaxBytes/3*4 + image.MaxBytes/10 + maxField
	// maxField is the longest text of any other parameter.
	maxField = 64 << 10
	// A text body is held as it arrives and is taken apart, in pieces: as raw text while its buffer grows,
	// as the parameter, and decoded.
	textCopies = 4
)

// form is a request to remove.bg's interface.
type form struct {
	fields   map[string]string // without the photo
	base64   string
	picture  []byte
	fileName personal.Text
	sources  int // how many photos there are, of any kind

	body *intake.Body
}

func (f *form) release() {
	f.picture, f.base64 = nil, ""
	f.body.Release()
}

// readForm reads a request in any of the three types that remove.bg takes. The caller must release what it returns.
func readForm(in *intake.Intake, w http.ResponseWriter, r *http.Request) (*form, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // unreadable: no type that is read here
	copies := textCopies
	if kind == "multipart/form-data" {
		copies = 1
	}
	body, err := in.Open(w, r, maxForm, copies)
	if err != nil {
		return nil, err
	}
	f := &form{fields: map[string]string{}, body: body}
	if err := f.read(kind, r); err != nil {
		defer f.release()
		return nil, body.Refuse(err)
	}
	body.Arrived()
	return f, nil
}

func (f *form) read(kind string, r *http.Request) error {
	var err error
	boundary, isMultipart := intake.Boundary(r)
	switch {
	case isMultipart:
		err = f.readMultipart(multipart.NewReader(f.body, boundary))
	case kind == "application/json":
		err = f.readJSON(json.NewDecoder(f.body))
	case kind == "application/x-www-form-urlencoded":
		err = f.readURLEncoded()
	default:
		return errContentType
	}
	if errors.Is(intake.BrokenForm(err), intake.ErrMalformed) && err != nil {
		return errBody
	}
	return err
}

func (f *form) readMultipart(parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.addPart(part); err != nil {
			return err
		}
	}
}

func (f *form) addPart(part *multipart.Part) error {
	name := part.FormName()
	if err := f.expect(name); err != nil {
		return err
	}
	switch name {
	case fieldFile:
		picture, err := intake.ReadAll(part, f.body.Hint, image.MaxBytes)
		if err != nil {
			return err
		}
		// Without a file name and without content it is an option that was not set.
		if len(picture) == 0 && part.FileName() == "" {
			return nil
		}
		return f.addPicture(picture, intake.FileName(part.FileName()))
	case fieldBase64:
		picture, err := intake.ReadAll(base64.NewDecoder(base64.StdEncoding, part), f.body.Hint, image.MaxBytes)
		if err != nil {
			return notBase64(err)
		}
		if len(picture) == 0 {
			return nil
		}
		return f.addPicture(picture, personal.Text{})
	}
	text, err := intake.ReadAll(part, 0, maxField)
	if err != nil {
		return err
	}
	return f.addText(name, string(text))
}

// expect refuses a parameter that is not known, or was there before, ahead of reading it.
func (f *form) expect(name string) error {
	if !known(name) {
		return errParameter
	}
	if _, twice := f.fields[name]; twice {
		return errRepeated
	}
	f.fields[name] = ""
	return nil
}

func (f *form) addPicture(picture []byte, name personal.Text) error {
	f.picture, f.fileName = picture, name
	return f.source()
}

// source counts one more photo.
func (f *form) source() error {
	f.sources++
	if f.sources > 1 {
		return errSeveralSources
	}
	return nil
}

// addText takes a parameter of a body that is text, once it is expected.
func (f *form) addText(name, text string) error {
	switch {
	case text == "":
		return nil
	case name == fieldBase64:
		f.base64 = text
		return f.source()
	case name == fieldFile:
		return errFileAsText
	case len(text) > maxField:
		return errBody
	}
	f.fields[name] = text
	if name == fieldURL {
		return f.source()
	}
	return nil
}

// readJSON reads token by token, so that a body of many small values cannot take more memory than a photo.
func (f *form) readJSON(tokens *json.Decoder) error {
	tokens.UseNumber()
	if t, err := tokens.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errBody)
	}
	for tokens.More() {
		name, err := tokens.Token()
		if err != nil {
			return err
		}
		if err := f.expect(name.(string)); err != nil { // between the braces of an object every other token is a name
			return err
		}
		value, err := tokens.Token()
		if err != nil {
			return err
		}
		text, ok := textOf(value)
		if !ok {
			return errBody
		}
		if err := f.addText(name.(string), text); err != nil {
			return err
		}
	}
	if _, err := tokens.Token(); err != nil {
		return err
	}
	if _, err := tokens.Token(); !errors.Is(err, io.EOF) {
		return errBody
	}
	return nil
}

func textOf(value json.Token) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

func (f *form) readURLEncoded() error {
	raw, err := intake.ReadAll(f.body, f.body.Hint, maxForm)
	if err != nil {
		return err
	}
	for pair := range strings.SplitSeq(string(raw), "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "" {
			continue
		}
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return errBody
		}
		if err := f.expect(name); err != nil {
			return err
		}
		if err := f.addText(name, value); err != nil {
			return err
		}
	}
	return nil
}

// job is what is to be done with a photo.
type job struct {
	Options
	json bool // the result is wanted as base64 in JSON
}

// job checks the request as a whole and decodes its photo. Accept is the header of that name.
func (f *form) job(accept string) (job, error) {
	switch {
	case f.sources == 0:
		return job{}, errNoSource
	case f.fields[fieldURL] != "":
		return job{}, errNoFetching
	}
	o, err := optionsOf(f.fields)
	if err != nil {
		return job{}, err
	}
	if f.base64 != "" {
		if f.picture, err = base64.StdEncoding.DecodeString(f.base64); err != nil {
			return job{}, errBase64
		}
		f.base64 = ""
	}
	return job{Options: o, json: wantsJSON(accept)}, nil
}

// notBase64 tells text that is not base64 from a body that could not be read.
func notBase64(err error) error {
	_, corrupt := errors.AsType[base64.CorruptInputError](err)
	if corrupt || errors.Is(err, io.ErrUnexpectedEOF) {
		return errBase64
	}
	return err
}

// wantsJSON says whether a client asks for JSON rather than for a picture.
func wantsJSON(accept string) bool {
	listed := false
	for choice := range strings.SplitSeq(accept, ",") {
		kind, _, _ := strings.Cut(choice, ";")
		switch kind = strings.TrimSpace(strings.ToLower(kind)); {
		case kind == "application/json":
			listed = true
		case strings.HasPrefix(kind, "image/"):
			return false
		}
	}
	return listed
}
