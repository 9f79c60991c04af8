package web_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// headerOf returns the head of a PNG of any size, without pixels.
func headerOf(width, height uint32) []byte {
	ihdr := []byte("IHDR")
	ihdr = binary.BigEndian.AppendUint32(ihdr, width)
	ihdr = binary.BigEndian.AppendUint32(ihdr, height)
	ihdr = append(ihdr, 8, 2, 0, 0, 0)
	head := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	return binary.BigEndian.AppendUint32(head, crc32.ChecksumIEEE(ihdr))
}

func TestUploadIsAnsweredWithEverythingThatFollows(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	body, kind := formOf(t, field{"image", "Grandma's birthday.jpg", testphotos.Original("chelsea")})

	answer := w.do(t, "POST", "/v1/images", body, "Content-Type", kind)

	up := decode[accepted](t, answer.Body.Bytes())
	if answer.Code != http.StatusAccepted || up.Status != "waiting" || !up.DeleteBy.Equal(noon.Add(24*time.Hour)) || len(up.Capability) != 64 {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
	self := "/v1/images/" + up.ID
	if up.Links.Self != self || up.Links.Events != self+"/events" || up.Links.Preview != self+"/preview" ||
		up.Links.Result != self+"/result" || up.Links.Receipt != self+"/receipt" || up.Links.Page != withKey("/i/"+up.ID, up) {
		t.Errorf("links %+v", up.Links)
	}
	if h := answer.Header(); h.Get("Location") != self || h.Get("X-Delete-By") != "2026-03-03T12:00:00Z" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	fact := w.Record.All()[0].Fact.(image.Uploaded)
	if name, _ := fact.FileName.Reveal(); name != "Grandma's birthday.jpg" {
		t.Errorf("the fact has the file name %q", name)
	}
}

func TestBadUploadsAreRefusedClearly(t *testing.T) {
	photo := field{"image", "a.jpg", testphotos.Original("coffee")}
	tests := map[string]struct {
		fields []field
		kind   string // of the body, when it is not the form's
		key    []string
		status int
		code   string
	}{
		"empty file":               {fields: []field{{"image", "a.jpg", nil}}, status: 400, code: "image.empty"},
		"text named .jpg":          {fields: []field{{"image", "a.jpg", []byte("hello, this is text")}}, status: 415, code: "image.not_an_image"},
		"60000×60000 in the head":  {fields: []field{{"image", "a.png", headerOf(60000, 60000)}}, status: 413, code: "image.too_many_pixels"},
		"a byte over the limit":    {fields: []field{{"image", "a.jpg", make([]byte, image.MaxBytes+1)}}, status: 413, code: "image.too_large"},
		"far over the limit":       {fields: []field{{"image", "a.jpg", make([]byte, 2*image.MaxBytes)}}, status: 413, code: "image.too_large"},
		"wrong field":              {fields: []field{{"photo", "a.jpg", photo.content}}, status: 400, code: "request.wrong_field"},
		"another field beside it":  {fields: []field{photo, {"size", "", []byte("hd")}}, status: 400, code: "request.wrong_field"},
		"two photos":               {fields: []field{photo, photo}, status: 400, code: "request.several_photos"},
		"no photo":                 {fields: nil, status: 400, code: "request.no_photo"},
		"not a form":               {fields: []field{photo}, kind: "image/jpeg", status: 415, code: "request.not_multipart"},
		"no type":                  {fields: []field{photo}, kind: " ", status: 415, code: "request.not_multipart"},
		"a form with no boundary":  {fields: []field{photo}, kind: "multipart/form-data", status: 415, code: "request.not_multipart"},
		"another form's boundary":  {fields: []field{photo}, kind: "multipart/form-data; boundary=x", status: 400, code: "request.no_photo"},
		"empty idempotency key":    {fields: []field{photo}, key: []string{""}, status: 400, code: "request.bad_idempotency_key"},
		"two idempotency keys":     {fields: []field{photo}, key: []string{"a", "b"}, status: 400, code: "request.bad_idempotency_key"},
		"long idempotency key":     {fields: []field{photo}, key: []string{strings.Repeat("a", 256)}, status: 400, code: "request.bad_idempotency_key"},
		"umlaut as a key":          {fields: []field{photo}, key: []string{"ü"}, status: 400, code: "request.bad_idempotency_key"},
		"the longest possible key": {fields: []field{photo}, key: []string{strings.Repeat("~", 255)}, status: 202},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{})
			body, kind := formOf(t, tt.fields...)
			if tt.kind != "" {
				kind = strings.TrimSpace(tt.kind)
			}
			headers := []string{"Content-Type", kind}
			for _, key := range tt.key {
				headers = append(headers, "Idempotency-Key", key)
			}

			answer := w.do(t, "POST", "/v1/images", body, headers...)

			if answer.Code != tt.status {
				t.Fatalf("answered %d %s, want %d", answer.Code, answer.Body, tt.status)
			}
			if tt.code == "" {
				return
			}
			if code := codeIn(t, answer); code != tt.code {
				t.Errorf("code %s, want %s", code, tt.code)
			}
			if got := w.Record.All(); len(got) != 0 {
				t.Errorf("the record has %d facts of a refused upload", len(got))
			}
		})
	}
}

func TestWrongFieldNamesTheRightOne(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	body, kind := formOf(t, field{"file", "a.jpg", testphotos.Original("coffee")})
	answer := w.do(t, "POST", "/v1/images", body, "Content-Type", kind)
	if detail := decode[struct{ Detail string }](t, answer.Body.Bytes()).Detail; !strings.Contains(detail, `"image"`) {
		t.Errorf("the detail is %q", detail)
	}
}

// A photo that can be read only up to a point is accepted by its head, and the cutout fails.
func TestTruncatedPhotoFailsWithItsReason(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	whole := testphotos.Original("coffee")
	body, kind := formOf(t, field{"image", "a.jpg", whole[:len(whole)/2]})
	up := decode[accepted](t, w.do(t, "POST", "/v1/images", body, "Content-Type", kind).Body.Bytes())
	w.Wait()

	answer := w.do(t, "GET", withKey(up.Links.Self, up), nil)
	p := decode[struct {
		Status  string
		Failure struct{ Code, Title, Detail string }
	}](t, answer.Body.Bytes())
	if p.Status != "failed" || p.Failure.Code != "image.truncated" || p.Failure.Title == "" {
		t.Errorf("the picture is %s", answer.Body)
	}
	if answer := w.do(t, "GET", withKey(up.Links.Result, up), nil); answer.Code != 422 || codeIn(t, answer) != "image.truncated" {
		t.Errorf("its result is %d %s", answer.Code, answer.Body)
	}
}

func TestSameRequestTwice(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	send := func(key, photo string) *httptest.ResponseRecorder {
		body, kind := formOf(t, field{"image", "a.jpg", testphotos.Original(photo)})
		return w.do(t, "POST", "/v1/images", body, "Content-Type", kind, "Idempotency-Key", key)
	}
	first, again, other, fresh := send("k1", "coffee"), send("k1", "coffee"), send("k1", "rocket"), send("k2", "coffee")
	if first.Code != 202 || again.Code != 202 || first.Body.String() != again.Body.String() {
		t.Errorf("first %d %s, again %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if other.Code != 422 || codeIn(t, other) != "request.other_body" {
		t.Errorf("another body under the key: %d %s", other.Code, other.Body)
	}
	if fresh.Code != 202 || fresh.Body.String() == first.Body.String() {
		t.Errorf("another key: %d %s", fresh.Code, fresh.Body)
	}
}

func TestUploadWhileTheRecordIsAway(t *testing.T) {
	tests := map[string]struct {
		err    error
		status int
		code   string
		retry  string
	}{
		"the record is away":    {event.ErrUnavailable, 503, "record.unavailable", "5"},
		"a disk full elsewhere": {errors.New("write /data/x: no space left on device"), 500, "internal", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{})
			w.Record.Refuse = func(event.Append) error { return tt.err }
			body, kind := formOf(t, field{"image", "a.jpg", testphotos.Original("coffee")})
			answer := w.do(t, "POST", "/v1/images", body, "Content-Type", kind)
			if answer.Code != tt.status || codeIn(t, answer) != tt.code || answer.Header().Get("Retry-After") != tt.retry {
				t.Errorf("answered %d %v %s", answer.Code, answer.Header(), answer.Body)
			}
			if strings.Contains(answer.Body.String(), "space left") {
				t.Errorf("an error of ours is shown: %s", answer.Body)
			}
			trace := decode[struct {
				Trace string `json:"trace_id"`
			}](t, answer.Body.Bytes()).Trace
			if tt.status == 500 && (!strings.Contains(w.log.String(), trace) || !strings.Contains(w.log.String(), "space left")) {
				t.Errorf("the log lacks it: %s", w.log)
			}
		})
	}
}

// cutOff gives its bytes and then fails as a connection does.
type cutOff struct{ io.Reader }

func (c cutOff) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestUploadCancelledHalfWayLeavesNothing(t *testing.T) {
	for _, target := range []string{"/v1/images", "/v1.0/removebg", "/i"} {
		w := newWorld(t, fake.Cutter{})
		name := map[string]string{"/v1.0/removebg": "image_file"}[target]
		if name == "" {
			name = "image"
		}
		body, kind := formOf(t, field{name, "a.jpg", testphotos.Original("coffee")})
		answer := w.do(t, "POST", target, cutOff{bytes.NewReader(body.Bytes()[:body.Len()/2])}, "Content-Type", kind)
		if answer.Code != 499 || len(w.Record.All()) != 0 {
			t.Errorf("%s: answered %d %s, %d facts", target, answer.Code, answer.Body, len(w.Record.All()))
		}
	}
}

func TestUploadsWaitForMemoryAndThenAreSentAway(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		c.Limits = web.Limits{BodyMemory: 1 << 20, BodyWait: 10 * time.Millisecond}
	})
	server := w.serve(t)

	// Given an upload that has taken the whole budget and goes on: its body is sent once the server reads it.
	asked := http.DefaultTransport.(*http.Transport).Clone()
	defer asked.CloseIdleConnections()
	asked.ExpectContinueTimeout = time.Minute
	slow, write := io.Pipe()
	_, kind := formOf(t)
	first := make(chan error, 1)
	go func() {
		first <- post(t, asked, server.URL+"/v1/images", kind, slow)
	}()
	if _, err := write.Write([]byte("--x")); err != nil {
		t.Fatal(err)
	}

	// When another one comes:
	body, kind := formOf(t, field{"image", "a.jpg", testphotos.Original("coffee")})
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/images", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()

	// Then it is told to come back, and the first one's memory comes free in the end.
	if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s", answer.Status)
	}
	_ = write.CloseWithError(errors.New("the visitor went away"))
	if err := <-first; err == nil {
		t.Error("the upload that was broken off has an answer")
	}
	eventually(t, func() bool {
		body, kind := formOf(t, field{"image", "a.jpg", testphotos.Original("coffee")})
		return w.do(t, "POST", "/v1/images", body, "Content-Type", kind).Code == http.StatusAccepted
	})
}

// post sends a body, which the server has to ask for.
func post(t *testing.T, through http.RoundTripper, url, kind string, body io.Reader) error {
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Expect", "100-continue")
	answer, err := through.RoundTrip(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func TestStalledUploadEnds(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Limits = web.Limits{BodyStall: 20 * time.Millisecond} })
	server := w.serve(t)
	stalled, write := io.Pipe()
	defer write.Close()
	go func() { _, _ = write.Write([]byte("--x\r\n")) }()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/images", stalled)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered %s", answer.Status)
	}
}
