package cutout

// Orientation as EXIF has it (tag 0x0112): where the stored picture's first row
// and column belong. 1 is upright; 0 and anything over 8 are taken for 1.
type orientation int

// transposed is mirrored over the main diagonal.
const transposed orientation = 5

func (o orientation) valid() bool { return o >= 2 && o <= 8 }

// swaps tells whether width and height change places.
func (o orientation) swaps() bool { return o >= 5 && o <= 8 }

// source returns which stored pixel belongs at (0, 0), and how its position
// changes with every step to the right and down, in pixels of a w × h picture.
func (o orientation) source(w, h int) (start, right, down int) {
	last := w*h - 1
	switch o {
	case 2: // mirrored left to right
		return w - 1, -1, w
	case 3: // upside down
		return last, -1, -w
	case 4: // mirrored top to bottom
		return last - w + 1, 1, -w
	case transposed:
		return 0, w, 1
	case 6: // to be turned clockwise
		return last - w + 1, -w, 1
	case 7: // mirrored over the other diagonal
		return last, -w, -1
	case 8: // to be turned counter-clockwise
		return w - 1, w, -1
	default:
		return 0, 1, w
	}
}

// turn makes the picture upright.
func (p *Picture) turn(o orientation, workers int) {
	if !o.valid() {
		return
	}
	src := p.pix
	p.pix = bytesPool.get(len(src))
	rearrange(p.pix, src, p.Width, p.Height, o, workers)
	bytesPool.put(src)
	if o.swaps() {
		p.Width, p.Height = p.Height, p.Width
	}
}

// rearrange writes w × h pixels of four bytes as they look upright.
func rearrange(dst, src []uint8, w, h int, o orientation, workers int) {
	start, right, down := o.source(w, h)
	if o.swaps() {
		w, h = h, w
	}
	const block = 32 // both sides of a block stay in the cache
	split(workers, (h+block-1)/block, 1, func(lo, hi int) {
		for by := lo * block; by < min(hi*block, h); by += block {
			for bx := 0; bx < w; bx += block {
				for y := by; y < min(by+block, h); y++ {
					from := start + y*down + bx*right
					row := dst[4*(y*w+bx):][:4*min(block, w-bx)]
					for i := 0; i < len(row); i += 4 {
						*(*[4]uint8)(row[i:]) = [4]uint8(src[4*from:])
						from += right
					}
				}
			}
		}
	})
}
