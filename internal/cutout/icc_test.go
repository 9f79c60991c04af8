package cutout

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"testing"
)

// matrixProfile is a display profile of three primaries (X, Y, Z under D50) and
// one tone curve for all.
func matrixProfile(primaries [3][3]float64, curve []byte) []byte {
	head := make([]byte, 128)
	copy(head[12:], "mntrRGB XYZ ")
	copy(head[36:], "acsp")
	var table, body []byte
	add := func(name string, tag []byte) {
		table = append(table, name...)
		table = binary.BigEndian.AppendUint32(table, uint32(128+4+6*12+len(body)))
		table = binary.BigEndian.AppendUint32(table, uint32(len(tag)))
		body = append(body, tag...)
	}
	for i, c := range []string{"r", "g", "b"} {
		xyz := []byte("XYZ \x00\x00\x00\x00")
		for _, v := range primaries[i] {
			xyz = binary.BigEndian.AppendUint32(xyz, uint32(int32(v*65536+0.5)))
		}
		add(c+"XYZ", xyz)
		add(c+"TRC", curve)
	}
	out := binary.BigEndian.AppendUint32(head, 6)
	return append(append(out, table...), body...)
}

func parametric(kind uint16, parameters ...float64) []byte {
	tag := binary.BigEndian.AppendUint16([]byte("para\x00\x00\x00\x00"), kind)
	tag = append(tag, 0, 0)
	for _, v := range parameters {
		tag = binary.BigEndian.AppendUint32(tag, uint32(int32(v*65536+0.5)))
	}
	return tag
}

func gammaCurve(gamma float64) []byte {
	return binary.BigEndian.AppendUint16([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x01"), uint16(gamma*256+0.5))
}

var (
	srgbPrimaries  = [3][3]float64{{0.4360, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}}
	p3Primaries    = [3][3]float64{{0.5151, 0.2412, -0.0011}, {0.2919, 0.6922, 0.0419}, {0.1572, 0.0666, 0.7841}}
	adobePrimaries = [3][3]float64{{0.6097, 0.3111, 0.0195}, {0.2053, 0.6257, 0.0609}, {0.1492, 0.0632, 0.7446}}
)

func srgbCurve() []byte {
	return parametric(3, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)
}

func displayP3() []byte { return matrixProfile(p3Primaries, srgbCurve()) }

// withProfile puts a profile into a JPEG.
func withProfile(t testing.TB, data, profile []byte) []byte {
	t.Helper()
	segment := append([]byte("ICC_PROFILE\x00\x01\x01"), profile...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe2}, uint16(len(segment)+2))
	return append(append(head, segment...), data[2:]...)
}

// The expected values are LittleCMS's, relative colorimetric, for the same profiles.
func TestProfilesAreConvertedToSRGB(t *testing.T) {
	tests := map[string]struct {
		profile []byte
		given   color.NRGBA
		then    color.NRGBA
	}{
		"sRGB changes nothing":    {matrixProfile(srgbPrimaries, srgbCurve()), color.NRGBA{200, 100, 50, 255}, color.NRGBA{200, 100, 50, 255}},
		"Display P3":              {displayP3(), color.NRGBA{200, 100, 50, 255}, color.NRGBA{215, 93, 31, 255}},
		"Display P3, grey":        {displayP3(), color.NRGBA{128, 128, 128, 255}, color.NRGBA{128, 128, 128, 255}},
		"Display P3, beyond sRGB": {displayP3(), color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 255, 0, 255}},
		"Adobe RGB":               {matrixProfile(adobePrimaries, gammaCurve(2.19921875)), color.NRGBA{200, 100, 50, 255}, color.NRGBA{227, 100, 42, 255}},
		"alpha stays":             {displayP3(), color.NRGBA{200, 100, 50, 99}, color.NRGBA{215, 93, 31, 99}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := image.NewNRGBA(image.Rect(0, 0, 1, 1))
			m.SetNRGBA(0, 0, tt.given)
			if c := conversionToSRGB(tt.profile); c != nil {
				c.apply(m.Pix, 1)
			}
			want := image.NewNRGBA(m.Rect)
			want.SetNRGBA(0, 0, tt.then)
			if d := difference(t, m, want); d > 1 {
				t.Errorf("got %v, want %v", m.NRGBAAt(0, 0), tt.then)
			}
		})
	}
}

func TestCurves(t *testing.T) {
	table := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), 3)
	for _, v := range []uint16{0, 16384, 65535} {
		table = binary.BigEndian.AppendUint16(table, v)
	}
	tests := map[string]struct {
		tag      []byte
		at, then float64
	}{
		"identity":        {[]byte("curv\x00\x00\x00\x00\x00\x00\x00\x00"), 0.3, 0.3},
		"gamma":           {gammaCurve(2), 0.5, 0.25},
		"table":           {table, 0.25, 0.125},
		"table's end":     {table, 1, 1},
		"parametric 0":    {parametric(0, 2), 0.5, 0.25},
		"parametric 1":    {parametric(1, 2, 2, -1), 0.75, 0.25},
		"parametric 1, 0": {parametric(1, 2, 2, -1), 0.25, 0},
		"parametric 2":    {parametric(2, 2, 1, 0, 0.5), 0.5, 0.75},
		"parametric 3":    {parametric(3, 2, 1, 0, 0.5, 0.25), 0.125, 0.0625},
		"parametric 4":    {parametric(4, 2, 1, 0, 0.5, 0.25, 0.25, 0.125), 0.125, 0.1875},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			curve, ok := readCurve(tt.tag)
			if !ok {
				t.Fatal("not read")
			}
			if got := curve(tt.at); got-tt.then > 1e-3 || tt.then-got > 1e-3 {
				t.Errorf("curve(%v) = %v, want %v", tt.at, got, tt.then)
			}
		})
	}
}

func TestProfilesAreFoundInEveryFormat(t *testing.T) {
	profile := displayP3()
	m := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], []uint8{200, 100, 50, 255})
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(profile)
	_ = w.Close()
	chunk := append([]byte("iCCPDisplay P3\x00\x00"), z.Bytes()...)
	plain := encodePNG(t, m)
	withChunk := binary.BigEndian.AppendUint32(append([]byte(nil), plain[:33]...), uint32(len(chunk)-4))
	withChunk = binary.BigEndian.AppendUint32(append(withChunk, chunk...), crc32.ChecksumIEEE(chunk))
	withChunk = append(withChunk, plain[33:]...)

	webp := readFile(t, "testdata/decode/lossless.webp")
	vp8l := webp[12:]
	extended := append([]byte("VP8X\x0a\x00\x00\x00\x20\x00\x00\x00"), 44, 0, 0, 36, 0, 0)
	extended = binary.LittleEndian.AppendUint32(append(extended, "ICCP"...), uint32(len(profile)))
	extended = append(extended, profile...)
	if len(profile)%2 == 1 {
		extended = append(extended, 0)
	}
	extended = append(extended, vp8l...)
	riff := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(extended)))
	riff = append(append(riff, "WEBP"...), extended...)

	want := color.NRGBA{215, 93, 31, 255}
	for name, data := range map[string][]byte{"JPEG": withProfile(t, encodeJPEG(t, m), profile), "PNG": withChunk} {
		p, err := Decode(data, Limits{}, 1)
		if err != nil {
			t.Fatal(name, err)
		}
		got := p.Image().NRGBAAt(4, 4)
		for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
			if d < -2 || d > 2 {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
		p.Release()
	}
	converted, err := Decode(riff, Limits{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer converted.Release()
	untouched, err := Decode(webp, Limits{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer untouched.Release()
	if d := difference(t, converted.Image(), untouched.Image()); d < 3 {
		t.Errorf("WebP: the profile changed nothing (by %d)", d)
	}
}

// A damaged profile is no profile.
func TestDamagedProfilesAreIgnored(t *testing.T) {
	profile := displayP3()
	for n := range profile {
		cut := append([]byte(nil), profile[:n]...)
		_ = conversionToSRGB(cut)
		if n < 300 && conversionToSRGB(cut) != nil {
			t.Fatalf("the first %d bytes are taken for a profile", n)
		}
		bad := append([]byte(nil), profile...)
		bad[n] ^= 0xff
		if c := conversionToSRGB(bad); c != nil {
			c.apply(make([]uint8, 4), 1)
		}
	}
}
