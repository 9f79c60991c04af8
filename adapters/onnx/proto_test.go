package onnx

import "encoding/binary"

// meanNetwork is a network in ONNX's format, written by hand: for every pixel,
// the mean of its three channels. Field numbers are those of onnx.proto3.
func meanNetwork(input, output string, width, height int) []byte {
	axes := message(text(1, "axes"), number(8, 1), number(20, 7)) // attribute, type INTS
	keep := message(text(1, "keepdims"), number(3, 1), number(20, 2))
	node := message(text(1, input), text(2, output), text(4, "ReduceMean"), nested(5, axes), nested(5, keep))
	graph := message(
		nested(1, node), text(2, "mean"),
		nested(11, value(input, 1, 3, height, width)),
		nested(12, value(output, 1, 1, height, width)),
	)
	return message(number(1, 7), nested(7, graph), nested(8, message(text(1, ""), number(2, 11))))
}

// value describes a float32 tensor.
func value(name string, shape ...int) []byte {
	var dims []byte
	for _, n := range shape {
		dims = append(dims, nested(1, number(1, n))...)
	}
	tensor := message(number(1, 1), nested(2, dims))
	return message(text(1, name), nested(2, nested(1, tensor)))
}

func message(fields ...[]byte) (out []byte) {
	for _, f := range fields {
		out = append(out, f...)
	}
	return out
}

func number(field, v int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), uint64(v))
}

func nested(field int, v []byte) []byte {
	out := binary.AppendUvarint(nil, uint64(field)<<3|2)
	return append(binary.AppendUvarint(out, uint64(len(v))), v...)
}

func text(field int, v string) []byte { return nested(field, []byte(v)) }
