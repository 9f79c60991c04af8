package opa

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestNewServer(t *testing.T) {
	tests := map[string]bool{
		"https://policy.example/bundles/bgremover.tar.gz": true,
		"http://127.0.0.1:8181/bundle.tar.gz":             true,
		"http://localhost/bundle.tar.gz":                  true,
		"http://[::1]/bundle.tar.gz":                      true,
		"http://policy.example/bundle.tar.gz":             false,
		"http://127.0.0.1.example/bundle.tar.gz":          false,
		"https://me:secret@policy.example/bundle.tar.gz":  false,
		"https://":             false,
		"file:///etc/passwd":   false,
		"bundle.tar.gz":        false,
		"https://x.example/#y": false,
	}
	for address, ok := range tests {
		if _, err := NewServer(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestFetch(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"/whole": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"one"`)
			if r.Header.Get("If-None-Match") == `"one"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = w.Write([]byte("archive"))
		},
		"/large":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxArchive+1)) },
		"/missing":   http.NotFound,
		"/elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/whole", http.StatusFound) },
		"/cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("archive"))
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
	defer server.Close()
	for path, want := range map[string]string{"/large": "policy.archive_size", "/missing": "404", "/elsewhere": "another address", "/cut": "EOF"} {
		s, err := NewServer(server.URL + path + "?token=secret")
		must(t, err)
		_, _, err = s.Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", path, err)
		}
	}
	s, err := NewServer(server.URL + "/whole")
	must(t, err)
	for _, want := range []string{"archive", "archive"} { // until it was taken
		archive, etag, err := s.Fetch(t.Context())
		if string(archive) != want || etag != `"one"` || err != nil {
			t.Errorf("got %q, %q, %v", archive, etag, err)
		}
	}
	s.Taken(`"one"`)
	if archive, _, err := s.Fetch(t.Context()); archive != nil || err != nil {
		t.Errorf("got %q, %v", archive, err)
	}
	server.Close()
	if _, _, err := s.Fetch(t.Context()); err == nil || strings.Contains(err.Error(), "whole") {
		t.Errorf("away: %v", err)
	}
}
