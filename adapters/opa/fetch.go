package opa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// fetchTime bounds one answer of a bundle server, from the connection to the last byte.
const fetchTime = 30 * time.Second

// Server is an ordinary OPA bundle server: it answers GET with an archive, and with 304 to
// whom has the newest.
type Server struct {
	url    string
	client *http.Client
	etag   string // of the archive that was taken last
}

// NewServer returns the server of a URL: https, or http on this machine alone.
func NewServer(address string) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("give the address of a bundle server: https://HOST/PATH, or http:// on this machine alone, without a password in it")
	}
	client := &http.Client{Timeout: fetchTime, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		return fmt.Errorf("it leads on to another address (%s); name that one", r.URL.Host)
	}}
	return &Server{url: address, client: client}, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Fetch returns the server's archive; nil if it is the one that was taken last. It is
// called by one goroutine at a time.
func (s *Server) Fetch(ctx context.Context) (archive []byte, etag string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", "application/gzip, application/octet-stream")
	if s.etag != "" {
		r.Header.Set("If-None-Match", s.etag)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, "", fmt.Errorf("fetch the policy bundle: %w", unwrapped(err))
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotModified:
		return nil, s.etag, nil
	case http.StatusOK:
	default:
		return nil, "", fmt.Errorf("fetch the policy bundle: the server answers %s", strings.TrimSpace(answer.Status))
	}
	archive, err = io.ReadAll(io.LimitReader(answer.Body, maxArchive+1))
	if err != nil {
		return nil, "", fmt.Errorf("fetch the policy bundle: %w", unwrapped(err))
	}
	if len(archive) > maxArchive {
		return nil, "", ErrArchiveSize
	}
	return archive, answer.Header.Get("ETag"), nil
}

// Taken remembers the archive of an ETag: it need not be sent again.
func (s *Server) Taken(etag string) { s.etag = etag }

// unwrapped takes the address off an error: it may hold a token in its query.
func unwrapped(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	if of, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", of.Op, of.Err)
	}
	return err
}
