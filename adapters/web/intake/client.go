package intake

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Clients tells where requests come from.
type Clients struct {
	// BehindProxy says that all requests come by a proxy that appends the address of whoever
	// asked it to X-Forwarded-For. What that header said before is the client's own claim, and is not
	// read; nor is Forwarded, which most proxies pass on as the client sent it. Without a proxy
	// neither is, but what comes with the first is not from this machine's operator.
	BehindProxy bool

	unaddressed sync.Once
}

// Of returns where a request comes from. Without a proxy, whoever sits at this machine is its operator.
// A proxy that does not say who asked it, or that the service was not told of, counts as one visitor, whoever
// it speaks for.
func (c *Clients) Of(r *http.Request) usecase.Client {
	agent := r.UserAgent()
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // without one, nothing is known of the client
	if !c.BehindProxy {
		switch {
		case !peer.Addr().Unmap().IsLoopback():
		case len(r.Header.Values("X-Forwarded-For")) > 0:
			c.warn(r, "a proxy on this machine passes requests on, and --behind-tls-proxy is not set")
		default:
			return usecase.ThisMachine
		}
		return usecase.NewClient(peer.Addr(), agent)
	}
	if forwarded, ok := lastHop(r.Header.Values("X-Forwarded-For")); ok {
		return usecase.NewClient(forwarded, agent)
	}
	c.warn(r, "the proxy in front does not append to X-Forwarded-For")
	return usecase.NewClient(peer.Addr(), agent)
}

// warn tells the operator once that visitors are not told apart.
func (c *Clients) warn(r *http.Request, why string) {
	c.unaddressed.Do(func() {
		scope.Of(r.Context()).Log.WarnContext(r.Context(), "visitors who come by a proxy count as one", "why", why)
	})
}

// lastHop returns what the proxy appended, with a port or without. It may have begun a line of its own.
func lastHop(lines []string) (netip.Addr, bool) {
	if len(lines) == 0 {
		return netip.Addr{}, false
	}
	hops := lines[len(lines)-1]
	hop := strings.TrimSpace(hops[strings.LastIndexByte(hops, ',')+1:])
	if with, err := netip.ParseAddrPort(hop); err == nil {
		return with.Addr(), true
	}
	hop = strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]")
	address, err := netip.ParseAddr(hop)
	return address, err == nil
}
