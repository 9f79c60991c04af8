package web_test

import (
	"bytes"
	"encoding/base64"
	"net/http/httptest"
	"testing"

	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// Whatever stands in a request's body, it is answered: by a result, or by a refusal in the
// right style that is the caller's business, never by a fault of ours. Nothing is left behind.
func FuzzRemoveBG(f *testing.F) {
	photo := testphotos.Original("chelsea")[:2000]
	encoded := base64.StdEncoding.EncodeToString(photo)
	multi := "multipart/form-data; boundary=x"
	f.Add(multi, []byte("--x\r\nContent-Disposition: form-data; name=\"image_file\"; filename=\"a.jpg\"\r\n\r\n"+string(photo)+"\r\n--x--\r\n"))
	f.Add(multi, []byte("--x\r\nContent-Disposition: form-data; name=\"image_file_b64\"\r\n\r\n"+encoded+"\r\n--x\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\nhd\r\n--x--\r\n"))
	f.Add("application/json", []byte(`{"image_file_b64":"`+encoded+`","size":"full","crop":false,"crop_margin":0,"image_url":null}`))
	f.Add("application/json; charset=utf-8", []byte(`{"size":{"a":[1]}}`))
	f.Add("application/x-www-form-urlencoded", []byte("image_file_b64="+encoded+"&size=hd&type="))
	f.Add("multipart/form-data; boundary=\"", []byte("--"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		w := newWorld(t, fake.Cutter{})
		answer := w.do(t, "POST", removebg, bytes.NewReader(body), "Content-Type", kind)
		w.Wait()
		accountFor(t, w, answer)
	})
}

func FuzzUpload(f *testing.F) {
	photo := string(testphotos.Original("chelsea")[:2000])
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\\\"/\xff.jpg\"\r\n\r\n"+photo+"\r\n--x--\r\n"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		w := newWorld(t, fake.Cutter{})
		answer := w.do(t, "POST", "/v1/images", bytes.NewReader(body), "Content-Type", kind)
		w.Wait()
		if answer.Code != 202 {
			accountFor(t, w, answer)
		}
	})
}

// accountFor fails the test unless the answer is a success or a clear refusal, and nothing is left.
func accountFor(t *testing.T, w *world, answer *httptest.ResponseRecorder) {
	t.Helper()
	if answer.Code >= 500 || answer.Code >= 300 && codeIn(t, answer) == "" {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
	for _, c := range []string{"original", "result"} {
		if _, _, err := w.Blobs.Open(t.Context(), "01900000-0000-7000-8000-000000000001/"+c); err == nil {
			t.Errorf("the %s is still there after %d", c, answer.Code)
		}
	}
}
