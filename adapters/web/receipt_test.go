package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/verify"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/images"
)

// notary writes a statement in clear instead of signing it.
type notary struct{}

func (notary) Sign(_ context.Context, s usecase.Statement, older int64) ([]byte, error) {
	return fmt.Appendf(nil, "%s deleted %s entry %d against %d\n", s.Image, s.Deleted.Format(time.RFC3339), s.DeletedSeq, older), nil
}

// withReceipts gives receipts, whose capabilities are forgotten while forgotten is true.
func withReceipts(t *testing.T, forgotten *bool) *world {
	t.Helper()
	return newWorld(t, fake.Cutter{}, func(c *web.Config) {
		get, on := c.View.Get, c.Preview.(usecase.Preview)
		c.View.Get = func(ctx context.Context, img id.Image) (images.Picture, error) {
			p, err := get(ctx, img)
			if *forgotten {
				p.Capability = ""
			}
			return p, err
		}
		c.Receipt = usecase.Receipt{Record: on.Record, Vault: on.Vault, Blobs: on.Blobs, Notary: notary{}, Now: c.Now}
	})
}

func TestReceiptForWhoeverHoldsTheCapability(t *testing.T) {
	forgotten := false
	w := withReceipts(t, &forgotten)
	up := w.uploadReady(t)
	for _, path := range []string{"/v1/images/" + up.ID + "/receipt", "/i/" + up.ID + "/receipt"} {
		if early := w.do(t, "GET", withKey(path, up), nil); up.Links.Receipt == path && (early.Code != 409 || codeIn(t, early) != "receipt.not_deleted") {
			t.Errorf("%s before its time: %d %s", path, early.Code, early.Body)
		}
		if done := w.do(t, "DELETE", withKey("/v1/images/"+up.ID, up), nil); done.Code != 200 {
			t.Fatalf("delete: %d", done.Code)
		}
		got := w.do(t, "GET", withKey(path, up)+"&against=2", nil)
		h := got.Header()
		if want := up.ID + " deleted 2026-03-02T12:00:00Z entry 3 against 2\n"; got.Code != 200 || got.Body.String() != want ||
			h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Content-Disposition") != `attachment; filename="deletion-receipt.txt"` || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %q %v", path, got.Code, got.Body, h)
		}
		bearer := w.do(t, "GET", path, nil, "Authorization", "Bearer "+up.Capability)
		if bearer.Code != 200 {
			t.Errorf("%s with a header: %d", path, bearer.Code)
		}
		for _, query := range []string{"", "?key=wrong"} {
			if got := w.do(t, "GET", path+query, nil); got.Code != 404 || codeIn(t, got) != image.ErrUnknown.Code {
				t.Errorf("%s%s: %d %s", path, query, got.Code, got.Body)
			}
		}
		for _, size := range []string{"0", "-1", "x", "01", "9999999999999999999"} {
			if got := w.do(t, "GET", withKey(path, up)+"&against="+size, nil); got.Code != 400 || codeIn(t, got) != "receipt.against" {
				t.Errorf("against %s: %d %s", size, got.Code, got.Body)
			}
		}
	}
	// A month later nobody knows any more whose link that was.
	forgotten = true
	if got := w.do(t, "GET", withKey("/v1/images/"+up.ID+"/receipt", up), nil); got.Code != 404 || codeIn(t, got) != image.ErrUnknown.Code {
		t.Errorf("after the capability was forgotten: %d %s", got.Code, got.Body)
	}
	if strings.Contains(w.log.String(), up.Capability) || strings.Contains(w.log.String(), up.ID) {
		t.Error("the log knows whose receipt it was")
	}
}

func TestPageOfADeletedPictureOffersItsReceipt(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	link := `href="/i/` + up.ID + `/receipt?key=` + up.Capability + `"`
	if before := w.do(t, "GET", up.Links.Page, nil); before.Code != 200 || strings.Contains(before.Body.String(), "/receipt") {
		t.Errorf("before: %d", before.Code)
	}
	w.do(t, "DELETE", withKey("/v1/images/"+up.ID, up), nil)
	if after := w.do(t, "GET", up.Links.Page, nil); !strings.Contains(after.Body.String(), link) || !strings.Contains(after.Body.String(), `href="/verify"`) {
		t.Errorf("the page has no link to the receipt: %s", after.Body)
	}
}

// built stands for a check that was built.
func built(t *testing.T) fstest.MapFS {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte("the program")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"bgverify.wasm.gz": {Data: packed.Bytes()}, "wasm_exec.js": {Data: []byte("the starter")}}
}

func TestVerifierIsServedWhenItWasBuilt(t *testing.T) {
	v, err := verify.New(built(t))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Verifier = v })
	shown := w.do(t, "GET", "/verify", nil).Body.String()
	address := func(attribute string) string {
		_, rest, _ := strings.Cut(shown, attribute+`="`)
		path, _, ok := strings.Cut(rest, `"`)
		if !ok || !strings.HasPrefix(path, "/verify/") {
			t.Fatalf("the page names no %s: %s", attribute, shown)
		}
		return path
	}
	program, starter := address("data-program"), address("data-starter")

	plain := w.do(t, "GET", program, nil)
	if plain.Code != 200 || plain.Body.String() != "the program" || plain.Header().Get("Content-Type") != "application/wasm" || plain.Header().Get("Content-Encoding") != "" {
		t.Errorf("the program: %d %q %v", plain.Code, plain.Body, plain.Header())
	}
	packed := w.do(t, "GET", program, nil, "Accept-Encoding", "gzip, br")
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("packed: %v, %v", err, packed.Header())
	}
	if content, err := io.ReadAll(unpacked); err != nil || string(content) != "the program" {
		t.Errorf("packed: %q, %v", content, err)
	}
	if got := w.do(t, "GET", starter, nil); got.Body.String() != "the starter" || !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("the starter: %q %v", got.Body, got.Header())
	}
	if old := w.do(t, "GET", "/verify/0123456789abcdef/bgverify.wasm", nil); old.Code != 200 || old.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("an older version: %d %v", old.Code, old.Header())
	}
	if none := w.do(t, "GET", "/verify/0123456789abcdef/other", nil); none.Code != 404 {
		t.Errorf("another file: %d", none.Code)
	}
}

func TestVerifierIsNotPromisedWhenItWasNotBuilt(t *testing.T) {
	empty, err := verify.New(fstest.MapFS{".gitignore": {}})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*verify.Verifier{"none": nil, "an empty folder": empty} {
		w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Verifier = v })
		got := w.do(t, "GET", "/verify", nil)
		if body := got.Body.String(); got.Code != 200 || !strings.Contains(body, "bgverify receipt FILE") || strings.Contains(body, "data-verify") {
			t.Errorf("%s: %d %s", name, got.Code, body)
		}
		for _, file := range []string{"bgverify.wasm", "wasm_exec.js"} {
			if got := w.do(t, "GET", "/verify/x/"+file, nil, "Accept-Encoding", "gzip"); got.Code != 404 || got.Header().Get("Content-Encoding") != "" {
				t.Errorf("%s: %s: %d %v", name, file, got.Code, got.Header())
			}
		}
	}
	damaged := built(t)
	damaged["bgverify.wasm.gz"].Data[0] = 0
	if _, err := verify.New(damaged); err == nil {
		t.Error("a damaged check is taken")
	}
	delete(damaged, "wasm_exec.js")
	if _, err := verify.New(damaged); err == nil {
		t.Error("half a check is taken")
	}
}

// One page may compile WebAssembly. Every other answer of the site keeps its policy.
func TestOnlyTheVerifierMayCompile(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	pages := []string{"/", "/stats", "/nothing-here", "/verify/x/other", up.Links.Page, "/v1/images/" + up.ID, "/i/" + up.ID, "/livez"}
	for _, path := range append(pages, "/verify") {
		policy := w.do(t, "GET", path, nil).Header().Get("Content-Security-Policy")
		if wasm := strings.Contains(policy, "'wasm-unsafe-eval'"); wasm != (path == "/verify") {
			t.Errorf("%s is sent with %s", path, policy)
		}
		if strings.Contains(policy, "'unsafe-") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s is sent with %s", path, policy)
		}
	}
	if got := w.do(t, http.MethodPost, "/verify", strings.NewReader("x")); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("something can be sent there: %d", got.Code)
	}
}
