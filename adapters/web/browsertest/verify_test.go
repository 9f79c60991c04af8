//go:build browser

package browsertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/verify"
)

// verifier is the check of receipts, built as "make verifier" does.
func verifier(t *testing.T) fstest.MapFS {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	starter, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bgverify.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../../../cmd/bgverify")
	build.Env = append(build.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the check: %v: %s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(program)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"bgverify.wasm.gz": {Data: packed.Bytes()}, "wasm_exec.js": {Data: starter}}
}

// startVerifier starts a site that has the check, or was built without it. Stopping it
// leaves the pages that browsers have.
func startVerifier(t *testing.T, files fstest.MapFS) (url string, stop func()) {
	t.Helper()
	check, err := verify.New(files)
	if err != nil {
		t.Fatal(err)
	}
	site := web.New(web.Config{Verifier: check, Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(site)
	stop = sync.OnceFunc(func() {
		site.Stop()
		server.CloseClientConnections()
		server.Close()
	})
	t.Cleanup(stop)
	return server.URL, stop
}

// golden is a receipt of internal/evidence.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "internal", "evidence", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// goldenKey signed it.
const goldenKey = "log.example.org/2026+f42faeed+AT0avqPgf6Pm9S6c/Ue4YPo4zhM+LX2Sf8PdVegigHT0"

// requests counts what the browser asks anybody for.
func (v *visitor) requests() *atomic.Int64 {
	v.Helper()
	var asked atomic.Int64
	v.do(Protocol(network.Enable, network.EnableParams{}))
	ctx, cancel := context.WithCancel(v.ctx)
	events := cdp.Events(ctx, chromedp.FromContext(v.ctx).Target, network.RequestWillBeSent)
	var watching sync.WaitGroup
	watching.Go(func() {
		for e, err := range events {
			if err != nil {
				return
			}
			if !strings.HasPrefix(e.Request.URL, "blob:") {
				asked.Add(1)
			}
		}
	})
	v.Cleanup(func() { cancel(); watching.Wait() })
	return &asked
}

// verdict waits for one that begins with these words.
func (v *visitor) verdict(words string) {
	v.Helper()
	v.until(fmt.Sprintf(`document.querySelector('[data-verdict]').textContent.startsWith(%q)`, words))
}

// drop lets go of a file over the page.
func (v *visitor) drop(content []byte) {
	v.Helper()
	v.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{
		const held = new DataTransfer();
		held.items.add(new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], 'deletion-receipt.txt'));
		document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: held, bubbles: true, cancelable: true }));
	}`, base64.StdEncoding.EncodeToString(content))))
}

// A receipt, one with a flipped bit, and what is none: checked in the browser, with the
// service away once the page is loaded, and without asking anybody for anything.
func TestReceiptsAreCheckedHere(t *testing.T) {
	files := verifier(t)
	whole := golden(t, "proof.txt")
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	checkpoint := noteIn(string(whole))
	for scheme, setUp := range map[string][]Step{"light": nil, "dark": {dark()}} {
		for _, width := range []int64{1280, 320} {
			t.Run(fmt.Sprintf("%s-%d", scheme, width), func(t *testing.T) {
				url, stop := startVerifier(t, files)
				v := visit(t, cookiesOff)
				asked := v.requests()
				v.do(append(setUp, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url+"/verify"))...)
				v.until(`document.querySelector('[data-verify]').dataset.state === 'ready'`)
				t.Logf("ready %.0f ms after the page was asked for; the program has %.2f MB, packed",
					get(v, chromedp.Evaluate[float64](`performance.now()`)), float64(len(files["bgverify.wasm.gz"].Data))/1e6)
				v.check("verify-empty-"+scheme, width)
				stop()
				before := asked.Load()
				if before == 0 {
					t.Fatal("nothing was seen of the page being loaded: requests are not counted")
				}

				v.drop(whole)
				v.verdict("This receipt holds; something is open.")
				v.do(chromedp.SendKeys(chromedp.CSS(`summary`), "\r"))
				v.do(chromedp.SendKeys(chromedp.CSS(`#key`), goldenKey+"\r"))
				v.verdict("This receipt holds.")
				v.until(`[...document.querySelectorAll('[data-findings] li')].some(li => li.className === 'attested' && li.textContent.includes('NIST'))`)
				v.check("verify-holds-"+scheme, width)

				v.do(chromedp.SetUploadFiles(chromedp.CSS("#against"), []string{file(t, "checkpoint.txt", []byte(checkpoint))}))
				v.until(`document.querySelector('[data-findings]').textContent.includes('the one of the checkpoint that you kept')`)

				v.do(chromedp.SetUploadFiles(chromedp.CSS("#receipt"), []string{file(t, "flipped.txt", flipped)}))
				v.verdict("The signature is not right")
				v.until(`document.querySelectorAll('[data-findings] li').length === 0`)
				v.check("verify-refused-"+scheme, width)

				v.do(chromedp.SetUploadFiles(chromedp.CSS("#receipt"), []string{photo(t)}))
				v.verdict("This is not a deletion receipt")
				v.drop([]byte("hello"))
				v.verdict("This is not a deletion receipt")
				v.drop(golden(t, "promise.txt"))
				v.verdict("This receipt holds, as a promise")

				if after := asked.Load(); after != before {
					t.Errorf("checking made %d requests", after-before)
				}
			})
		}
	}
}

// noteIn is the checkpoint in a receipt.
func noteIn(receipt string) string {
	_, rest, _ := strings.Cut(receipt, "\ncheckpoint\n")
	quoted, _, _ := strings.Cut(rest, "\npath ")
	return strings.ReplaceAll("\n"+quoted, "\n|", "\n")[1:] + "\n"
}

func TestPageSaysWhenTheCheckWasNotBuilt(t *testing.T) {
	url, _ := startVerifier(t, nil)
	v := visit(t, cookiesOff)
	v.do(chromedp.Navigate(url + "/verify"))
	v.until(`document.querySelector('main').textContent.includes('bgverify receipt FILE')`)
	v.check("verify-not-built", 1280)
}
