// Package cutout removes the background of a picture, given a network that tells
// foreground from background.
//
// Order to read: cut.go (the whole, stage by stage), then the stages: inspect.go
// and decode.go (foreign bytes to pixels; format details in ycc.go, icc.go,
// metadata.go, orient.go and package jpeg), lanczos.go (to the network's size),
// segment.go (the network), mask.go (its answer at full size), foreground.go
// (colours without the old background), png.go (out; filter.go, deflate.go).
// preview.go makes small pictures of results; parallel.go shares the work.
//
// Masks are those of rembg with the same model, to within 1 of 255.
//
// It holds nothing but mathematics: it never touches disk or network, logs
// nothing, knows no person and no clock but for the durations it reports. No
// metadata of the source gets into a result, nor any pixel of its background.
package cutout
