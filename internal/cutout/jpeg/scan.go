package jpeg

import (
	"sync"
	"sync/atomic"
)

// maxScans bounds the work that a small file can ask for: a progressive scan of
// a few bytes passes over the whole picture. Real files have about ten.
const maxScans = 100

// scanHeader is B.2.3: which components, which coefficients, which bits of them.
type scanHeader struct {
	comps  []*component
	ss, se int  // spectral selection
	ah, al uint // successive approximation
}

func (d *decoder) scan(body []uint8) error {
	s, err := d.scanHeader(body)
	if err != nil {
		return err
	}
	if d.scans++; d.scans > maxScans {
		return ErrDamaged
	}
	sc := &scanner{d: d, s: s, bits: bitReader{data: d.data, pos: d.pos}}
	if d.progressive {
		err = sc.progressive()
	} else {
		err = sc.sequential()
	}
	for _, c := range s.comps {
		c.scanned = c.scanned || s.ss == 0
	}
	d.pos = sc.bits.pos
	return err
}

func (d *decoder) scanHeader(body []uint8) (s scanHeader, err error) {
	if d.comps == nil || len(body) < 6 || len(body) != 4+2*int(body[0]) {
		return s, ErrDamaged
	}
	n := int(body[0])
	tail := body[1+2*n:]
	s.ss, s.se = int(tail[0]), int(tail[1])
	s.ah, s.al = uint(tail[2]>>4), uint(tail[2]&15)
	if !d.progressive {
		s.ss, s.se, s.ah, s.al = 0, 63, 0, 0 // what else could it be; some encoders write nonsense
	}
	if s.ss > s.se || s.se > 63 || s.al > 13 || s.ah > 13 || s.ss > 0 && n != 1 || s.ss == 0 && d.progressive && s.se != 0 {
		return s, ErrDamaged
	}
	for i := range n {
		id, dc, ac := body[1+2*i], body[2+2*i]>>4, body[2+2*i]&15
		c := d.component(id)
		if c == nil || dc > 3 || ac > 3 {
			return s, ErrDamaged
		}
		for _, other := range s.comps {
			if other == c {
				return s, ErrDamaged
			}
		}
		c.dc, c.ac = d.huff[0][dc], d.huff[1][ac]
		c.quant = d.quant[c.table]
		needDC, needAC := s.ss == 0 && s.ah == 0, s.se > 0
		if needDC && c.dc == nil || needAC && c.ac == nil || c.quant == nil {
			return s, ErrDamaged
		}
		s.comps = append(s.comps, c)
	}
	return s, nil
}

func (d *decoder) component(id uint8) *component {
	for _, c := range d.comps {
		if c.id == id {
			return c
		}
	}
	return nil
}

// scanner decodes one scan.
type scanner struct {
	d      *decoder
	s      scanHeader
	bits   bitReader
	eobRun int // progressive: blocks whose band is over
	units  int // since the last restart marker
	next   uint8
}

// beginUnit handles the restart interval (F.1.1.5, B.2.1).
func (sc *scanner) beginUnit() error {
	if r := sc.d.restart; r > 0 && sc.units == r {
		b := &sc.bits
		if b.exhausted() || !b.atRestart(sc.next) {
			return ErrDamaged
		}
		sc.next = (sc.next + 1) & 7
		sc.units, sc.eobRun = 0, 0
		for _, c := range sc.s.comps {
			c.pred = 0
		}
	}
	sc.units++
	return nil
}

// atRestart moves behind restart marker n, if that is what comes next.
func (r *bitReader) atRestart(n uint8) bool {
	// Whole bytes read ahead would mean that data is left: the marker is not next.
	if !r.marker {
		r.fillSlowly()
	}
	for r.pos+1 < len(r.data) && r.data[r.pos+1] == 0xff {
		r.pos++ // any number of these may stand before a marker (B.1.1.2)
	}
	if !r.marker || r.n-r.excess >= 8 || r.pos+1 >= len(r.data) || r.data[r.pos+1] != markerRST0+n {
		return false
	}
	r.pos += 2
	r.hold, r.n, r.excess, r.marker = 0, 0, 0, false
	return true
}

// grid returns how many units the scan has, and how many blocks of each
// component there are in one (A.2.2, A.2.3).
func (sc *scanner) grid() (wide, high int) {
	if len(sc.s.comps) == 1 {
		return sc.s.comps[0].usedW, sc.s.comps[0].usedH
	}
	return sc.d.unitsX, sc.d.unitsY
}

// eachBlock calls f with every block of unit (x, y), by its component and place.
func (sc *scanner) eachBlock(x, y int, f func(c *component, bx, by int) error) error {
	if len(sc.s.comps) == 1 {
		return f(sc.s.comps[0], x, y)
	}
	for _, c := range sc.s.comps {
		for v := range c.v {
			for h := range c.h {
				if err := f(c, x*c.h+h, y*c.v+v); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// strip is a row of units on its way from coefficients to samples.
type strip struct {
	blocks []placed
	coefs  []int16 // 64 per block
}

// placed says where a block belongs, and how far its coefficients reach.
type placed struct {
	c      *component
	offset int // of its first sample in the plane
	last   int // zig-zag index of the last that is not zero
}

// sequential decodes a scan that holds whole blocks. While one goroutine reads
// bits, which only one can, the others turn finished rows into samples.
func (sc *scanner) sequential() error {
	wide, high := sc.grid()
	perUnit := 1
	if len(sc.s.comps) > 1 {
		perUnit = 0
		for _, c := range sc.s.comps {
			perUnit += c.h * c.v
		}
	}
	for _, c := range sc.s.comps {
		c.pred = 0
	}
	pipe := newPipeline(sc.d.options.Workers, wide*perUnit)
	defer pipe.wait()
	for y := range high {
		s := pipe.get()
		for x := range wide {
			if err := sc.beginUnit(); err != nil {
				return err
			}
			err := sc.eachBlock(x, y, func(c *component, bx, by int) error {
				b := (*[64]int16)(s.coefs[64*len(s.blocks):])
				last, ok := sc.block(c, b)
				s.blocks = append(s.blocks, placed{c, by*8*c.stride + bx*8, last})
				if !ok {
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
		pipe.put(s)
	}
	return nil
}

// block decodes the coefficients of one block (F.2.2) into zeros, and returns
// the index of the last.
func (sc *scanner) block(c *component, b *[64]int16) (last int, ok bool) {
	r := &sc.bits
	r.fill()
	size, ok := r.symbol(c.dc)
	if !ok || size > 11 {
		return 0, false
	}
	c.pred += extend(r.take(uint(size)), uint(size))
	b[0] = int16(c.pred)

	look := &c.ac.look
	for k := 1; k < 64; k++ {
		r.fill()
		e := look[r.hold>>(64-lookBits)]
		if e&hasValue != 0 {
			r.skip(e.used())
			k += int(e.symbol() >> 4)
			last = k
			b[natural[k]] = e.value()
			continue
		}
		symbol, ok := r.symbol(c.ac)
		if !ok {
			return 0, false
		}
		run, size := int(symbol>>4), uint(symbol&15)
		if size == 0 {
			if run != 15 {
				break // end of block
			}
			k += 15
			continue
		}
		k += run
		last = k
		b[natural[k]] = int16(extend(r.take(size), size))
	}
	return last, last < 64
}

// pipeline hands strips to goroutines that transform them.
type pipeline struct {
	free, full chan *strip
	only       *strip // without goroutines
	wg         sync.WaitGroup
	panicked   atomic.Pointer[any]
}

func newPipeline(workers, blocks int) *pipeline {
	p := new(pipeline)
	fresh := func() *strip {
		return &strip{blocks: make([]placed, 0, blocks), coefs: make([]int16, 64*blocks)}
	}
	if workers <= 1 {
		p.only = fresh()
		return p
	}
	strips := workers + 2
	p.free, p.full = make(chan *strip, strips), make(chan *strip, strips)
	for range strips {
		p.free <- fresh()
	}
	for range workers - 1 {
		p.wg.Go(func() {
			for s := range p.full {
				p.transform(s)
				p.free <- s
			}
		})
	}
	return p
}

// get returns a strip of zeros.
func (p *pipeline) get() *strip {
	s := p.only
	if s == nil {
		s = <-p.free
	}
	clear(s.coefs)
	s.blocks = s.blocks[:0]
	return s
}

func (p *pipeline) put(s *strip) {
	if p.only != nil {
		s.transform()
		return
	}
	p.full <- s
}

// wait ends the goroutines after what was put.
func (p *pipeline) wait() {
	if p.only != nil {
		return
	}
	close(p.full)
	p.wg.Wait()
	if v := p.panicked.Load(); v != nil {
		panic(*v)
	}
}

// transform keeps a panic for wait, so that get does not wait for ever.
func (p *pipeline) transform(s *strip) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked.Store(&v)
		}
	}()
	s.transform()
}

func (s *strip) transform() {
	for i, b := range s.blocks {
		transform(b.c.plane[b.offset:], b.c.stride, (*[64]int16)(s.coefs[64*i:]), b.c.quant, b.last)
	}
}
