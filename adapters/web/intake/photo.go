package intake

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Refusals of a form that was to hold one photo.
var (
	ErrNotMultipart = refusal.New(refusal.Unsupported, "request.not_multipart",
		"The photo has to come as a form (multipart/form-data).", `Send it as the form field "image".`)
	ErrMalformed = refusal.New(refusal.Invalid, "request.malformed",
		"The form ends early or is damaged.", "Send it again.")
	ErrWrongField = refusal.New(refusal.Invalid, "request.wrong_field",
		"The form has a field that is not known here.", `Send the photo in the field "image", and nothing else.`)
	ErrNoPhoto = refusal.New(refusal.Invalid, "request.no_photo",
		"The form holds no photo.", `Send it in the field "image".`)
	ErrSeveralPhotos = refusal.New(refusal.Invalid, "request.several_photos",
		"The form holds more than one photo.", "Send one photo at a time.")
)

const (
	photoField = "image"
	// formOverhead is what a form may have beside the photo: boundaries and headers.
	formOverhead = 64 << 10
	maxFileName  = 255
)

// Photo is a photo on its way in.
type Photo struct {
	FileName personal.Text
	Bytes    []byte

	body *Body
}

// Release gives the photo's memory back. Its bytes must not be referred to any more.
func (p *Photo) Release() {
	p.Bytes = nil
	p.body.Release()
}

// Photo reads a form whose only field is one photo. The caller must release what it returns.
func (in *Intake) Photo(w http.ResponseWriter, r *http.Request) (*Photo, error) {
	body, err := in.Open(w, r, image.MaxBytes+formOverhead, 1)
	if err != nil {
		return nil, err
	}
	photo := &Photo{body: body}
	boundary, ok := Boundary(r)
	if ok {
		err = photo.read(multipart.NewReader(body, boundary))
	} else {
		err = ErrNotMultipart
	}
	if err != nil {
		defer photo.Release()
		return nil, body.Refuse(err)
	}
	body.Arrived()
	return photo, nil
}

// read reads the form to its end, because a second photo may stand there.
func (p *Photo) read(form *multipart.Reader) error {
	found := false
	for {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && found:
			return nil
		case errors.Is(err, io.EOF):
			return ErrNoPhoto
		case err != nil:
			return BrokenForm(err)
		case part.FormName() != photoField:
			return ErrWrongField
		case found:
			return ErrSeveralPhotos
		}
		found = true
		p.FileName = FileName(part.FileName())
		if p.Bytes, err = ReadAll(part, p.body.Hint, image.MaxBytes); err != nil {
			return BrokenForm(err)
		}
	}
}

// Boundary returns the boundary of a multipart form. It reports false for every other type of body.
func Boundary(r *http.Request) (boundary string, ok bool) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", false
	}
	return params["boundary"], params["boundary"] != ""
}

// BrokenForm returns what is wrong with a form that could not be read: the limit it hit, or
// [ErrMalformed].
func BrokenForm(err error) error {
	_, refused := refusal.As(err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	if refused || tooLarge || errors.Is(err, answer.ErrClientGone) {
		return err
	}
	return ErrMalformed
}

// ReadAll reads src to its end, at most maximum bytes; more is [http.MaxBytesError]. The hint is how
// many bytes to expect.
func ReadAll(src io.Reader, hint, maximum int64) ([]byte, error) {
	var all bytes.Buffer
	all.Grow(int(min(hint, maximum)) + bytes.MinRead)
	n, err := all.ReadFrom(io.LimitReader(src, maximum+1))
	if err != nil {
		return nil, err
	}
	if n > maximum {
		return nil, &http.MaxBytesError{Limit: maximum}
	}
	return all.Bytes(), nil
}

// FileName shortens what a client calls its file, and drops what is no text.
func FileName(name string) personal.Text {
	name = strings.ToValidUTF8(name, "")
	for len(name) > maxFileName {
		_, last := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-last]
	}
	return personal.Of(name)
}
