package answer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// JSON answers with a value that encodes without error.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Cache-Control", "no-store")
	write(w, "application/json", status, v)
}

func write(w http.ResponseWriter, contentType string, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // never interpreted as HTML: the type is set and not to be sniffed
	if err := enc.Encode(v); err != nil {
		panic(err) // only a mistake in our own types can do that
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may be gone
}
