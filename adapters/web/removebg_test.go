package web_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
)

const removebg = "/v1.0/removebg"

// form sends a multipart request to remove.bg's interface.
func (w *world) form(t *testing.T, fields ...field) *httptest.ResponseRecorder {
	t.Helper()
	body, kind := formOf(t, fields...)
	return w.do(t, "POST", removebg, body, "Content-Type", kind, "X-Api-Key", "INSERT_YOUR_API_KEY_HERE")
}

func text(name, value string) field { return field{name: name, content: []byte(value)} }

var cat = field{"image_file", "cat.jpg", testphotos.Original("chelsea")}

const lifetime = "image.uploaded image.processed image.downloaded(whole=true) image.deleted vault.key_destroyed"

func TestRemoveBGInItsThreeTypesOfBody(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString(cat.content)
	tests := map[string]func(w *world) *httptest.ResponseRecorder{
		"a file in a form": func(w *world) *httptest.ResponseRecorder { return w.form(t, cat) },
		"base64 in a form": func(w *world) *httptest.ResponseRecorder { return w.form(t, text("image_file_b64", encoded)) },
		"every unset option as an empty string": func(w *world) *httptest.ResponseRecorder {
			return w.form(t, text("image_url", ""), text("image_file_b64", ""), text("size", ""), cat, text("type", ""), text("bg_color", ""), text("crop_margin", ""))
		},
		"JSON": func(w *world) *httptest.ResponseRecorder {
			body := `{"image_file_b64": "` + encoded + `", "size": "auto", "crop": false, "image_url": null}`
			return w.do(t, "POST", removebg, strings.NewReader(body), "Content-Type", "application/json")
		},
		"urlencoded": func(w *world) *httptest.ResponseRecorder {
			body := url.Values{"image_file_b64": {encoded}, "format": {"png"}}.Encode()
			return w.do(t, "POST", removebg, strings.NewReader(body), "Content-Type", "application/x-www-form-urlencoded")
		},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{})
			answer := send(w)
			h := answer.Header()
			if answer.Code != 200 || h.Get("Content-Type") != "image/png" || h.Get("X-Width") != "451" || h.Get("X-Height") != "300" ||
				h.Get("X-Type") != "other" || h.Get("X-Credits-Charged") != "0" || h.Get("X-Delete-By") == "" ||
				!strings.Contains(h.Get(api.ReceiptHeader), "/receipt?key=") || h.Get("Content-Length") != strconv.Itoa(answer.Body.Len()) {
				t.Fatalf("answered %d %v %s", answer.Code, h, answer.Body)
			}
			if picture, err := png.Decode(answer.Body); err != nil || picture.Bounds().Dx() != 451 {
				t.Errorf("the result is no such PNG: %v", err)
			}
			if w.names() != lifetime {
				t.Errorf("the record is %s", w.names())
			}
		})
	}
}

func TestRemoveBGAnswersInJSON(t *testing.T) {
	for accept, wantJSON := range map[string]bool{
		"application/json":                    true,
		"Application/JSON; charset=utf-8":     true,
		"application/json, text/plain, */*":   true,
		"image/png, application/json;q=0.1":   false,
		"*/*":                                 false,
		"image/*, application/json":           false,
		"text/html;q=0.9, application/json+x": false,
	} {
		w := newWorld(t, fake.Cutter{})
		body, kind := formOf(t, cat)
		answer := w.do(t, "POST", removebg, body, "Content-Type", kind, "Accept", accept)
		if got := answer.Header().Get("Content-Type") == "application/json"; answer.Code != 200 || got != wantJSON {
			t.Errorf("%q: %d, JSON %t", accept, answer.Code, got)
			continue
		}
		if answer.Header().Get("Content-Length") != strconv.Itoa(answer.Body.Len()) {
			t.Errorf("%q: %d bytes, announced %s", accept, answer.Body.Len(), answer.Header().Get("Content-Length"))
		}
		if !wantJSON {
			continue
		}
		data := decode[struct {
			Data struct {
				Result []byte `json:"result_b64"`
			}
		}](t, answer.Body.Bytes()).Data
		if picture, err := png.Decode(bytes.NewReader(data.Result)); err != nil || picture.Bounds().Dx() != 451 {
			t.Errorf("%q: the result is no such PNG: %v", accept, err)
		}
	}
}

func TestRemoveBGSizes(t *testing.T) {
	tests := map[string]struct {
		fields []field
		width  int // of a 451×300 picture; the test's transformation makes a square of powers of two
	}{
		"absent":     {nil, 451},
		"auto":       {[]field{text("size", "auto")}, 451},
		"full":       {[]field{text("size", "full")}, 451},
		"50MP":       {[]field{text("size", "50MP")}, 451},
		"preview":    {[]field{text("size", "preview")}, 451}, // has fewer than 0.25 megapixels already
		"only matte": {[]field{text("channels", "alpha")}, 300},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{})
			answer := w.form(t, append(tt.fields, cat)...)
			if answer.Code != 200 || answer.Header().Get("X-Width") != strconv.Itoa(tt.width) {
				t.Errorf("answered %d, width %s", answer.Code, answer.Header().Get("X-Width"))
			}
		})
	}
}

func TestRemoveBGScalesDown(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	answer := w.form(t, field{"image_file", "a.jpg", testphotos.JPEG("coffee", 0.3)}, text("size", "small"))
	picture, err := png.Decode(answer.Body)
	if answer.Code != 200 || err != nil {
		t.Fatalf("answered %d, %v", answer.Code, err)
	}
	b := picture.Bounds()
	if b.Dx()*b.Dy() > 250_000 || answer.Header().Get("X-Width") != strconv.Itoa(b.Dx()) {
		t.Errorf("it has %v, X-Width %s", b, answer.Header().Get("X-Width"))
	}
}

func TestRemoveBGRefusals(t *testing.T) {
	jsonBody := func(body string) func(w *world) *httptest.ResponseRecorder {
		return func(w *world) *httptest.ResponseRecorder {
			return w.do(t, "POST", removebg, strings.NewReader(body), "Content-Type", "application/json")
		}
	}
	with := func(fields ...field) func(w *world) *httptest.ResponseRecorder {
		return func(w *world) *httptest.ResponseRecorder { return w.form(t, fields...) }
	}
	urlencoded := func(body string) func(w *world) *httptest.ResponseRecorder {
		return func(w *world) *httptest.ResponseRecorder {
			return w.do(t, "POST", removebg, strings.NewReader(body), "Content-Type", "application/x-www-form-urlencoded")
		}
	}
	tests := map[string]struct {
		send   func(w *world) *httptest.ResponseRecorder
		status int
		code   string
	}{
		"nothing":                    {with(), 400, "missing_source"},
		"only empty sources":         {with(text("image_url", ""), text("image_file", "")), 400, "missing_source"},
		"file and base64":            {with(cat, text("image_file_b64", "aGk=")), 400, "multiple_sources"},
		"file and address":           {with(cat, text("image_url", "https://example.com/a.jpg")), 400, "multiple_sources"},
		"an address":                 {with(text("image_url", "https://example.com/a.jpg")), 400, "invalid_image_url"},
		"the file twice":             {with(cat, cat), 400, "repeated_parameter"},
		"an option twice":            {with(cat, text("size", "hd"), text("size", "full")), 400, "repeated_parameter"},
		"an unknown size":            {with(cat, text("size", "huge")), 400, "invalid_size"},
		"a jpg":                      {with(cat, text("format", "jpg")), 400, "invalid_format"},
		"a zip":                      {with(cat, text("format", "zip")), 400, "invalid_format"},
		"a webp":                     {with(cat, text("format", "webp")), 400, "invalid_format"},
		"unknown channels":           {with(cat, text("channels", "rgb")), 400, "invalid_channels"},
		"a type":                     {with(cat, text("type", "person")), 400, "invalid_type"},
		"a region":                   {with(cat, text("roi", "0px 0px 10px 10px")), 400, "invalid_roi"},
		"the whole region":           {with(cat, text("roi", "0% 0% 100% 100%")), 200, ""},
		"cropping":                   {with(cat, text("crop", "true")), 400, "invalid_crop"},
		"not cropping":               {with(cat, text("crop", "False")), 200, ""},
		"a margin":                   {with(cat, text("crop_margin", "10%")), 400, "invalid_crop_margin"},
		"a scale":                    {with(cat, text("scale", "50%")), 400, "invalid_scale"},
		"a position":                 {with(cat, text("position", "center")), 400, "invalid_position"},
		"a shadow":                   {with(cat, text("add_shadow", "true")), 400, "invalid_add_shadow"},
		"no semitransparency":        {with(cat, text("semitransparency", "false")), 400, "invalid_semitransparency"},
		"a background colour":        {with(cat, text("bg_color", "81d4fa")), 400, "invalid_bg_color"},
		"a background address":       {with(cat, text("bg_image_url", "https://example.com/a.jpg")), 400, "invalid_bg_image_url"},
		"a background file":          {with(cat, field{"bg_image_file", "b.jpg", []byte("x")}), 400, "invalid_bg_image_file"},
		"a misspelt option":          {with(cat, text("sise", "hd")), 400, "unknown_parameter"},
		"an endless option":          {with(cat, text("size", strings.Repeat("x", 1<<17))), 400, "file_too_large"},
		"no photo in the file":       {with(field{"image_file", "a.jpg", []byte("text")}), 400, "invalid_file_type"},
		"an empty file":              {with(field{"image_file", "a.jpg", nil}), 400, "failed_to_read_image"},
		"too many pixels":            {with(field{"image_file", "a.png", headerOf(60000, 60000)}), 400, "resolution_too_high"},
		"a file over the limit":      {with(field{"image_file", "a.jpg", make([]byte, image.MaxBytes+1)}), 400, "file_too_large"},
		"half a photo":               {with(field{"image_file", "a.jpg", cat.content[:9000]}), 400, "failed_to_read_image"},
		"no base64 in a form":        {with(text("image_file_b64", "%%%")), 400, "failed_to_read_image"},
		"no base64":                  {jsonBody(`{"image_file_b64": "%%%"}`), 400, "failed_to_read_image"},
		"base64 over the limit":      {with(text("image_file_b64", strings.Repeat("AAAA", image.MaxBytes/3+1))), 400, "file_too_large"},
		"no JSON":                    {jsonBody(`image_file_b64`), 400, "malformed_request"},
		"a JSON list":                {jsonBody(`[1]`), 400, "malformed_request"},
		"a list in JSON":             {jsonBody(`{"size": ["hd"]}`), 400, "malformed_request"},
		"JSON that ends early":       {jsonBody(`{"size": "hd"`), 400, "malformed_request"},
		"more than JSON":             {jsonBody(`{"size": "hd"} {}`), 400, "malformed_request"},
		"a file in JSON":             {jsonBody(`{"image_file": "hi"}`), 400, "missing_source"},
		"an unknown option in JSON":  {jsonBody(`{"sise": 1}`), 400, "unknown_parameter"},
		"a number in JSON":           {jsonBody(`{"crop_margin": 5, "image_file_b64": "aGk="}`), 400, "invalid_crop_margin"},
		"a bad escape":               {urlencoded("size=%zz"), 400, "malformed_request"},
		"an unknown option":          {urlencoded("sise=hd"), 400, "unknown_parameter"},
		"text":                       {func(w *world) *httptest.ResponseRecorder { return w.do(t, "POST", removebg, strings.NewReader("x")) }, 415, "unsupported_content_type"},
		"improve is not there":       {func(w *world) *httptest.ResponseRecorder { return w.do(t, "POST", "/v1.0/improve", nil) }, 404, "request.no_such_address"},
		"the account is not there":   {func(w *world) *httptest.ResponseRecorder { return w.do(t, "GET", "/v1.0/account", nil) }, 404, "request.no_such_address"},
		"a GET of something to POST": {func(w *world) *httptest.ResponseRecorder { return w.do(t, "GET", removebg, nil) }, 405, "request.method"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{})
			answer := tt.send(w)
			if answer.Code != tt.status {
				t.Fatalf("answered %d %s, want %d", answer.Code, answer.Body, tt.status)
			}
			if tt.status != 200 && codeIn(t, answer) != tt.code {
				t.Errorf("answered %s, want %s", answer.Body, tt.code)
			}
			// Whatever was uploaded before the refusal is deleted with it: nobody else could.
			if names := w.names(); names != "" && !strings.HasSuffix(names, "image.deleted vault.key_destroyed") {
				t.Errorf("the record is %s", names)
			}
		})
	}
}

func TestRemoveBGWhileTheRecordIsAway(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	w.Record.Refuse = func(event.Append) error { return event.ErrUnavailable }
	answer := w.form(t, cat)
	if answer.Code != 503 || answer.Header().Get("Retry-After") == "" || codeIn(t, answer) != "record.unavailable" {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
}

func TestClientThatDoesNotWaitForItsCutoutLeavesNothing(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	ctx, hangUp := context.WithCancel(t.Context())
	body, kind := formOf(t, cat)
	r := httptest.NewRequestWithContext(ctx, "POST", removebg, body)
	r.Header.Set("Content-Type", kind)
	answer := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.site.ServeHTTP(answer, r)
	}()
	eventually(t, func() bool { return w.names() == "image.uploaded" })

	hangUp()
	<-done
	close(gate)
	w.Wait()

	if answer.Code != 499 || w.names() != "image.uploaded image.deleted vault.key_destroyed" {
		t.Errorf("status %d, the record is %s", answer.Code, w.names())
	}
}

// Only with the result does anybody learn where its receipt is, and with it the capability.
func TestRemoveBGErrorHoldsNoCapability(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) {
		c.Transform = func(context.Context, io.Reader, api.Options, io.Writer) (int, int, error) {
			return 0, 0, errors.New("broken")
		}
	})
	answer := w.form(t, cat, text("channels", "alpha"))
	if answer.Code != 500 || answer.Header().Get(api.ReceiptHeader) != "" {
		t.Errorf("answered %d %v", answer.Code, answer.Header())
	}
}

func TestRemoveBGDeletesWhatItCouldNotDeliver(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	body, kind := formOf(t, cat)
	r := httptest.NewRequestWithContext(t.Context(), "POST", removebg, body)
	r.Header.Set("Content-Type", kind)
	aborted := abortedBy(func() {
		w.site.ServeHTTP(&brokenWriter{ResponseRecorder: httptest.NewRecorder(), left: 100_000}, r)
	})
	if !aborted || w.names() != "image.uploaded image.processed image.downloaded(whole=false) image.deleted vault.key_destroyed" {
		t.Errorf("aborted %t, the record is %s", aborted, w.names())
	}
}

// The memory of a photo must be free again while its cutout is made.
func TestWaitingForACutoutTakesNoMemory(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate}, func(c *web.Config) {
		c.Limits = web.Limits{BodyMemory: 1, BodyWait: time.Minute} // one photo at a time
	})
	server := w.serve(t)
	const clients = 5
	answers := make(chan error, clients)
	for range clients {
		body, kind := formOf(t, cat)
		go func() { answers <- post(t, http.DefaultTransport, server.URL+removebg, kind, body) }()
	}
	eventually(t, func() bool { return strings.Count(w.names(), "image.uploaded") == clients })
	close(gate)
	for range clients {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
