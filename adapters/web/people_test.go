package web_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// The whole way of somebody whose browser runs no script: forms and links, nothing else.
func TestWithFormsAndLinksAlone(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, fake.Cutter{Gate: gate})
	page := func(target string, want ...string) string {
		t.Helper()
		answer := w.do(t, "GET", target, nil)
		for _, text := range want {
			if answer.Code != 200 || !strings.Contains(answer.Body.String(), text) {
				t.Fatalf("%s answered %d without %q:\n%s", target, answer.Code, text, answer.Body)
			}
		}
		return answer.Body.String()
	}

	page("/", `action="/i" method="post" enctype="multipart/form-data"`, `name="image"`)
	body, kind := formOf(t, field{"image", "a.jpg", testphotos.Original("coffee")})
	sent := w.do(t, "POST", "/i", body, "Content-Type", kind, "Sec-Fetch-Site", "same-origin", "Origin", "null")
	picture := sent.Header().Get("Location")
	if sent.Code != http.StatusSeeOther || !strings.HasPrefix(picture, "/i/") {
		t.Fatalf("the form leads to %d %q", sent.Code, picture)
	}
	page(picture, `<noscript><meta http-equiv="refresh" content="2"></noscript>`, "Cutting it out", "Delete now")
	close(gate)
	w.Wait()
	ready := page(picture, "Your cutout is ready", "Download PNG", "3 March 2026, 12:00:00 UTC")
	if strings.Contains(ready, "refresh") {
		t.Error("the page reloads although there is nothing to wait for")
	}
	if answer := w.do(t, "GET", strings.Replace(picture, "?", "/result?", 1), nil); answer.Code != 200 {
		t.Fatalf("the download answered %d", answer.Code)
	}
	page(picture, "It is gone.", "you downloaded the cutout", "No. 4 <code>image.deleted</code>", "No. 5 <code>vault.key_destroyed</code>", "image.delete-on-download")
	again := w.do(t, "GET", strings.Replace(picture, "?", "/result?", 1), nil)
	if again.Code != http.StatusGone || !strings.Contains(again.Body.String(), "This photo and its cutout are deleted.") {
		t.Errorf("asking again answers %d %s", again.Code, again.Body)
	}
}

func TestDeleteForm(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	w.advance(42 * time.Second)
	answer := w.do(t, "POST", withKey("/i/"+up.ID+"/delete", up), nil, "Sec-Fetch-Site", "same-origin")
	if answer.Code != 303 || answer.Header().Get("Location") != up.Links.Page {
		t.Fatalf("answered %d to %q", answer.Code, answer.Header().Get("Location"))
	}
	if got := w.do(t, "GET", up.Links.Page, nil).Body.String(); !strings.Contains(got, "you asked for it") || !strings.Contains(got, "42 seconds") {
		t.Errorf("the proof is %s", got)
	}
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	up := w.uploadReady(t)
	for _, target := range []string{"/i", withKey("/i/"+up.ID+"/delete", up)} {
		body, kind := formOf(t, field{"image", "a.jpg", testphotos.Original("coffee")})
		answer := w.do(t, "POST", target, bytes.NewReader(body.Bytes()), "Content-Type", kind, "Sec-Fetch-Site", "cross-site")
		if answer.Code != http.StatusForbidden || codeIn(t, answer) != "request.cross_origin" {
			t.Errorf("%s answered %d %s", target, answer.Code, answer.Body)
		}
	}
	if w.names() != "image.uploaded image.processed" {
		t.Errorf("the record is %s", w.names())
	}
}

func TestPageOfAPhotoThatFailed(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	whole := testphotos.Original("coffee")
	body, kind := formOf(t, field{"image", "a.jpg", whole[:len(whole)/2]})
	sent := w.do(t, "POST", "/i", body, "Content-Type", kind)
	w.Wait()
	got := w.do(t, "GET", sent.Header().Get("Location"), nil).Body.String()
	for _, want := range []string{"No cutout this time", "The photo ends before it is complete", "Copy it again", "Delete now", "Try another photo"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
}

func TestFormErrorsAreSentences(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	body, kind := formOf(t, field{"image", "a.jpg", []byte("text")})
	answer := w.do(t, "POST", "/i", body, "Content-Type", kind)
	for _, want := range []string{"This is not a photo, whatever its name says.", "Send a JPEG, PNG, WebP or GIF.", answer.Header().Get("X-Request-Id")} {
		if answer.Code != 415 || !strings.Contains(answer.Body.String(), want) {
			t.Errorf("answered %d without %q:\n%s", answer.Code, want, answer.Body)
		}
	}
}

// Nothing on any page may come from elsewhere, or need what the policy forbids.
func TestPagesNameNoOtherOrigin(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, publishes(t, policy.Operator{}))
	up := w.uploadReady(t)
	for _, target := range []string{"/", "/stats", "/privacy", "/promises", "/nowhere", up.Links.Page} {
		body := w.do(t, "GET", target, nil).Body.String()
		for _, bad := range []string{"http://", "https://", `src="//`, " style=", " onclick=", "<style", "javascript:"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", target, bad)
			}
		}
	}
}

func TestAssetsAreKeptForEverUnderTheirOwnVersion(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	_, rest, _ := strings.Cut(w.do(t, "GET", "/", nil).Body.String(), `<link rel="stylesheet" href="`)
	sheet, _, _ := strings.Cut(rest, `"`)
	now := w.do(t, "GET", sheet, nil)
	if h := now.Header(); now.Code != 200 || h.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(h.Get("Cache-Control"), "immutable") {
		t.Errorf("%s answered %d %v", sheet, now.Code, h)
	}
	old := w.do(t, "GET", "/assets/0123456789abcdef/site.css", nil)
	if old.Code != 200 || old.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("another version answered %d %v", old.Code, old.Header())
	}
}
