package api

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/intake"
	"github.com/bgremover/bgremover/domain/refusal"
	"pgregory.net/rapid"
)

// Whatever stands in a request, it is exactly one photo and options that exist, or a refusal.
func FuzzReadForm(f *testing.F) {
	const multi = "multipart/form-data; boundary=x"
	file := "--x\r\nContent-Disposition: form-data; name=\"image_file\"; filename=\"a.jpg\"\r\n\r\nPHOTO\r\n"
	size := "--x\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\nhd\r\n"
	f.Add(multi, []byte(file+size+"--x--\r\n"))
	f.Add(multi, []byte("--x\r\nContent-Disposition: form-data; name=\"image_file_b64\"\r\n\r\nUEhPVE8=\r\n--x--\r\n"))
	f.Add("application/json", []byte(`{"image_file_b64":"UEhPVE8=","size":"full","crop":false,"crop_margin":0,"image_url":null}`))
	f.Add("application/json; charset=utf-8", []byte(`{"size":{"a":[1]}}`))
	f.Add("application/x-www-form-urlencoded", []byte("image_file_b64=UEhPVE8%3D&size=hd&type="))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		const memory = 1 << 30
		in := &intake.Intake{Budget: intake.NewBudget(memory, time.Second), Total: time.Minute, Stall: time.Minute}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		form, err := readForm(in, httptest.NewRecorder(), r)
		var o job
		if err == nil {
			o, err = form.job("")
		}
		if err != nil {
			if _, refused := refusal.As(err); !refused {
				t.Errorf("a body of %q leads to a fault of ours: %v", kind, err)
			}
		} else if form.sources != 1 || len(form.picture) > len(body) || o.MaxPixels < 0 {
			t.Errorf("%d photos, %d bytes, %+v", form.sources, len(form.picture), o)
		}
		if form != nil {
			form.release()
		}
		if _, err := in.Budget.Reserve(t.Context(), memory); err != nil {
			t.Error("memory is not given back")
		}
	})
}

func TestBase64ReaderEncodesAsTheLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, rapid.IntRange(0, 6000).Draw(t, "sevens"))
		plain = append(plain, rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "rest")...)
		got, err := io.ReadAll(&base64Reader{src: bytes.NewReader(plain)})
		if err != nil || string(got) != base64.StdEncoding.EncodeToString(plain) {
			t.Fatalf("%d bytes become %d, %v", len(plain), len(got), err)
		}
	})
}

// What a source fails with must not look like its end.
func TestBase64ReaderPassesErrorsOn(t *testing.T) {
	fault := errors.New("the seal is broken")
	_, err := io.ReadAll(&base64Reader{src: io.MultiReader(bytes.NewReader([]byte("some bytes")), failing{fault})})
	if !errors.Is(err, fault) {
		t.Errorf("it ends with %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
