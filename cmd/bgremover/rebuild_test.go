package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os/user"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
)

// answers runs a command that ends with that code, and says all of these on either stream.
func answers(t *testing.T, code int, args []string, all ...string) string {
	t.Helper()
	out, errs, got := bgremover(t, args...)
	if got != code {
		t.Errorf("%v ended with %d: %s%s", args, got, out, errs)
	}
	for _, s := range all {
		if !strings.Contains(out+errs, s) {
			t.Errorf("%v does not say %q:\n%s%s", args, s, out, errs)
		}
	}
	return out
}

// tamper changes the database behind the service's back.
func tamper(t *testing.T, data, sql string) {
	t.Helper()
	open, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := open.close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := open.pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestViewsAreMadeAnew(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	check := []string{"rebuild", "--check", "--data", data}

	answers(t, 0, check, "images.picture: identical", "analytics.tally: identical", "trail.fact: identical", "trail: identical at fact ")
	if certified, all := s.record("--type", "projection.certified.v1"), views(); len(certified) != len(all) {
		t.Errorf("%d of %d views are certified", len(certified), len(all))
	}

	tamper(t, data, `update images.picture set total_ms = null`)
	if got := s.status(a); got != "waiting" {
		t.Errorf("after tampering the picture is %s", got)
	}
	answers(t, 1, check, "images.picture: DIFFERENT", "differs  "+a.ID+" (not the same)", "images: DIFFERENT at fact", "bgremover rebuild images puts that right")
	answers(t, 0, []string{"rebuild", "images", "--data", data}, "images: DIFFERENT at fact", "the rebuilt one is live now")
	if got := s.status(a); got != "ready" {
		t.Errorf("after a rebuild the picture is %s", got)
	}
	answers(t, 0, check, "images: identical")
	b := s.upload(photo(t)) // the live view goes on with the new tables
	until(t, "the second cutout", func() bool { return s.status(b) == "ready" })
	answers(t, 1, []string{"rebuild", "pictures", "--data", data}, "there is no view pictures; there are images, analytics, ")
	s.stop()

	tamper(t, data, `drop schema trail cascade`)
	answers(t, 0, []string{"rebuild", "--data", data}, "images: identical", "trail: ")
	answers(t, 0, check, "images: identical", "trail: identical")
	s = serve(t, data)
	if got := s.status(b); got != "ready" {
		t.Errorf("after all that the picture is %s", got)
	}
	answers(t, 0, check, "images: identical", "trail: identical")
}

func TestStoppedViewGoesOnBehindAFact(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	list, skip := []string{"projections", "--data", data}, func(seq int64, view, because string) []string {
		return []string{"projections", "skip", fmt.Sprint(seq), "--view", view, "--because", because, "--data", data}
	}
	lines, _, _ := bgremover(t, list...)
	if all := len(views()); strings.Count(lines, " following ") != all {
		t.Errorf("not all of %d views follow:\n%s", all, lines)
	}
	answers(t, 1, skip(1, "trail", "for fun"), "does not stand at that fact")
	answers(t, 1, skip(1, "trial", "for fun"), "no view of this name")

	tamper(t, data, `alter table trail.fact add constraint no_cutout check (type <> 'image.processed.v1')`)
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	at := s.record("--type", "image.processed.v1")[0].Seq
	until(t, "the view to stop", func() bool {
		out, _, _ := bgremover(t, list...)
		return strings.Contains(out, "stopped") && strings.Contains(out, fmt.Sprintf("fact %d (image.processed.v1)", at)) && strings.Contains(out, "SQLSTATE 23514")
	})
	if res := s.ask(http.MethodGet, "/readyz", ""); res.code != http.StatusServiceUnavailable {
		t.Errorf("with a stopped view the service is %v", res)
	}
	answers(t, 1, []string{"rebuild", "trail", "--check", "--data", data}, fmt.Sprintf("not compared: the live view stands at fact %d of ", at-1))
	answers(t, 1, skip(at-1, "trail", "broken"), "does not stand at that fact")
	answers(t, 1, skip(at+1, "trail", "broken"), "does not stand at that fact")
	answers(t, 1, skip(at, "images", "broken"), "does not stand at that fact")
	answers(t, 1, skip(at, "trail", " "), "for a reason")
	answers(t, 0, skip(at, "trail", "a canary named Hansi sits on it"), fmt.Sprintf("recorded: trail goes on behind fact %d", at))
	until(t, "the view to go on", func() bool {
		out, _, _ := bgremover(t, list...)
		return !strings.Contains(out, "stopped") && s.ask(http.MethodGet, "/readyz", "").code == http.StatusOK
	})
	fact := s.record("--type", "projection.skipped.v1")
	if len(fact) != 1 || fact[0].Actor != "operator" || string(fact[0].Data) != fmt.Sprintf(`{"view":"trail","seq":%d,"reason":"[sealed]"}`, at) {
		t.Errorf("recorded: %+v", fact)
	}
	notInTheOpen(t, fact, "Hansi")
	answers(t, 0, []string{"rebuild", "trail", "--check", "--data", data}, "trail: identical")
	answers(t, 0, []string{"rebuild", "trail", "--data", data}, "trail: identical")

	unskip := skip(at, "trail", "mended")
	unskip[1] = "unskip"
	answers(t, 0, unskip, fmt.Sprintf("bgremover rebuild trail applies fact %d again", at))
	answers(t, 1, unskip, "does not skip that fact")
	answers(t, 1, []string{"rebuild", "trail", "--check", "--data", data}, fmt.Sprintf("differs  %d (only rebuilt)", at))
	answers(t, 0, []string{"rebuild", "trail", "--data", data}, "the rebuilt one is live now")
	answers(t, 0, []string{"rebuild", "trail", "--check", "--data", data}, "trail: identical")
	s.stop()
}

func notInTheOpen(t *testing.T, facts []operator.Line, secret string) {
	t.Helper()
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		if all := fmt.Sprintf("%+v %s", f, f.Data); strings.Contains(all, secret) || strings.Contains(all, who.Username) {
			t.Errorf("in the open: %s", all)
		}
	}
}
