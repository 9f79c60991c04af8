package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// The whole life of a photo through a service of its own: everything in it is the real part.
func TestOnePhotoEndToEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	res, err := s.post("/v1.0/removebg", "image_file", photo(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.code != http.StatusOK || res.header.Get("Content-Type") != "image/png" {
		t.Fatalf("got %s", res)
	}
	checkCutout(t, res.body)

	want := "image.uploaded image.processed image.downloaded image.deleted vault.key_destroyed"
	var record []operator.Line
	// The deletion's facts follow the last byte.
	until(t, want, func() bool { record = s.record(); return story(record) == want })
	for i, l := range record {
		if l.Seq != int64(i+1) {
			t.Errorf("line %d has seq %d", i+1, l.Seq)
		}
	}
	record = slices.DeleteFunc(record, func(l operator.Line) bool { return story([]operator.Line{l}) == "" })
	if d := record[0].Decision; d == nil || d.Rule != "retention.deadline" || d.Outcome != "allow" {
		t.Errorf("the upload does not say which decision allowed it: %+v", d)
	}
	if !bytes.Contains(record[0].Data, []byte(`"name":"[sealed]"`)) {
		t.Errorf("the file's name does not show as sealed: %s", record[0].Data)
	}
	until(t, "no sealed copy left", func() bool { return len(sealed(t, s.data)) == 0 })

	if got := s.record("--type", "image.deleted.v1"); len(got) != 1 || got[0].Seq != record[3].Seq {
		t.Errorf("filtered by type: %+v", got)
	}
	if got := s.record("--subject", string(record[0].Subject)); len(got) != 4 {
		t.Errorf("filtered by subject: %d facts", len(got))
	}
	s.stop()
	if strings.Contains(s.log.String(), "holiday") {
		t.Error("the log holds the photo's file name")
	}
}

// checkCutout says whether the astronaut was cut out: she stays, the flag behind her goes.
func checkCutout(t *testing.T, cutout []byte) {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(cutout))
	if err != nil {
		t.Fatal(err)
	}
	img, ok := decoded.(*image.NRGBA)
	if !ok || img.Bounds().Dx() != 512 || img.Bounds().Dy() != 512 {
		t.Fatalf("the result is a %T of %v", decoded, decoded.Bounds())
	}
	if face, corner := img.NRGBAAt(225, 110).A, img.NRGBAAt(5, 5).A; face < 250 || corner > 5 {
		t.Errorf("alpha of the face is %d, of the background %d", face, corner)
	}
}

func TestUploadFollowDownloadGone(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	a := s.upload(photo(t))
	if left := time.Until(a.DeleteBy); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("deleted by %s, in %s", a.DeleteBy, left)
	}
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	path := "/v1/images/" + a.ID

	if res := s.ask(http.MethodHead, path+"/result", a.Capability); res.code != http.StatusOK || len(res.body) != 0 {
		t.Errorf("HEAD: %s", res)
	}
	for _, of := range []string{"", "?of=original"} {
		res := s.ask(http.MethodGet, path+"/preview"+of, a.Capability)
		if cfg, err := png.DecodeConfig(bytes.NewReader(res.body)); err != nil || cfg.Width != 512 {
			t.Errorf("preview%s: %d, %v", of, res.code, err)
		}
	}
	for _, token := range []string{"", "wrong", a.Capability[1:] + "0"} {
		if res := s.ask(http.MethodGet, path, token); res.code != http.StatusNotFound {
			t.Errorf("token %q: %s", token, res)
		}
	}
	res := s.ask(http.MethodGet, path+"/result", a.Capability)
	if res.code != http.StatusOK {
		t.Fatalf("result: %s", res)
	}
	checkCutout(t, res.body)
	until(t, "the deletion", func() bool { return s.status(a) == "deleted" })
	if res := s.ask(http.MethodGet, path+"/result", a.Capability); res.code != http.StatusGone {
		t.Errorf("a second download: %s", res)
	}
	if want := "image.uploaded image.processed image.downloaded image.deleted vault.key_destroyed"; story(s.record()) != want {
		t.Errorf("the record says %q", story(s.record()))
	}

	// The figures of the hour hold what happened.
	if res := s.ask(http.MethodGet, "/stats", ""); res.code != http.StatusOK || !bytes.Contains(res.body, []byte("<svg")) {
		t.Errorf("/stats: %s", res)
	}
}

func TestBadPhotosAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	jpeg := photo(t)
	huge := hugePNGHeader(t)
	tests := map[string]struct {
		photo  []byte
		status int
		code   string
	}{
		"empty":            {nil, http.StatusBadRequest, "image.empty"},
		"text":             {[]byte("this is no photo at all, whatever it is called"), http.StatusUnsupportedMediaType, "image.not_an_image"},
		"60000×60000":      {huge, http.StatusRequestEntityTooLarge, "image.too_many_pixels"},
		"over the limit":   {append(bytes.Clone(jpeg), make([]byte, 25<<20)...), http.StatusRequestEntityTooLarge, "image.too_large"},
		"cut in its heads": {jpeg[:100], http.StatusUnprocessableEntity, "image.truncated"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res, err := s.post("/v1/images", "image", tt.photo, nil)
			if err != nil {
				t.Fatal(err)
			}
			var problem struct{ Code, Detail, Help string }
			if err := json.Unmarshal(res.body, &problem); err != nil || res.code != tt.status || problem.Code != tt.code {
				t.Errorf("got %s, want %d %s", res, tt.status, tt.code)
			}
		})
	}
	if record := s.record(); story(record) != "" || len(sealed(t, s.data)) != 0 {
		t.Errorf("refused photos left %q and %d objects", story(record), len(sealed(t, s.data)))
	}

	t.Run("cut in its pixels", func(t *testing.T) {
		a := s.upload(jpeg[:len(jpeg)/2])
		until(t, "the refusal", func() bool { return s.status(a) == "failed" })
		if res := s.ask(http.MethodGet, "/v1/images/"+a.ID, a.Capability); !bytes.Contains(res.body, []byte("image.truncated")) {
			t.Errorf("its owner sees %s", res)
		}
		if res := s.ask(http.MethodDelete, "/v1/images/"+a.ID, a.Capability); res.code != http.StatusOK {
			t.Errorf("delete: %s", res)
		}
		if want := "image.uploaded image.processing_failed image.deleted vault.key_destroyed"; story(s.record()) != want {
			t.Errorf("the record says %q", story(s.record()))
		}
	})
}

// hugePNGHeader is a PNG that claims 60000 × 60000 pixels and has none.
func hugePNGHeader(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return repairIHDR(b.Bytes(), 60000, 60000)
}

func TestSameRequestAgainAfterARestart(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	mine := http.Header{"Idempotency-Key": {"holiday-1"}}
	send := func(s *running, photo []byte) answer {
		res, err := s.post("/v1/images", "image", photo, mine)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	s := serve(t, data)
	first := s.accepted(send(s, photo(t)))
	s.kill()
	s = serve(t, data)
	if again := s.accepted(send(s, photo(t))); again.ID != first.ID || again.Capability != first.Capability {
		t.Errorf("the first time %+v, again %+v", first, again)
	}
	if other := send(s, testphotos.Original("coffee")); other.code != http.StatusUnprocessableEntity {
		t.Errorf("another photo under the same key: %s", other)
	}
	if got := s.record("--type", "image.uploaded.v1"); len(got) != 1 {
		t.Errorf("%d uploads are recorded", len(got))
	}
}

// A deadline, tried for real by moving the service's clock.
func TestDueIsDeletedAfterARestart(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	s.kill()

	s = serve(t, data, "--clock-offset", "25h")
	until(t, "the deletion", func() bool { return s.status(a) == "deleted" })
	record := s.record("--type", "image.deleted.v1")
	var fact struct {
		Why         string
		Due, Actual time.Time
	}
	if len(record) != 1 || json.Unmarshal(record[0].Data, &fact) != nil {
		t.Fatalf("the record says %+v", record)
	}
	if fact.Why != "due" || !fact.Due.Equal(a.DeleteBy) || fact.Actual.Before(fact.Due) {
		t.Errorf("the fact says %+v, and it was to be deleted by %s", fact, a.DeleteBy)
	}
	until(t, "no sealed copy left", func() bool { return len(sealed(t, data)) == 0 })
	s.stop()

	// Recorded time does not run backwards.
	_, errs, code := bgremover(t, "serve", "--data", data, "--addr", "127.0.0.1:0", "--metrics-addr", "",
		"--model", "u2netp", "--accept-model-passport", "u2netp", "--clock-offset", "1h")
	if code == 0 || !strings.Contains(errs, "clock offset") {
		t.Errorf("a smaller offset: exit code %d, %s", code, errs)
	}
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	// The test server's own certificate, which its client trusts.
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	borrowed.Close()
	pair := borrowed.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))

	s := serve(t, dataFolder(t), "--tls-cert", cert, "--tls-key", keyFile)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := borrowed.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.TLS == nil || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("got %s, headers %v", res.Status, res.Header)
	}
}

func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	tests := map[string]struct {
		flags []string
		says  string
	}{
		"a model nobody vouches for": {[]string{"--data", dataFolder(t), "--model", "u2netp"}, "--accept-model-passport=u2netp"},
		"a folder in use":            {[]string{"--data", s.data, "--model", "u2netp", "--accept-model-passport", "u2netp"}, "in use"},
		"for others, by nobody":      {[]string{"--data", dataFolder(t), "--behind-tls-proxy"}, "--operator-region"},
		"in clear for others":        {[]string{"--data", dataFolder(t), "--addr", "0.0.0.0:8080"}, "--tls-cert"},
		"keeping for longer":         {[]string{"--data", dataFolder(t), "--delete-after", "25h"}, "24h"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, errs, code := bgremover(t, append([]string{"serve", "--metrics-addr", "", "--addr", "127.0.0.1:0"}, tt.flags...)...)
			if code == 0 || !strings.Contains(errs, tt.says) {
				t.Errorf("exit code %d, %s; want a word about %q", code, errs, tt.says)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	accept := []string{"--model", "u2netp", "--accept-model-passport", "u2netp"}
	for name, how := range map[string][]string{"in process": accept, "by a service": {"--server", s.url}} {
		t.Run(name, func(t *testing.T) {
			photos, out := t.TempDir(), t.TempDir()
			write(t, filepath.Join(photos, "a.jpg"), photo(t))
			write(t, filepath.Join(photos, "more", "b.jpg"), photo(t))
			write(t, filepath.Join(photos, "more", "broken.png"), []byte("text"))
			write(t, filepath.Join(photos, "notes.txt"), []byte("no photo, and not looked at"))

			_, errs, code := bgremover(t, append([]string{"remove", photos, "-d", out}, how...)...)
			if code != 1 || strings.Contains(errs, "%") || !strings.Contains(errs, "broken.png: ") || !strings.Contains(errs, "1 of 3 photos failed") {
				t.Errorf("exit code %d, %s", code, errs)
			}
			for _, f := range []string{"a.cutout.png", "more/b.cutout.png"} {
				cutout, err := os.ReadFile(filepath.Join(out, f))
				if err != nil {
					t.Fatal(err)
				}
				checkCutout(t, cutout)
			}
			if left, _ := filepath.Glob(filepath.Join(out, "*", ".bgremover-*")); len(left) > 0 {
				t.Errorf("half a cutout is left: %v", left)
			}

			one := filepath.Join(out, "one.png")
			if _, errs, code := bgremover(t, append([]string{"remove", filepath.Join(photos, "a.jpg"), "-o", one}, how...)...); code != 0 {
				t.Errorf("one photo: %d, %s", code, errs)
			}
			_, errs, code = bgremover(t, append([]string{"remove", filepath.Join(photos, "a.jpg"), "-o", one}, how...)...)
			if code != 1 || !strings.Contains(errs, "--force") {
				t.Errorf("over what is there: %d, %s", code, errs)
			}
		})
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCommandsWithoutAService(t *testing.T) {
	t.Parallel()
	nowhere := t.TempDir()
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"version":              {[]string{"version"}, 0, "bgremover "},
		"config":               {[]string{"config"}, 0, "delete-after"},
		"help":                 {[]string{"--help"}, 0, "serve"},
		"help, as typed":       {[]string{"help"}, 0, "serve"},
		"help on a command":    {[]string{"help", "policy", "simulate"}, 0, "--bundle"},
		"log of nobody":        {[]string{"log", "show", "--data", nowhere}, 1, "no service is running"},
		"no such command":      {[]string{"frobnicate"}, 2, "unexpected argument frobnicate\nWhat there is: bgremover --help\n"},
		"no such subcommand":   {[]string{"policy", "simulat", "--bundle", "x"}, 2, "What there is: bgremover policy"},
		"no such flag":         {[]string{"audit", "--nope"}, 2, "unknown flag --nope\nWhat there is: bgremover audit --help\n"},
		"no such photo":        {[]string{"remove", filepath.Join(nowhere, "x.jpg")}, 1, "x.jpg"},
		"an empty folder":      {[]string{"remove", nowhere}, 1, "no photos found"},
		"-o for several":       {[]string{"remove", nowhere, "-o", "x.png", "-d", "y"}, 1, "not both"},
		"no address":           {[]string{"remove", os.Args[0], "--server", "nonsense"}, 1, "no address"},
		"all mistakes at once": {[]string{"config", "--addr", "x", "--delete-after", "99h"}, 2, "--delete-after"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, errs, code := bgremover(t, tt.args...)
			if code != tt.code || !strings.Contains(out+errs, tt.says) {
				t.Errorf("exit code %d, %s%s; want %d and a word about %q", code, out, errs, tt.code, tt.says)
			}
		})
	}
}
