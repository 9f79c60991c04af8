//go:build browser

package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// Step is what is done in the browser.
type Step = chromedp.Action[chromedp.Void]

// Open starts a browser on a profile's folder, which may hold preferences. It lives until the
// test ends; what a caller does with its context MUST have ended in a cleanup of the caller's.
func Open(t *testing.T, profile string) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(profile),
	)
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stopAlloc)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // starts it, for as long as ctx lives
		t.Fatal(err)
	}
	return ctx
}

// chromium is the browser that CHROMIUM names, or Debian's.
func chromium(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "" {
		path = "/usr/bin/chromium"
	}
	if _, err := exec.LookPath(path); err != nil {
		t.Fatalf("the browser tests need a Chromium; install one or name it in CHROMIUM: %v", err)
	}
	return path
}

// Protocol is a step that sends one command of the browser's protocol.
func Protocol[P, R any](c cdp.Command[P, R], params P) Step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}
