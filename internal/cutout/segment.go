package cutout

import "context"

// Spec says what a network wants to be fed and how its answer is to be read. It
// is data of the model's passport: a new network of the same family needs no code.
type Spec struct {
	Width, Height int        // of the network's picture
	Mean, Std     [3]float64 // per channel R, G, B, of values 0…1
	Scale         Scale
	Order         Order
	Activation    Activation
	Range         Range
}

// Scale says how bytes become values of about 0…1 before Mean and Std.
type Scale string

// The scales.
const (
	ByMax Scale = "max" // divided by the largest byte of the resized picture, as rembg does
	By255 Scale = "255"
)

// Order is the order of the channel planes.
type Order string

// The orders.
const (
	RGB Order = "rgb"
	BGR Order = "bgr"
)

// Activation is what the network leaves to its user.
type Activation string

// The activations.
const (
	NoActivation Activation = "none"
	Sigmoid      Activation = "sigmoid"
)

// Range says whether the answer is stretched to 0…1.
type Range string

// The ranges.
const (
	MinMax Range = "min-max" // smallest to 0, largest to 1, as rembg does
	AsIs   Range = "none"    // clipped to 0…1
)

// Segmenter runs a network. The caller holds it alone: one slot of the machine.
type Segmenter interface {
	// Spec describes the network; it never changes.
	Spec() Spec
	// Run takes 3 × Height × Width values (channel planes, rows from the top) and
	// returns Height × Width values, valid until the next Run or the end of the slot.
	Run(ctx context.Context, input []float32) ([]float32, error)
	// Workers says how many goroutines may compute for this picture right now.
	Workers() int
}

// toInput makes the network's input of a picture of three bytes a pixel, bit
// for bit what the peer computes in float64 and rounds to float32 at the end.
func (s Spec) toInput(rgb []uint8) []float32 {
	scale := 255.0
	if s.Scale == ByMax {
		var most uint8
		for _, v := range rgb {
			most = max(most, v)
		}
		scale = max(float64(most), 1e-6)
	}
	plane := len(rgb) / 3
	input := floatPool.get(len(rgb))
	for c := range 3 {
		var values [256]float32
		for v := range values {
			values[v] = float32((float64(v)/scale - s.Mean[c]) / s.Std[c])
		}
		at := c
		if s.Order == BGR {
			at = 2 - c
		}
		dst := input[at*plane:][:plane]
		for i := range dst {
			dst[i] = values[rgb[3*i+c]]
		}
	}
	return input
}
