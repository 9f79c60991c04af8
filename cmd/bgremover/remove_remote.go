package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// remoteTimeout is for one photo: longer than the service lets a request live.
const remoteTimeout = 3 * time.Minute

// remoteRemover asks a running service, in the words of remove.bg, so that it also works against one.
type remoteRemover struct {
	url    string
	client *http.Client
	waits  func(time.Duration) // told before each wait, and 0 after it, by several at once
}

func newRemoteRemover(server string) (*remoteRemover, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--server %q is no address; write it like http://127.0.0.1:8080", server)
	}
	return &remoteRemover{url: u.JoinPath("v1.0/removebg").String(), client: &http.Client{Timeout: remoteTimeout}, waits: func(time.Duration) {}}, nil
}

func (r *remoteRemover) close() error {
	r.client.CloseIdleConnections()
	return nil
}

// remove sends the photo, and waits and sends it again while the service asks to: it takes so many in a minute.
func (r *remoteRemover) remove(ctx context.Context, photo io.ReadSeeker, out io.Writer) (receipt string, err error) {
	var waited time.Duration
	for {
		receipt, err = r.once(ctx, photo, out)
		later, ok := errors.AsType[*notYet](err)
		if !ok {
			return receipt, err
		}
		if waited += later.wait; waited > longestInAll {
			return "", later.error
		}
		r.waits(later.wait)
		if err := sleep(ctx, later.wait); err != nil {
			return "", err
		}
		r.waits(0)
		if _, err := photo.Seek(0, io.SeekStart); err != nil {
			return "", err
		}
	}
}

// notYet is a refusal of a service that has taken enough for now.
type notYet struct {
	error
	wait time.Duration
}

// longestWait is how long the service may ask to wait before that counts as a no, and longestInAll how long it
// may for one photo, in however many steps.
const (
	longestWait  = 10 * time.Minute
	longestInAll = time.Hour
)

// later returns what a 429 asks for, if it says when to come back; otherwise the refusal as it is.
func later(answer *http.Response, refused error) error {
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	wait := time.Duration(seconds) * time.Second
	if answer.StatusCode != http.StatusTooManyRequests || err != nil || wait <= 0 || wait > longestWait {
		return refused
	}
	return &notYet{refused, wait}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *remoteRemover) once(ctx context.Context, photo io.Reader, out io.Writer) (receipt string, err error) {
	body, write := io.Pipe()
	form := multipart.NewWriter(write)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		write.CloseWithError(send(form, photo))
	}()
	defer func() {
		_ = body.Close() // never fails
		<-sent           // nobody reads the photo any more
	}()

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Accept", "image/png, application/json;q=0.1")
	answer, err := r.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask the service: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return "", later(answer, refused(answer))
	}
	if _, err := io.Copy(out, answer.Body); err != nil {
		return "", fmt.Errorf("receive the cutout: %w", err)
	}
	return r.receiptAddress(answer), nil
}

// send writes the form. The photo's name is not the service's business.
func send(form *multipart.Writer, photo io.Reader) error {
	part, err := form.CreateFormFile("image_file", "photo")
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, photo); err != nil {
		return err
	}
	return form.Close()
}

// refused reads the service's error envelope.
func refused(answer *http.Response) error {
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return fmt.Errorf("the service answered %s: %w", answer.Status, err)
	}
	var envelope struct {
		Errors []struct{ Title, Code, Detail string } `json:"errors"`
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&envelope); err != nil || len(envelope.Errors) == 0 {
		return fmt.Errorf("the service answered %s", answer.Status)
	}
	e := envelope.Errors[0]
	if e.Detail != "" {
		return fmt.Errorf("%s %s (%s)", e.Title, e.Detail, e.Code)
	}
	return fmt.Errorf("%s (%s)", e.Title, e.Code)
}
