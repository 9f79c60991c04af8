package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kgo"
)

// search finds planted things in any bytes: as they are, in UTF-16, hex and base64, and in
// whatever can be unpacked: gzip, zlib, zstd, lz4, snappy, pictures, long runs of hex and base64.
type search struct {
	forms map[[4]byte][]form // by their first bytes
	first [1 << 16]bool      // by their first two bytes, and the marks of what can be unpacked
	bytes int64              // searched, unpacked ones included
	inner int                // packed things that were opened
}

// form is one way in which a needle may lie about.
type form struct {
	needle string // its name
	as     string
	bytes  []byte
}

// deepest is how many wrappings within each other are opened.
const deepest = 4

var marks = [][]byte{
	{0x1f, 0x8b, 0x08},                                     // gzip
	{0x78, 0x01}, {0x78, 0x5e}, {0x78, 0x9c}, {0x78, 0xda}, // zlib
	{0x28, 0xb5, 0x2f, 0xfd}, // zstd
	{0x04, 0x22, 0x4d, 0x18}, // lz4
	[]byte("\x82SNAPPY\x00"), // snappy as Kafka's clients frame it
	[]byte("\x89PNG"),
}

func newSearch(needles map[string][]byte) *search {
	s := &search{forms: map[[4]byte][]form{}}
	for _, name := range slices.Sorted(maps.Keys(needles)) {
		needle := needles[name]
		s.add(name, "plain", needle)
		var little, big []byte
		for _, unit := range utf16.Encode([]rune(string(needle))) {
			little, big = binary.LittleEndian.AppendUint16(little, unit), binary.BigEndian.AppendUint16(big, unit)
		}
		s.add(name, "UTF-16LE", little)
		s.add(name, "UTF-16BE", big)
		lower := []byte(hex.EncodeToString(needle))
		s.add(name, "hex", lower)
		s.add(name, "HEX", bytes.ToUpper(lower))
		for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 { // where in a group of three it may begin
				text := coding.EncodeToString(append(make([]byte, before), needle...))
				s.add(name, fmt.Sprint("base64, shifted by ", before), []byte(text[[]int{0, 2, 3}[before]:len(text)-2]))
			}
		}
	}
	for _, mark := range marks {
		s.first[binary.LittleEndian.Uint16(mark)] = true
	}
	return s
}

func (s *search) add(needle, as string, text []byte) {
	if len(text) < 8 {
		panic("too short to be found for certain: " + needle)
	}
	start := [4]byte(text)
	s.forms[start] = append(s.forms[start], form{needle, as, text})
	s.first[binary.LittleEndian.Uint16(text)] = true
}

// in returns what was found, as "needle (form) in where".
func (s *search) in(where string, data []byte) map[string]bool {
	found := map[string]bool{}
	s.look(where, data, 0, found)
	return found
}

func (s *search) look(where string, data []byte, depth int, found map[string]bool) {
	s.bytes += int64(len(data))
	for i := 0; i+4 <= len(data); i++ {
		if !s.first[binary.LittleEndian.Uint16(data[i:])] {
			continue
		}
		for _, f := range s.forms[[4]byte(data[i:])] {
			if bytes.HasPrefix(data[i:], f.bytes) {
				found[fmt.Sprintf("%s (%s) in %s", f.needle, f.as, where)] = true
			}
		}
		if depth < deepest {
			for _, inner := range unpack(data[i:]) {
				s.inner++
				s.look(where+" > unpacked", inner, depth+1, found)
			}
		}
	}
	if depth >= deepest {
		return
	}
	for _, run := range runs(data) {
		s.look(where+" > decoded", run, depth+1, found)
	}
}

// most is how much is unpacked of one thing.
const most = 8 << 20

// unpack returns what packed data holds that begins here, if it does.
func unpack(data []byte) (inner [][]byte) {
	keep := func(r io.Reader, err error) {
		if err != nil {
			return
		}
		if out, _ := io.ReadAll(io.LimitReader(r, most)); len(out) > 0 { // as far as it goes
			inner = append(inner, out)
		}
	}
	has := func(mark []byte) bool { return bytes.HasPrefix(data, mark) }
	codec := kgo.CodecNone
	switch {
	case has(marks[0]):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err == nil {
			r.Multistream(false)
		}
		keep(r, err)
	case has(marks[1]), has(marks[2]), has(marks[3]), has(marks[4]):
		keep(zlib.NewReader(bytes.NewReader(data)))
	case has(marks[5]):
		codec = kgo.CodecZstd
	case has(marks[6]):
		codec = kgo.CodecLz4
	case has(marks[7]):
		codec = kgo.CodecSnappy
	case has(marks[8]):
		if img, err := png.Decode(bytes.NewReader(data)); err == nil {
			rgba := image.NewNRGBA(img.Bounds())
			draw.Draw(rgba, rgba.Bounds(), img, img.Bounds().Min, draw.Src)
			inner = append(inner, rgba.Pix)
		}
	}
	if codec != kgo.CodecNone {
		// Where the frame ends is not known: the decompressor is given the rest.
		if out, err := kgo.DefaultDecompressor().Decompress(data, codec); err == nil {
			inner = append(inner, out)
		}
	}
	return inner
}

// runs decodes long runs of hex and base64.
func runs(data []byte) (decoded [][]byte) {
	const long = 24
	each := func(member func(byte) bool, decode func([]byte) ([]byte, error)) {
		for i := 0; i < len(data); i++ {
			start := i
			for i < len(data) && member(data[i]) {
				i++
			}
			if run := data[start:i]; len(run) >= long {
				if out, err := decode(run); err == nil {
					decoded = append(decoded, out)
				}
			}
		}
	}
	each(isHex, func(run []byte) ([]byte, error) { return hex.AppendDecode(nil, run[:len(run)/2*2]) })
	each(isBase64(base64.StdEncoding), decodeBase64(base64.RawStdEncoding))
	each(isBase64(base64.URLEncoding), decodeBase64(base64.RawURLEncoding))
	return decoded
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func isBase64(coding *base64.Encoding) func(byte) bool {
	other := [2]byte{'+', '/'}
	if coding == base64.URLEncoding {
		other = [2]byte{'-', '_'}
	}
	return func(b byte) bool {
		return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == other[0] || b == other[1]
	}
}

func decodeBase64(coding *base64.Encoding) func([]byte) ([]byte, error) {
	return func(run []byte) ([]byte, error) {
		if len(run)%4 == 1 { // no such length; the last one belongs to something else
			run = run[:len(run)-1]
		}
		return coding.AppendDecode(nil, run)
	}
}

// inFolder searches all files below a folder.
func (s *search) inFolder(t testing.TB, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		where, _ := filepath.Rel(folder, path)
		maps.Copy(found, s.in(where+" (its name)", []byte(path)))
		maps.Copy(found, s.in(where, content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Planted in every way that the search knows, each thing is found: what it does not find
// elsewhere is not there.
func TestTheSearchFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	gz := func(plain []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(plain)
		_ = w.Close()
		return b.Bytes()
	}
	kafka := func(codec kgo.CompressionCodec) func([]byte) []byte {
		return func(plain []byte) []byte {
			compressor, err := kgo.DefaultCompressor(codec)
			if err != nil {
				t.Fatal(err)
			}
			out, _ := compressor.Compress(new(bytes.Buffer), plain)
			return out
		}
	}
	wraps := map[string]func([]byte) []byte{
		"as it is":   bytes.Clone,
		"hex":        func(b []byte) []byte { return []byte(hex.EncodeToString(b)) },
		"Base64":     func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(append([]byte("x"), b...))) },
		"base64 URL": func(b []byte) []byte { return []byte(base64.URLEncoding.EncodeToString(append([]byte("xy"), b...))) },
		"UTF-16": func(b []byte) (wide []byte) {
			for _, unit := range utf16.Encode([]rune(string(b))) {
				wide = binary.LittleEndian.AppendUint16(wide, unit)
			}
			return wide
		},
		"gzip": gz,
		"zlib": func(b []byte) []byte {
			var out bytes.Buffer
			w := zlib.NewWriter(&out)
			_, _ = w.Write(b)
			_ = w.Close()
			return out.Bytes()
		},
		"zstd":                        kafka(kgo.ZstdCompression()),
		"lz4":                         kafka(kgo.Lz4Compression()),
		"base64 of gzip":              func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(gz(b))) },
		"gzip of gzip of hex":         func(b []byte) []byte { return gz(gz([]byte(hex.EncodeToString(b)))) },
		"hex as Postgres prints rows": func(b []byte) []byte { return []byte(`(1,"\\x` + hex.EncodeToString(gz(b)) + `")`) },
	}
	for name, wrap := range wraps {
		for needle, planted := range c.needles {
			s := newSearch(map[string][]byte{needle: planted})
			around := append([]byte("some text before "), wrap(append(append([]byte("and "), planted...), " more"...))...)
			if name != "zstd" && name != "lz4" { // whose end must be the end
				around = append(around, " some text behind"...)
			}
			if len(s.in("here", around)) == 0 {
				t.Errorf("%s: %s was not found", name, needle)
			}
		}
	}
	s := newSearch(c.needles)
	if found := s.in("the photo", c.png); len(found) < 3 { // text, pixels, bytes
		t.Errorf("in the photo itself: %v", found)
	}
	if len(s.in("nothing", bytes.Repeat([]byte("nothing to be found here. "), 1000))) != 0 {
		t.Error("found where nothing is")
	}
}
