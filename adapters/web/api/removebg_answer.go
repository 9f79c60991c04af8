package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/bgremover/bgremover/internal/usecase"
)

// deliver sends a result as the job wants it. One that needs no change goes out as it is stored.
func (h RemoveBG) deliver(w http.ResponseWriter, r *http.Request, out *delivery, j job, result usecase.Result) error {
	head, width, height, err := readHead(result)
	if err != nil {
		return err
	}
	png, size := io.MultiReader(bytes.NewReader(head), result), result.Size
	if j.AlphaOnly || j.MaxPixels > 0 && width*height > j.MaxPixels {
		// What comes out is smaller than what goes in; as much memory is enough.
		release, err := h.Intake.Budget.Reserve(r.Context(), size)
		if err != nil {
			return err
		}
		defer release()
		var changed bytes.Buffer
		if width, height, err = h.Transform(r.Context(), png, j.Options, &changed); err != nil {
			return fmt.Errorf("transform the result: %w", err)
		}
		png, size = &changed, int64(changed.Len())
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Width", strconv.Itoa(width))
	header.Set("X-Height", strconv.Itoa(height))
	header.Set("X-Type", "other")
	header.Set("X-Credits-Charged", "0")
	if !j.json {
		header.Set("Content-Type", "image/png")
		return out.send(w, png, size)
	}
	header.Set("Content-Type", "application/json")
	const before, after = `{"data":{"result_b64":"`, `"}}` + "\n"
	body := io.MultiReader(bytes.NewReader([]byte(before)), &base64Reader{src: png}, bytes.NewReader([]byte(after)))
	return out.send(w, body, int64(len(before)+base64.StdEncoding.EncodedLen(int(size))+len(after)))
}

// pngHead is how many bytes of a PNG hold its signature and, in its first chunk, its dimensions.
const pngHead = 8 + 4 + 4 + 8

func readHead(png io.Reader) (head []byte, width, height int, err error) {
	head = make([]byte, pngHead)
	if _, err := io.ReadFull(png, head); err != nil {
		return nil, 0, 0, fmt.Errorf("read the result: %w", err)
	}
	if string(head[:8]) != "\x89PNG\r\n\x1a\n" || string(head[12:16]) != "IHDR" {
		return nil, 0, 0, errors.New("the result is no PNG")
	}
	return head, int(binary.BigEndian.Uint32(head[16:])), int(binary.BigEndian.Uint32(head[20:])), nil
}

// base64Reader reads as base64 what its source gives, without holding all of it.
type base64Reader struct {
	src   io.Reader
	plain [3 << 12]byte
	text  []byte // encoded, not yet read
	buf   [4 << 12]byte
	end   error
}

func (b *base64Reader) Read(p []byte) (int, error) {
	if len(b.text) == 0 {
		if b.end != nil {
			return 0, b.end
		}
		// Only the last piece may have a length that is no multiple of three.
		n, err := io.ReadFull(b.src, b.plain[:])
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		b.end = err
		b.text = b.buf[:base64.StdEncoding.EncodedLen(n)]
		base64.StdEncoding.Encode(b.text, b.plain[:n])
		if n == 0 {
			return 0, b.end
		}
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}
