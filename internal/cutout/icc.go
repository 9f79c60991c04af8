package cutout

import (
	"encoding/binary"
	"math"
)

// Photos from phones are mostly Display P3, whose numbers mean stronger colours
// than sRGB's: dropping the profile without converting would make them pale.
// Such profiles are a matrix and three curves (ICC.1:2010, 8.3 "three-component
// matrix-based"), which is little arithmetic.

// srgbConversion turns a profile's RGB into sRGB. light[c][v] is what value v of
// channel c adds to linear sRGB; encode turns the sums back into bytes.
type srgbConversion struct {
	light [3][256][3]int32 // linear 1.0 is lightOne
}

const (
	lightOne   = 1<<14 - 1
	lightExtra = 4 // fraction bits kept in the sums
)

// encodeSRGB maps linear light 0…lightOne to an sRGB byte (IEC 61966-2-1).
var encodeSRGB = func() (t [lightOne + 1]uint8) {
	for i := range t {
		v := float64(i) / lightOne
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		t[i] = uint8(v*255 + 0.5)
	}
	return t
}()

// fromPCS takes the profile connection space (XYZ under D50) to linear sRGB: the
// inverse of sRGB's primaries adapted to D50 by Bradford's method.
var fromPCS = [3][3]float64{
	{3.1338561, -1.6168667, -0.4906146},
	{-0.9787684, 1.9161415, 0.0334540},
	{0.0719453, -0.2289914, 1.4052427},
}

// conversionToSRGB returns nil for a profile that is sRGB within a rounding
// error, and for any that is not made of a matrix and curves.
func conversionToSRGB(profile []byte) *srgbConversion {
	if len(profile) < 132 || string(profile[16:20]) != "RGB " || string(profile[20:24]) != "XYZ " {
		return nil
	}
	t := new(srgbConversion)
	for c, name := range []string{"r", "g", "b"} {
		xyz, ok := readXYZ(iccTag(profile, name+"XYZ"))
		curve, ok2 := readCurve(iccTag(profile, name+"TRC"))
		if !ok || !ok2 {
			return nil
		}
		for out := range 3 {
			m := fromPCS[out][0]*xyz[0] + fromPCS[out][1]*xyz[1] + fromPCS[out][2]*xyz[2]
			if math.Abs(m) > 8 {
				return nil // no real primaries: a damaged profile
			}
			for v := range 256 {
				t.light[c][v][out] = int32(math.Round(m * curve(float64(v)/255) * lightOne * (1 << lightExtra)))
			}
		}
	}
	if t.changesNothing() {
		return nil
	}
	return t
}

func (t *srgbConversion) convert(px *[4]uint8) {
	r, g, b := &t.light[0][px[0]], &t.light[1][px[1]], &t.light[2][px[2]]
	for c := range 3 {
		light := (r[c] + g[c] + b[c] + 1<<(lightExtra-1)) >> lightExtra
		px[c] = encodeSRGB[min(max(light, 0), lightOne)]
	}
}

func (t *srgbConversion) apply(pix []uint8, workers int) {
	split(workers, len(pix)/4, 1<<16, func(lo, hi int) {
		for i := 4 * lo; i < 4*hi; i += 4 {
			t.convert((*[4]uint8)(pix[i:]))
		}
	})
}

func (t *srgbConversion) changesNothing() bool {
	for i := range 6 * 6 * 6 {
		in := [4]uint8{uint8(i % 6 * 51), uint8(i / 6 % 6 * 51), uint8(i / 36 * 51)}
		out := in
		t.convert(&out)
		for c := range 3 {
			if d := int(in[c]) - int(out[c]); d < -2 || d > 2 {
				return false
			}
		}
	}
	return true
}

// iccTag returns the body of a tag, nil if it is not there.
func iccTag(p []byte, name string) []byte {
	n := int(binary.BigEndian.Uint32(p[128:]))
	for i := range min(max(n, 0), (len(p)-132)/12) {
		entry := p[132+12*i:]
		if string(entry[:4]) != name {
			continue
		}
		offset, size := uint64(binary.BigEndian.Uint32(entry[4:])), uint64(binary.BigEndian.Uint32(entry[8:]))
		if offset+size > uint64(len(p)) {
			return nil
		}
		return p[offset : offset+size]
	}
	return nil
}

func readXYZ(tag []byte) (xyz [3]float64, ok bool) {
	if len(tag) < 20 || string(tag[:4]) != "XYZ " {
		return xyz, false
	}
	for i := range xyz {
		xyz[i] = fixed(tag[8+4*i:])
	}
	return xyz, true
}

// fixed reads an s15Fixed16Number.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// readCurve reads a tone curve: device value 0…1 to linear light 0…1.
func readCurve(tag []byte) (curve func(float64) float64, ok bool) {
	if len(tag) < 12 {
		return nil, false
	}
	switch string(tag[:4]) {
	case "curv":
		return readTableCurve(tag)
	case "para":
		return readParametricCurve(tag)
	}
	return nil, false
}

func readTableCurve(tag []byte) (curve func(float64) float64, ok bool) {
	n := int(binary.BigEndian.Uint32(tag[8:]))
	if n < 0 || n > (len(tag)-12)/2 {
		return nil, false
	}
	sample := func(i int) float64 { return float64(binary.BigEndian.Uint16(tag[12+2*i:])) }
	switch n {
	case 0:
		return func(v float64) float64 { return v }, true
	case 1:
		gamma := sample(0) / 256
		return func(v float64) float64 { return math.Pow(v, gamma) }, true
	}
	return func(v float64) float64 {
		at := v * float64(n-1)
		i := min(int(at), n-2)
		f := at - float64(i)
		return (sample(i)*(1-f) + sample(i+1)*f) / 65535
	}, true
}

// readParametricCurve reads ICC.1:2010, 10.15: y = (ax+b)^g + e from d on, and
// y = cx + f below it; the five types say which parameters are there.
func readParametricCurve(tag []byte) (curve func(float64) float64, ok bool) {
	kind := binary.BigEndian.Uint16(tag[8:])
	counts := []int{1, 3, 4, 5, 7}
	if int(kind) >= len(counts) || len(tag) < 12+4*counts[kind] {
		return nil, false
	}
	var p [7]float64 // g a b c d e f
	for i := range counts[kind] {
		p[i] = fixed(tag[12+4*i:])
	}
	g, a, b, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	switch kind {
	case 0:
		a, b, d = 1, 0, 0
	case 1, 2:
		if a == 0 {
			return nil, false
		}
		e, f = c, c // type 2 adds c on both sides, type 1 has none
		c, d = 0, -b/a
	}
	return func(v float64) float64 {
		y := c*v + f
		if v >= d {
			y = math.Pow(max(a*v+b, 0), g) + e
		}
		return min(max(y, 0), 1)
	}, true
}
