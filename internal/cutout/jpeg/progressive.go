package jpeg

import (
	"sync"
	"sync/atomic"
)

// Progressive pictures come in several scans, each with some coefficients or
// some bits of them (annex G). All are collected before any sample is made.

// progressive decodes one scan into the components' coefficients.
func (sc *scanner) progressive() error {
	decode := sc.acFirst
	switch {
	case sc.s.ss == 0 && sc.s.ah == 0:
		decode = sc.dcFirst
	case sc.s.ss == 0:
		decode = sc.dcRefine
	case sc.s.ah > 0:
		decode = sc.acRefine
	}
	for _, c := range sc.s.comps {
		c.pred = 0
	}
	wide, high := sc.grid()
	for y := range high {
		for x := range wide {
			if err := sc.beginUnit(); err != nil {
				return err
			}
			err := sc.eachBlock(x, y, func(c *component, bx, by int) error {
				if !decode(c, (*[64]int16)(c.coefs[64*(by*c.wide+bx):])) {
					return ErrDamaged
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if sc.bits.exhausted() {
			return ErrDamaged
		}
	}
	return nil
}

// finish turns the coefficients of a progressive picture into samples.
func (d *decoder) finish() error {
	if d.comps == nil {
		return ErrDamaged
	}
	for _, c := range d.comps {
		if !c.scanned {
			return ErrDamaged
		}
	}
	if !d.progressive {
		return nil
	}
	for _, c := range d.comps {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range max(d.options.Workers, 1) {
			wg.Go(func() {
				for {
					by := int(next.Add(1)) - 1
					if by >= c.high {
						return
					}
					for bx := range c.wide {
						b := (*[64]int16)(c.coefs[64*(by*c.wide+bx):])
						transform(c.plane[by*8*c.stride+bx*8:], c.stride, b, c.quant, 63)
					}
				}
			})
		}
		wg.Wait()
	}
	return nil
}

// dcFirst is G.1.2.1.
func (sc *scanner) dcFirst(c *component, b *[64]int16) bool {
	sc.bits.fill()
	size, ok := sc.bits.symbol(c.dc)
	if !ok || size > 11 {
		return false
	}
	c.pred += extend(sc.bits.take(uint(size)), uint(size))
	b[0] = int16(c.pred << sc.s.al)
	return true
}

func (sc *scanner) dcRefine(_ *component, b *[64]int16) bool {
	sc.bits.fill()
	b[0] |= int16(sc.bits.take(1) << sc.s.al)
	return true
}

// acSymbol decodes a symbol of the AC table.
func (sc *scanner) acSymbol(c *component) (run int, size uint, ok bool) {
	r := &sc.bits
	r.fill()
	symbol, ok := r.symbol(c.ac)
	return int(symbol >> 4), uint(symbol & 15), ok
}

// endOfBands reads how many blocks after this one have nothing more.
func (sc *scanner) endOfBands(run int) {
	sc.eobRun = 1<<run - 1
	if run > 0 {
		sc.bits.fill()
		sc.eobRun += int(sc.bits.take(uint(run)))
	}
}

// acFirst is G.1.2.2.
func (sc *scanner) acFirst(c *component, b *[64]int16) bool {
	if sc.eobRun > 0 {
		sc.eobRun--
		return true
	}
	for k := sc.s.ss; k <= sc.s.se; k++ {
		run, size, ok := sc.acSymbol(c)
		if !ok {
			return false
		}
		if size == 0 {
			if run < 15 {
				sc.endOfBands(run)
				return true
			}
			k += 15
			continue
		}
		if k += run; k > sc.s.se {
			return false
		}
		b[natural[k]] = int16(extend(sc.bits.take(size), size) << sc.s.al)
	}
	return true
}

// acRefine is G.1.2.3: one more bit for what is not zero yet, and new
// coefficients of ±1 between.
func (sc *scanner) acRefine(c *component, b *[64]int16) bool {
	delta := int16(1) << sc.s.al
	k := sc.s.ss
	if sc.eobRun == 0 {
		for k <= sc.s.se {
			run, size, ok := sc.acSymbol(c)
			if !ok || size > 1 {
				return false
			}
			value := int16(0)
			switch {
			case size == 1:
				value = -delta
				if sc.bits.take(1) == 1 {
					value = delta
				}
			case run < 15:
				sc.endOfBands(run)
				sc.eobRun++ // this block is one of them
			}
			if size == 0 && run < 15 {
				break
			}
			k = sc.refine(b, k, run, delta)
			if k > sc.s.se {
				return value == 0
			}
			if value != 0 {
				b[natural[k]] = value
			}
			k++
		}
	}
	if sc.eobRun > 0 {
		sc.eobRun--
		sc.refine(b, k, -1, delta)
	}
	return true
}

// refine passes over zeros, as many as zeros says, and gives every coefficient
// on the way that is not zero its next bit. It returns the place after them: of
// a zero, or past the band. With -1 it goes to the end of the band.
func (sc *scanner) refine(b *[64]int16, k, zeros int, delta int16) int {
	for ; k <= sc.s.se; k++ {
		at := natural[k]
		if b[at] == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		sc.bits.fill()
		if sc.bits.take(1) == 0 {
			continue
		}
		if b[at] >= 0 {
			b[at] += delta
		} else {
			b[at] -= delta
		}
	}
	return k
}
