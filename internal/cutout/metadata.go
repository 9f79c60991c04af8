package cutout

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"

	"github.com/bep/imagemeta"
)

// metadata is all that is read besides the pixels. Nothing else of a file's
// metadata is even looked at, and none of it is written out again.
type metadata struct {
	orientation orientation
	profile     []byte // ICC, nil without one
}

// maxProfile bounds an embedded profile. Matrix profiles have about 500 bytes;
// those with tables, which are not honoured, reach 1 MB.
const maxProfile = 1 << 20

// readMetadata never fails: what cannot be understood counts as absent.
func readMetadata(data []byte, f Format) (meta metadata) {
	var exif []byte
	switch f {
	case JPEG:
		eachSegment(data, func(marker byte, body []byte) {
			if after, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); ok && marker == 0xe1 && exif == nil {
				exif = after
			}
		})
		meta.profile = jpegProfile(data)
	case PNG:
		exif = pngChunk(data, "eXIf")
		if pngChunk(data, "sRGB") == nil {
			meta.profile = inflateProfile(pngChunk(data, "iCCP"))
		}
	case WebP:
		exif = bytes.TrimPrefix(webpChunk(data, "EXIF"), []byte("Exif\x00\x00"))
		meta.profile = webpChunk(data, "ICCP")
	case GIF: // has neither
	}
	meta.orientation = readOrientation(exif)
	if len(meta.profile) > maxProfile {
		meta.profile = nil
	}
	return meta
}

// readOrientation looks for the one tag that matters in a block of EXIF, which
// is laid out like a TIFF file.
func readOrientation(exif []byte) (o orientation) {
	if len(exif) == 0 {
		return 0
	}
	defer func() { _ = recover() }() // damaged EXIF is no EXIF, and so is that
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:           bytes.NewReader(exif),
		ImageFormat: imagemeta.TIFF,
		Sources:     imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool {
			return tag.Tag == "Orientation" && tag.Namespace == "IFD0"
		},
		HandleTag: func(tag imagemeta.TagInfo) error {
			if v, ok := tag.Value.(uint16); ok {
				o = orientation(v)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return o
}

// eachSegment calls f with the segments before the picture itself.
func eachSegment(data []byte, f func(marker byte, body []byte)) {
	for pos := 2; pos+4 <= len(data) && data[pos] == 0xff; {
		marker, n := data[pos+1], int(binary.BigEndian.Uint16(data[pos+2:]))
		if marker == 0xda || n < 2 || pos+2+n > len(data) {
			return
		}
		f(marker, data[pos+4:pos+2+n])
		pos += 2 + n
	}
}

// jpegProfile joins the APP2 segments that carry a profile (ICC.1:2010, B.4).
func jpegProfile(data []byte) (profile []byte) {
	const header = "ICC_PROFILE\x00"
	next := byte(1)
	eachSegment(data, func(marker byte, body []byte) {
		if marker != 0xe2 || len(body) < len(header)+2 || string(body[:len(header)]) != header {
			return
		}
		if body[len(header)] == next {
			profile = append(profile, body[len(header)+2:]...)
			next++
		}
	})
	return profile
}

// pngChunk returns the body of the first chunk with that name that stands
// before the pixels.
func pngChunk(data []byte, name string) []byte {
	for pos := 8; pos+12 <= len(data); {
		n := int(binary.BigEndian.Uint32(data[pos:]))
		kind := string(data[pos+4 : pos+8])
		if n < 0 || n > len(data)-pos-12 || kind == "IDAT" {
			return nil
		}
		if kind == name {
			return data[pos+8 : pos+8+n]
		}
		pos += 12 + n
	}
	return nil
}

func inflateProfile(chunk []byte) []byte {
	name := bytes.IndexByte(chunk, 0)
	if name < 0 || name+2 > len(chunk) {
		return nil
	}
	z, err := zlib.NewReader(bytes.NewReader(chunk[name+2:]))
	if err != nil {
		return nil
	}
	profile, err := io.ReadAll(io.LimitReader(z, maxProfile+1))
	if err != nil || len(profile) > maxProfile {
		return nil
	}
	return profile
}

// webpChunk returns the body of the first chunk with that name.
func webpChunk(data []byte, name string) []byte {
	for pos := 12; pos+8 <= len(data); {
		n := int(binary.LittleEndian.Uint32(data[pos+4:]))
		if n < 0 || n > len(data)-pos-8 {
			return nil
		}
		if string(data[pos:pos+4]) == name {
			return data[pos+8 : pos+8+n]
		}
		pos += 8 + n + n&1
	}
	return nil
}

// animatedWebP tells whether the file holds frames instead of a picture.
func animatedWebP(data []byte) bool { return webpChunk(data, "ANIM") != nil }
