package cutout

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"strings"

	photo "github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"golang.org/x/image/webp"
)

// Limits bound what a picture may cost. They are checked on the file's header,
// before anything is decoded. Zero values mean the limits of domain/image.
type Limits struct {
	MaxBytes  int64
	MaxPixels int64
}

// maxSide bounds what a single row costs. JPEG and GIF cannot have more.
const maxSide = 1<<16 - 1

// ResultLimits are for results, which we made ourselves: the PNG of a large
// photo's cutout can have more bytes than any photo may.
var ResultLimits = Limits{MaxBytes: math.MaxInt64, MaxPixels: math.MaxInt64}

func (l Limits) orDefault() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = photo.MaxBytes
	}
	if l.MaxPixels <= 0 {
		l.MaxPixels = photo.MaxPixels
	}
	return l
}

// Format names a file format that Decode reads.
type Format string

// The formats that Decode reads.
const (
	JPEG Format = "JPEG"
	PNG  Format = "PNG"
	WebP Format = "WebP"
	GIF  Format = "GIF"
)

// Info is what a picture's header says. Width and Height are those of the
// stored pixels, before EXIF orientation.
type Info struct {
	Format        Format
	Width, Height int
}

// Inspect reads the header of a picture and refuses what Decode would refuse
// without decoding: nothing, something else, too much. It takes microseconds and
// a few KB, whatever size the header claims.
//
// Errors are refusals of domain/image (image.empty, image.too_large,
// image.not_an_image, image.unsupported_format, image.truncated,
// image.too_many_pixels), some with a more precise text under the same code.
func Inspect(data []byte, limits Limits) (info Info, err error) {
	limits = limits.orDefault()
	switch {
	case len(data) == 0:
		return Info{}, photo.ErrEmpty
	case int64(len(data)) > limits.MaxBytes:
		return Info{}, reworded(photo.ErrTooLarge, "The file is larger than %.0f MiB.", float64(limits.MaxBytes)/(1<<20))
	}
	format, err := recognise(data)
	if err != nil {
		return Info{}, err
	}
	defer recoverDecoder(&err)
	cfg, err := configDecoders[format](bytes.NewReader(data))
	if err != nil {
		return Info{}, refuse(err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return Info{}, photo.ErrTruncated
	}
	if max(cfg.Width, cfg.Height) > maxSide {
		return Info{}, reworded(photo.ErrTooManyPixels, "The photo has %d × %d pixels; at most %d are accepted on a side.",
			cfg.Width, cfg.Height, maxSide)
	}
	if pixels := int64(cfg.Width) * int64(cfg.Height); pixels > limits.MaxPixels {
		return Info{}, reworded(photo.ErrTooManyPixels, "The photo has %d × %d pixels; at most %.3g megapixels are accepted.",
			cfg.Width, cfg.Height, float64(limits.MaxPixels)/1e6)
	}
	return Info{Format: format, Width: cfg.Width, Height: cfg.Height}, nil
}

var configDecoders = map[Format]func(io.Reader) (image.Config, error){
	JPEG: jpeg.DecodeConfig, PNG: png.DecodeConfig, WebP: webp.DecodeConfig, GIF: gif.DecodeConfig,
}

// magic is how a format's files begin; a dot stands for any byte.
type magic struct {
	begins string
	format Format // empty: known, but not read here
	name   string
}

var magics = []magic{
	{"\xff\xd8\xff", JPEG, ""},
	{"\x89PNG\r\n\x1a\n", PNG, ""},
	{"RIFF....WEBP", WebP, ""},
	{"GIF87a", GIF, ""},
	{"GIF89a", GIF, ""},
	{"....ftypavif", "", "AVIF"},
	{"....ftypavis", "", "AVIF"},
	{"....ftyphe", "", "HEIC"},
	{"....ftypmif1", "", "HEIC"},
	{"....ftypmsf1", "", "HEIC"},
	{"....ftypcrx", "", "camera raw (CR3)"},
	{"....ftyp", "", "video"},
	{"\x00\x00\x00\x0cJXL \r\n\x87\n", "", "JPEG XL"},
	{"\xff\x0a", "", "JPEG XL"},
	{"\x00\x00\x00\x0cjP  \r\n\x87\n", "", "JPEG 2000"},
	{"\xff\x4f\xff\x51", "", "JPEG 2000"},
	{"II*\x00", "", "TIFF or camera raw"},
	{"MM\x00*", "", "TIFF or camera raw"},
	{"BM", "", "BMP"},
	{"8BPS", "", "Photoshop (PSD)"},
	{"%PDF-", "", "PDF"},
	{"\x00\x00\x01\x00", "", "icon (ICO)"},
	{"qoif", "", "QOI"},
	{"<svg", "", "SVG"},
}

func recognise(data []byte) (Format, error) {
	for _, m := range magics {
		if !m.matches(data) {
			continue
		}
		if m.format == "" {
			return "", reworded(photo.ErrUnsupportedFormat, "This is a file of the format %s, which cannot be read here.", m.name)
		}
		return m.format, nil
	}
	return "", photo.ErrNotAnImage
}

func (m magic) matches(data []byte) bool {
	if len(data) < len(m.begins) {
		return false
	}
	for i := range len(m.begins) {
		if c := m.begins[i]; c != '.' && c != data[i] {
			return false
		}
	}
	return true
}

// refuse turns a decoder's error into what a person can act on.
func refuse(err error) error {
	if _, ok := refusal.As(err); ok {
		return err
	}
	if what, ok := strings.CutPrefix(err.Error(), "unsupported JPEG feature: "); ok {
		return reworded(photo.ErrUnsupportedFormat, "This JPEG uses a feature that cannot be read here (%s).", what)
	}
	return photo.ErrTruncated
}

// recoverDecoder turns the panic of a decoder into a refusal: what made it
// panic came from outside.
func recoverDecoder(err *error) {
	if p := recover(); p != nil {
		*err = photo.ErrTruncated
	}
}

// reworded is a refusal under the same code with a more precise text. Nothing
// of the picture but its format and dimensions may stand in it.
func reworded(r *refusal.Error, format string, args ...any) *refusal.Error {
	return refusal.New(r.Kind, r.Code, fmt.Sprintf(format, args...), r.Help)
}
