package jpeg

// The inverse cosine transform is libjpeg's jidctint.c, the accurate integer
// one: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms
// with 11 multiplications", 1989. It has to round exactly like libjpeg, so its
// order of operations and its constants are kept.
const (
	constBits = 13
	passBits  = 2

	fix0298631336 = 2446
	fix0390180644 = 3196
	fix0541196100 = 4433
	fix0765366865 = 6270
	fix0899976223 = 7373
	fix1175875602 = 9633
	fix1501321110 = 12299
	fix1847759065 = 15137
	fix1961570560 = 16069
	fix2053119869 = 16819
	fix2562915447 = 20995
	fix3072711026 = 25172
)

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}

// transform writes the 8 × 8 samples of a block whose last coefficient, in
// zig-zag order, has the given index.
func transform(dst []uint8, stride int, b *[64]int16, q *[64]uint16, last int) {
	if last == 0 {
		flat(dst, stride, int32(b[0])*int32(q[0]))
		return
	}
	var ws [64]int32
	for x := range 8 {
		column(&ws, b, q, x)
	}
	for y := range 8 {
		row((*[8]uint8)(dst[y*stride:]), (*[8]int32)(ws[8*y:]))
	}
}

// flat writes a block that has only its mean.
func flat(dst []uint8, stride int, dc int32) {
	dc <<= passBits
	v := clamp((dc+1<<(passBits+2))>>(passBits+3) + 128)
	eight := [8]uint8{v, v, v, v, v, v, v, v}
	for y := range 8 {
		*(*[8]uint8)(dst[y*stride:]) = eight
	}
}

func column(ws *[64]int32, b *[64]int16, q *[64]uint16, x int) {
	x &= 7
	c1, c2, c3, c4, c5, c6, c7 := b[x+8], b[x+16], b[x+24], b[x+32], b[x+40], b[x+48], b[x+56]
	in0 := int32(b[x]) * int32(q[x])
	if c1|c2|c3|c4|c5|c6|c7 == 0 {
		v := in0 << passBits
		ws[x], ws[x+8], ws[x+16], ws[x+24] = v, v, v, v
		ws[x+32], ws[x+40], ws[x+48], ws[x+56] = v, v, v, v
		return
	}
	e0, e1, e2, e3, o0, o1, o2, o3 := butterfly(in0, int32(c1)*int32(q[x+8]), int32(c2)*int32(q[x+16]), int32(c3)*int32(q[x+24]),
		int32(c4)*int32(q[x+32]), int32(c5)*int32(q[x+40]), int32(c6)*int32(q[x+48]), int32(c7)*int32(q[x+56]))
	const shift = constBits - passBits
	const round = 1 << (shift - 1)
	e0, e1, e2, e3 = e0+round, e1+round, e2+round, e3+round
	ws[x], ws[x+56] = (e0+o0)>>shift, (e0-o0)>>shift
	ws[x+8], ws[x+48] = (e1+o1)>>shift, (e1-o1)>>shift
	ws[x+16], ws[x+40] = (e2+o2)>>shift, (e2-o2)>>shift
	ws[x+24], ws[x+32] = (e3+o3)>>shift, (e3-o3)>>shift
}

func row(dst *[8]uint8, ws *[8]int32) {
	const shift = constBits + passBits + 3
	const round = 1<<(shift-1) + 128<<shift // and the level shift of A.3.1
	e0, e1, e2, e3, o0, o1, o2, o3 := butterfly(ws[0], ws[1], ws[2], ws[3], ws[4], ws[5], ws[6], ws[7])
	e0, e1, e2, e3 = e0+round, e1+round, e2+round, e3+round
	dst[0], dst[7] = clamp((e0+o0)>>shift), clamp((e0-o0)>>shift)
	dst[1], dst[6] = clamp((e1+o1)>>shift), clamp((e1-o1)>>shift)
	dst[2], dst[5] = clamp((e2+o2)>>shift), clamp((e2-o2)>>shift)
	dst[3], dst[4] = clamp((e3+o3)>>shift), clamp((e3-o3)>>shift)
}

// butterfly is the one-dimensional transform, scaled up by 2^constBits: outputs
// i and 7−i are the sum and the difference of the i-th even and odd part.
func butterfly(i0, i1, i2, i3, i4, i5, i6, i7 int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	z1 := (i2 + i6) * fix0541196100
	t2 := z1 - i6*fix1847759065
	t3 := z1 + i2*fix0765366865
	t0 := (i0 + i4) << constBits
	t1 := (i0 - i4) << constBits
	e0, e1, e2, e3 = t0+t3, t1+t2, t1-t2, t0-t3

	z1, z2, z3, z4 := i7+i1, i5+i3, i7+i3, i5+i1
	z5 := (z3 + z4) * fix1175875602
	z1 *= -fix0899976223
	z2 *= -fix2562915447
	z3 = z5 - z3*fix1961570560
	z4 = z5 - z4*fix0390180644
	o0 = i1*fix1501321110 + z1 + z4
	o1 = i3*fix3072711026 + z2 + z3
	o2 = i5*fix2053119869 + z2 + z4
	o3 = i7*fix0298631336 + z1 + z3
	return e0, e1, e2, e3, o0, o1, o2, o3
}
