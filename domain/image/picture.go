package image

import "github.com/bgremover/bgremover/domain/refusal"

// What we accept. A picture over either limit is refused before it is decoded.
const (
	MaxBytes  = 25 << 20
	MaxPixels = 50_000_000
)

// Reasons a picture cannot be used. Those found only while the cutout is made are recorded by code.
var (
	ErrEmpty = refusal.New(refusal.Invalid, "image.empty",
		"The file is empty.", "Choose a photo and send it again.")
	ErrTooLarge = refusal.New(refusal.TooLarge, "image.too_large",
		"Photos can be at most 25 MiB.", "Save it smaller or with more compression.")
	ErrTooManyPixels = refusal.New(refusal.TooLarge, "image.too_many_pixels",
		"Photos can have at most 50 megapixels.", "Scale it down and send it again.")
	ErrNotAnImage = refusal.New(refusal.Unsupported, "image.not_an_image",
		"This is not a photo, whatever its name says.", "Send a JPEG, PNG, WebP or GIF.")
	ErrUnsupportedFormat = refusal.New(refusal.Unsupported, "image.unsupported_format",
		"Photos of this format cannot be read here.", "Save it as JPEG, PNG, WebP or GIF.")
	ErrTruncated = refusal.New(refusal.Unusable, "image.truncated",
		"The photo ends before it is complete, or is damaged.", "Copy it again from where it came from.")
	ErrCrowded = refusal.New(refusal.Unavailable, "image.crowded",
		"More photos are waiting for their cutout than can be cut out soon.", "Try again in a minute.")
	ErrProcessing = refusal.New(refusal.Unusable, "image.processing_failed",
		"No cutout could be made of this photo, twice.", "Save it anew with another program, or send another.")
)

// Unusable returns the refusal that a recorded failure code stands for.
func Unusable(code string) *refusal.Error {
	for _, r := range []*refusal.Error{ErrEmpty, ErrTooLarge, ErrTooManyPixels, ErrNotAnImage, ErrUnsupportedFormat, ErrTruncated} {
		if r.Code == code {
			return r
		}
	}
	return ErrProcessing
}

// SizeClass is the size of a file, coarse enough to tell nothing about the picture.
type SizeClass string

// The classes of file size.
const (
	UpTo1MiB  SizeClass = "up to 1 MiB"
	UpTo5MiB  SizeClass = "up to 5 MiB"
	UpTo25MiB SizeClass = "up to 25 MiB"
)

// ClassOfSize returns the class of a file of n bytes.
func ClassOfSize(n int64) SizeClass {
	switch {
	case n <= 1<<20:
		return UpTo1MiB
	case n <= 5<<20:
		return UpTo5MiB
	default:
		return UpTo25MiB
	}
}

// DimensionsClass is the number of pixels, as coarse.
type DimensionsClass string

// The classes of dimensions.
const (
	UpTo1MP  DimensionsClass = "up to 1 MP"
	UpTo4MP  DimensionsClass = "up to 4 MP"
	UpTo12MP DimensionsClass = "up to 12 MP"
	UpTo50MP DimensionsClass = "up to 50 MP"
)

// ClassOfDimensions returns the class of a picture of w × h pixels.
func ClassOfDimensions(w, h int) DimensionsClass {
	switch n := w * h; {
	case n <= 1_000_000:
		return UpTo1MP
	case n <= 4_000_000:
		return UpTo4MP
	case n <= 12_000_000:
		return UpTo12MP
	default:
		return UpTo50MP
	}
}
