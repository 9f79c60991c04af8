package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

var errNotRunning = errors.New("no service is running")

// askService asks the service that runs on a data folder.
func askService(ctx context.Context, data, path string) (io.ReadCloser, error) {
	return callService(ctx, data, http.MethodGet, path, nil)
}

// tellService has the service that runs on a data folder do something.
func tellService(ctx context.Context, data, path string, request any) (io.ReadCloser, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return callService(ctx, data, http.MethodPost, path, bytes.NewReader(body))
}

// readAnswer decodes what the service answered, which is JSON, and closes it.
func readAnswer(body io.ReadCloser, answer any) error {
	err := json.NewDecoder(body).Decode(answer)
	if err != nil {
		err = fmt.Errorf("read the service's answer: %w", err)
	}
	return errors.Join(err, body.Close())
}

func callService(ctx context.Context, data, method, path string, body io.Reader) (io.ReadCloser, error) {
	socket := controlSocket(data)
	client := &http.Client{Transport: &http.Transport{DialContext: dialUnix(socket), DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, method, "http://bgremover"+path, body)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w on %s; start it with bgremover serve, or name its folder with --data", errNotRunning, data)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the service's socket %s is not yours; run this as the user that runs the service", socket)
	case err != nil:
		return nil, err
	case answer.StatusCode >= http.StatusBadRequest:
		return nil, errors.Join(declined(answer), answer.Body.Close())
	}
	return answer.Body, nil
}

// declined is what the service says about a request that it does not carry out.
func declined(answer *http.Response) error {
	const longest = 4 << 10
	said, err := io.ReadAll(io.LimitReader(answer.Body, longest))
	if text := strings.TrimSpace(string(said)); err == nil && text != "" {
		return errors.New(text)
	}
	return fmt.Errorf("the service answered %s", answer.Status)
}
