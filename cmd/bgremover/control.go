package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// controlSocket is where the service on a data folder can be asked by the other
// subcommands. Who may open it is decided by its mode.
func controlSocket(data string) string { return filepath.Join(data, "control.sock") }

// maxSocketPath is how long the path of a unix socket can be on every system we run on (104 on macOS, 108 on Linux, each with a closing NUL).
const maxSocketPath = 103

// listenControl opens the socket. The data folder's lock is held, so one that is there is a dead service's.
func listenControl(ctx context.Context, data string) (net.Listener, error) {
	path := controlSocket(data)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the data folder's path is too long for the socket in it (%d of %d bytes); use a shorter --data", len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	// Nobody else can write to the folder, and before the mode is set nobody else may write to the socket.
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the control socket: %w", err), listener.Close())
	}
	return listener, nil
}

func dialUnix(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}
