package cutout

import (
	"image"
	"io"
)

// Preview writes a PNG of at most maxSide pixels a side of a picture as it was decoded:
// upright, and without metadata. It is for looking at, not for downloading: its colours are
// averages.
func (p *Picture) Preview(w io.Writer, maxSide, workers int) error {
	return encodePreview(w, p.Image(), maxSide, workers)
}

func encodePreview(w io.Writer, m *image.NRGBA, maxSide, workers int) error {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	if long := max(width, height); long > maxSide {
		small := reduce(m, max(width*maxSide/long, 1), max(height*maxSide/long, 1), workers)
		defer bytesPool.put(small.Pix)
		m = small
	}
	return EncodePNG(w, m, RGBA, workers)
}

// share is how much of an output pixel an input pixel covers, in 1/256 of its
// own size.
type share struct {
	at     int
	weight uint64
}

// shares lists, for every one of out pixels, the in pixels that it covers.
func shares(in, out int) [][]share {
	list := make([][]share, out)
	for i := range list {
		from, to := 256*i*in/out, 256*(i+1)*in/out
		for at := from / 256; 256*at < to; at++ {
			list[i] = append(list[i], share{at, uint64(min(to, 256*at+256) - max(from, 256*at))})
		}
	}
	return list
}

// reduce averages a picture down, each colour weighed by its alpha, so that
// nothing invisible shines through. The pixels are of bytesPool.
func reduce(m *image.NRGBA, w, h, workers int) *image.NRGBA {
	across, down := shares(m.Rect.Dx(), w), shares(m.Rect.Dy(), h)
	dst := &image.NRGBA{Pix: bytesPool.get(4 * w * h), Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
	split(workers, h, 8, func(lo, hi int) {
		sums := wordsPool.get(4 * w)
		defer wordsPool.put(sums)
		for y := lo; y < hi; y++ {
			clear(sums)
			var total uint64
			for _, s := range down[y] {
				total += s.weight
				addShares(sums, m.Pix[s.at*m.Stride:], across, s.weight)
			}
			writeAverages(dst.Pix[y*dst.Stride:][:dst.Stride], sums, across, total)
		}
	})
	return dst
}

// addShares adds a row, premultiplied and weighed, to the sums of an output row.
func addShares(sums []uint64, row []uint8, across [][]share, weight uint64) {
	for x, list := range across {
		var r, g, b, a uint64
		for _, s := range list {
			px := row[4*s.at : 4*s.at+4 : 4*s.at+4]
			k := uint64(px[3]) * s.weight
			r += uint64(px[0]) * k
			g += uint64(px[1]) * k
			b += uint64(px[2]) * k
			a += k
		}
		d := sums[4*x : 4*x+4 : 4*x+4]
		d[0] += r * weight
		d[1] += g * weight
		d[2] += b * weight
		d[3] += a * weight
	}
}

func writeAverages(dst []uint8, sums []uint64, across [][]share, height uint64) {
	for x, list := range across {
		var width uint64
		for _, s := range list {
			width += s.weight
		}
		area, d, sum := width*height, dst[4*x:4*x+4], sums[4*x:4*x+4]
		a := (sum[3] + area/2) / area
		if a == 0 {
			clear(d)
			continue
		}
		for c := range 3 {
			d[c] = uint8((sum[c] + sum[3]/2) / sum[3])
		}
		d[3] = uint8(a)
	}
}
