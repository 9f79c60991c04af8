// Package page renders the site's HTML: one layout, one stylesheet, a few small modules.
//
// Read it in this order: page.go (a template over the layout, and the policy that a page
// is sent with), error.go, assets.go; then layout.html and assets/. The pages themselves
// live with their handlers. Nothing here uses a cookie, an inline script or style, or any
// other origin.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/scope"
)

//go:embed layout.html error.html assets
var files embed.FS

// Template is one page of the site.
type Template struct {
	layout *template.Template
	wasm   bool
}

// Must parses a page: files that together define the templates "title" and "main", and may define
// "head", "nav" and "foot". It panics on a mistake, at start.
func Must(fsys fs.FS, names ...string) *Template {
	layout := template.New("layout.html").Funcs(template.FuncMap{
		"utc":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"hour":  func(t time.Time) string { return t.UTC().Format("2 Jan, 15:04") },
		"mark":  func(t time.Time) string { return t.UTC().Format("Mon 15:04") },
		"exact": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }, // as the record holds it
	})
	template.Must(layout.ParseFS(files, "layout.html"))
	template.Must(layout.ParseFS(fsys, names...))
	return &Template{layout: layout}
}

// WithWebAssembly returns the same page, whose modules may compile WebAssembly. Nothing else
// that a script may be made of at run time is allowed with it.
func (t *Template) WithWebAssembly() *Template { return &Template{layout: t.layout, wasm: true} }

// Show answers with the page. Data is what its templates read.
func (t *Template) Show(w http.ResponseWriter, r *http.Request, status int, data any) {
	nonce := scope.Of(r.Context()).Nonce
	var body bytes.Buffer
	err := t.layout.Execute(&body, struct {
		Nonce, Assets string
		Data          any
	}{nonce, assetsPath, data})
	if err != nil {
		panic(fmt.Errorf("render a page: %w", err)) // a template that does not fit its data
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", contentSecurityPolicy(nonce, t.wasm))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may be gone
}

// contentSecurityPolicy lets a page load its own scripts and styles and pictures of its own origin. "blob:"
// is the visitor's own photo, shown before it is sent.
func contentSecurityPolicy(nonce string, wasm bool) string {
	scripts := "'nonce-" + nonce + "'"
	if wasm {
		scripts += " 'wasm-unsafe-eval'"
	}
	return "default-src 'none'; script-src " + scripts + "; style-src 'nonce-" + nonce + "'; " +
		"img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}
