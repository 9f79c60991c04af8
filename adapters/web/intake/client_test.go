package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestClientOf(t *testing.T) {
	const visitor, proxy = "198.51.100.7", "10.0.0.1:4711"
	from := func(address string) usecase.Client { return usecase.NewClient(netip.MustParseAddr(address), "curl") }
	tests := map[string]struct {
		behind    bool
		peer      string
		forwarded []string
		want      usecase.Client
	}{
		"straight":                        {peer: visitor + ":4711", want: from(visitor)},
		"straight, over IPv6":             {peer: "[2001:db8::7]:4711", want: from("2001:db8::7")},
		"straight, IPv4 written as IPv6":  {peer: "[::ffff:" + visitor + "]:4711", want: from(visitor)},
		"straight, with a forged header":  {peer: visitor + ":4711", forwarded: []string{"192.0.2.1"}, want: from(visitor)},
		"from this machine":               {peer: "127.0.0.1:4711", want: usecase.ThisMachine},
		"from this machine, over IPv6":    {peer: "[::1]:4711", want: usecase.ThisMachine},
		"a proxy here that is not stated": {peer: "127.0.0.1:4711", forwarded: []string{visitor}, want: from("127.0.0.1")},
		"no address":                      {peer: "@", want: usecase.Client{}},
		"behind a proxy":                  {behind: true, peer: proxy, forwarded: []string{visitor}, want: from(visitor)},
		"behind a proxy, with a port":     {behind: true, peer: proxy, forwarded: []string{visitor + ":51234"}, want: from(visitor)},
		"behind a proxy, in brackets":     {behind: true, peer: proxy, forwarded: []string{"[2001:db8::7]"}, want: from("2001:db8::7")},
		"behind a proxy, with a zone":     {behind: true, peer: proxy, forwarded: []string{"fe80::7%eth0"}, want: from("fe80::7")},
		"forged before the proxy's entry": {behind: true, peer: proxy, forwarded: []string{"192.0.2.1, 127.0.0.1 , " + visitor}, want: from(visitor)},
		"forged in a line of its own":     {behind: true, peer: proxy, forwarded: []string{"192.0.2.1", visitor}, want: from(visitor)},
		"behind a proxy on this machine":  {behind: true, peer: "127.0.0.1:4711", forwarded: []string{visitor}, want: from(visitor)},
		"a proxy that says nothing":       {behind: true, peer: "127.0.0.1:4711", want: from("127.0.0.1")},
		"a proxy that says nonsense":      {behind: true, peer: proxy, forwarded: []string{visitor + ", unknown"}, want: from("10.0.0.1")},
		"an empty entry at the end":       {behind: true, peer: proxy, forwarded: []string{visitor + ","}, want: from("10.0.0.1")},
		"a visitor who claims to be here": {behind: true, peer: proxy, forwarded: []string{"127.0.0.1"}, want: from("127.0.0.1")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
			r = r.WithContext(scope.With(r.Context(), &scope.Request{Log: slog.New(slog.NewTextHandler(&said, nil))}))
			r.RemoteAddr = tt.peer
			r.Header.Set("User-Agent", "curl")
			r.Header.Set("Forwarded", "for=203.0.113.9")
			for _, line := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			clients := Clients{BehindProxy: tt.behind}
			got := clients.Of(r)
			if again := clients.Of(r); got != tt.want || again != tt.want {
				t.Error("the request is taken for one from elsewhere")
			}
			if shown := fmt.Sprintf("%v %+v %#v %s", got, got, struct{ C usecase.Client }{got}, said.String()); strings.Contains(shown, visitor) {
				t.Errorf("an address shows: %s", shown)
			}
			silent := (tt.behind || tt.peer == "127.0.0.1:4711") && tt.want == from(strings.TrimSuffix(tt.peer, ":4711"))
			if strings.Count(said.String(), "\n") > 1 || (said.Len() > 0) != silent {
				t.Errorf("the log says %q", said.String())
			}
		})
	}
}

// Whatever a client sends before what the proxy appends, it is the proxy that is believed.
func FuzzClientBehindProxy(f *testing.F) {
	f.Add("192.0.2.1")
	f.Add("\"[::1]:80\", ,,")
	f.Add("")
	f.Fuzz(func(t *testing.T, claim string) {
		want := netip.MustParseAddr("198.51.100.7")
		for _, lines := range [][]string{{claim + ", " + want.String()}, {claim, want.String()}, {claim + "," + want.String() + ":80"}} {
			if got, ok := lastHop(lines); !ok || got != want {
				t.Errorf("%q leads to another address", lines)
			}
		}
		lastHop([]string{claim}) // answers, whatever it is
	})
}

// Who has sent too much takes none of the memory that others wait for.
func TestFullIsRefusedBeforeTheBody(t *testing.T) {
	in := newIntake()
	taken, err := in.Budget.Reserve(t.Context(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer taken()
	full := &fakeGate{full: usecase.ErrTooManyUploads}
	in.Gate = full
	if _, err := in.Open(httptest.NewRecorder(), request(t, "", strings.NewReader("a photo")), 1000, 1); !errors.Is(err, usecase.ErrTooManyUploads) {
		t.Errorf("refused with %v", err)
	}
	if full.spent != 0 {
		t.Error("it counts what there is no room for: who goes on asking never gets in again")
	}
}

// fakeGate counts what was spent.
type fakeGate struct {
	full  error
	spent int
}

func (g *fakeGate) Full(context.Context, usecase.Client) error { return g.full }
func (g *fakeGate) Spend(usecase.Client)                       { g.spent++ }

// What holds no photo costs its sender a request; what there is no memory for costs nothing.
func TestWhatHoldsNoPhotoIsSpent(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, body string
		budget     int64 // that others have taken
		spent      int
	}{
		"a photo":         {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\npixels\r\n--x--\r\n", 0, 0},
		"no form":         {"text/plain", "a photo", 0, 1},
		"a damaged form":  {"multipart/form-data; boundary=x", "--x\r\nContent", 0, 1},
		"another field":   {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x--\r\n", 0, 1},
		"no room for one": {"multipart/form-data; boundary=x", "--x--", 1 << 30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in, gate := newIntake(), &fakeGate{}
			in.Gate = gate
			if tt.budget > 0 {
				taken, err := in.Budget.Reserve(t.Context(), tt.budget)
				if err != nil {
					t.Fatal(err)
				}
				defer taken()
			}
			photo, err := in.Photo(httptest.NewRecorder(), request(t, tt.kind, strings.NewReader(tt.body)))
			if err == nil {
				photo.Release()
			}
			if gate.spent != tt.spent || (err == nil) != (name == "a photo") {
				t.Errorf("%v, and %d are spent", err, gate.spent)
			}
		})
	}
}
