package web

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Server returns an HTTP server for the site. The caller gives it a listener and stops it.
// Bodies and responses have their own limits of time, because one for all would end either no slow
// upload or every long stream.
func (s *Site) Server() *http.Server {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(plainLog{s.Log}, "", 0),
	}
	srv.RegisterOnShutdown(s.Stop)
	return srv
}

// plainLog passes on what the HTTP server logs by itself, without what it says about clients: its
// lines hold their network addresses.
type plainLog struct{ to *slog.Logger }

// serverLines are the beginnings of the server's lines that are worth knowing.
var serverLines = []string{
	"http: Accept error",
	"http: TLS handshake error",
	"http: superfluous response.WriteHeader call",
	"http: panic serving",
	"http2: server",
}

func (l plainLog) Write(line []byte) (int, error) {
	said := "another line of the HTTP server"
	for _, known := range serverLines {
		if strings.HasPrefix(string(line), known) {
			said = known
		}
	}
	l.to.WarnContext(context.Background(), "http server", "said", said)
	return len(line), nil
}
