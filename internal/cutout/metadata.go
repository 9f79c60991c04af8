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
	meta.orientation = readOrientation(data, f)
	switch f {
	case JPEG:
		meta.profile = jpegProfile(data)
	case PNG:
		meta.profile = pngProfile(data)
	case WebP:
		meta.profile = webpChunk(data, "ICCP")
	case GIF:
	}
	return meta
}

func readOrientation(data []byte, f Format) (o orientation) {
	formats := map[Format]imagemeta.ImageFormat{JPEG: imagemeta.JPEG, PNG: imagemeta.PNG, WebP: imagemeta.WebP}
	format, ok := formats[f]
	if !ok {
		return 0
	}
	defer func() { _ = recover() }() // damaged EXIF is no EXIF
	_, err := imagemeta.Decode(imagemeta.Options{
		R:           bytes.NewReader(data),
		ImageFormat: format,
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
	_ = err // as above
	return o
}

// jpegProfile joins the APP2 segments that carry a profile (ICC.1:2010, B.4).
func jpegProfile(data []byte) []byte {
	const header = "ICC_PROFILE\x00"
	var profile []byte
	for pos, next := 2, byte(1); pos+4 <= len(data) && data[pos] == 0xff; {
		marker, n := data[pos+1], int(binary.BigEndian.Uint16(data[pos+2:]))
		if marker == 0xda || n < 2 || pos+2+n > len(data) {
			break // the picture itself begins, or damage
		}
		seg := data[pos+4 : pos+2+n]
		if marker == 0xe2 && len(seg) > len(header)+2 && string(seg[:len(header)]) == header {
			if seg[len(header)] != next {
				return nil
			}
			next++
			profile = append(profile, seg[len(header)+2:]...)
		}
		pos += 2 + n
	}
	if len(profile) > maxProfile {
		return nil
	}
	return profile
}

// pngProfile inflates the iCCP chunk. An sRGB chunk beside it wins.
func pngProfile(data []byte) []byte {
	var profile []byte
	for pos := 8; pos+12 <= len(data); {
		n := int(binary.BigEndian.Uint32(data[pos:]))
		if n < 0 || n > len(data)-pos-12 {
			return profile
		}
		chunk := data[pos+8 : pos+8+n]
		switch string(data[pos+4 : pos+8]) {
		case "sRGB":
			return nil
		case "iCCP":
			profile = inflateProfile(chunk)
		case "IDAT":
			return profile
		}
		pos += 12 + n
	}
	return profile
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
