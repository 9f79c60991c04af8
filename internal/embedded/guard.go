package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// The broker trusts what a connection sends before it has authenticated: it
// makes room for a frame of any size that is announced, and ends the process on
// a request it does not know. Anybody on this machine can connect to a loopback
// port; the guard lets them no further than the password.

const (
	maxUnknownFrame = 4 << 10
	timeToLogIn     = 10 * time.Second

	keySASLHandshake    = 17
	keyAPIVersions      = 18
	keySASLAuthenticate = 36
)

var errNotAdmitted = errors.New("a connection without the password was refused")

type guardedListener struct {
	net.Listener
	password []byte
}

func (l *guardedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	// If this fails the connection is broken, and its first read says so.
	_ = conn.SetReadDeadline(time.Now().Add(timeToLogIn))
	return &guardedConn{Conn: conn, password: l.password}, nil
}

// guardedConn hands on whole frames until one carries the password, then
// whatever comes. One goroutine reads at a time.
type guardedConn struct {
	net.Conn
	password []byte
	admitted bool
	pending  []byte // of a frame that was let through
}

func (c *guardedConn) Read(p []byte) (int, error) {
	if len(c.pending) == 0 {
		if c.admitted {
			return c.Conn.Read(p)
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// next reads a frame: its length, the request's key, and the rest. The first
// authentication is also the last.
func (c *guardedConn) next() error {
	frame := make([]byte, 4, 512)
	if _, err := io.ReadFull(c.Conn, frame); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(frame)
	if size < 8 || size > maxUnknownFrame {
		return errNotAdmitted
	}
	frame = append(frame, make([]byte, size)...)
	if _, err := io.ReadFull(c.Conn, frame[4:]); err != nil {
		return err
	}
	switch binary.BigEndian.Uint16(frame[4:]) {
	case keySASLHandshake, keyAPIVersions:
	case keySASLAuthenticate:
		// Whoever can send these 128 random bits knows them; the broker parses
		// and compares properly afterwards.
		if c.admitted = bytes.Contains(frame, c.password); !c.admitted {
			return errNotAdmitted
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
	default:
		return errNotAdmitted
	}
	c.pending = frame
	return nil
}
