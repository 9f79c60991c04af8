//go:build js && wasm

package main

import (
	"encoding/json"
	"syscall/js"

	"github.com/bgremover/bgremover/internal/evidence"
)

// main gives the page one function, bgverifyReceipt(receipt, key, against): the bytes as
// Uint8Arrays, the key as a string, the report as JSON. It stays, to answer again.
func main() {
	js.Global().Set("bgverifyReceipt", js.FuncOf(func(_ js.Value, args []js.Value) any {
		r := check(bytesOf(args[0]), evidence.Known{Key: args[1].String(), Against: bytesOf(args[2])})
		answer, err := json.Marshal(r)
		if err != nil {
			panic(err) // only a mistake in our own types can do that
		}
		return string(answer)
	}))
	select {}
}

// bytesOf copies at most one byte more than a receipt can have.
func bytesOf(array js.Value) []byte {
	b := make([]byte, min(array.Length(), evidence.MaxSize+1))
	js.CopyBytesToGo(b, array)
	return b
}
