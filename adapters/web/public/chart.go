package public

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/projections/analytics"
)

// Charts are drawn in units of their own and stretched to the page: a column is 10 units
// wide with its gaps, and the highest one 100 units high. Words stand beside them in HTML, so that
// they keep their size.
const (
	columnStep   = 10
	columnWidth  = 8
	chartHeight  = 100
	fewHeight    = 3   // of a column that stands for "a few"
	barFull      = 100 // width of the longest bar
	hoursPerMark = 12  // between two times under the columns
)

// columns is a chart over time.
type columns struct {
	Width, Height int
	Peak          int64
	Columns       []column
	Marks         []time.Time
}

type column struct {
	X, Y, Width, Height int
	Start               time.Time
	N                   int64
	Few                 bool // too few to be shown
}

func columnsOf(all []analytics.Hour) columns {
	c := columns{Width: columnStep * len(all), Height: chartHeight}
	for _, h := range all {
		c.Peak = max(c.Peak, h.Uploads.Total)
	}
	for i, h := range all {
		n, few := h.Uploads.Total, h.Uploads.Total == 0 && h.Uploads.Hidden
		height := scaled(n, c.Peak, chartHeight)
		if few {
			height = fewHeight
		}
		c.Columns = append(c.Columns, column{
			X: columnStep*i + (columnStep-columnWidth)/2, Y: chartHeight - height,
			Width: columnWidth, Height: height,
			Start: h.Start, N: n, Few: few,
		})
		if i%hoursPerMark == 0 {
			c.Marks = append(c.Marks, h.Start)
		}
	}
	return c
}

// scaled returns n of peak in units of full, and at least 1 for what is not nothing.
func scaled(n, peak int64, full int) int {
	if n <= 0 || peak <= 0 {
		return 0
	}
	return max(1, int(n*int64(full)/peak))
}

// bars is a chart over classes, which is a table at the same time.
type bars []bar

type bar struct {
	Label string
	N     int64
	Width int // of barFull
}

// barsOf lists the classes in the given order, then those it does not name, the largest first. Named classes
// of which there are none are listed when anything is.
func barsOf(t totals, order []string, label func(class string) string) bars {
	var peak int64
	var others []string
	for class, n := range t.byClass {
		peak = max(peak, n)
		if !slices.Contains(order, class) {
			others = append(others, class)
		}
	}
	if peak == 0 {
		return nil
	}
	slices.SortFunc(others, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.byClass[b], t.byClass[a]), strings.Compare(a, b))
	})
	var all bars
	for _, class := range append(slices.Clone(order), others...) {
		n := t.byClass[class]
		all = append(all, bar{Label: label(class), N: n, Width: scaled(n, peak, barFull)})
	}
	return all
}

var sizeOrder = []string{string(image.UpTo1MiB), string(image.UpTo5MiB), string(image.UpTo25MiB)}

func bucketOrder() []string {
	var all []string
	for _, bound := range analytics.Bounds {
		all = append(all, analytics.Bucket(bound))
	}
	return append(all, analytics.Longer)
}

// bucketLabel says a bucket of processing times in words.
func bucketLabel(class string) string {
	ms, err := strconv.ParseInt(class, 10, 64)
	if err != nil {
		return "longer"
	}
	return "up to " + seconds(ms)
}

// typical says by when half of the cutouts were ready, as far as the buckets tell.
func typical(took totals) string {
	var all, sofar int64
	for _, n := range took.byClass {
		all += n
	}
	if all == 0 {
		return ""
	}
	for _, bound := range analytics.Bounds {
		sofar += took.byClass[analytics.Bucket(bound)]
		if 2*sofar >= all {
			return "within " + seconds(bound)
		}
	}
	return "after more than " + seconds(analytics.Bounds[len(analytics.Bounds)-1])
}

func seconds(ms int64) string { return fmt.Sprintf("%g s", float64(ms)/1000) }
