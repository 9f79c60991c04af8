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
	"time"
)

// remoteTimeout is for one photo: longer than the service lets a request live.
const remoteTimeout = 3 * time.Minute

// remoteRemover asks a running service, in the words of remove.bg, so that it also works against one.
type remoteRemover struct {
	url    string
	client *http.Client
}

func newRemoteRemover(server string) (*remoteRemover, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--server %q is no address; write it like http://127.0.0.1:8080", server)
	}
	return &remoteRemover{url: u.JoinPath("v1.0/removebg").String(), client: &http.Client{Timeout: remoteTimeout}}, nil
}

func (r *remoteRemover) close() error {
	r.client.CloseIdleConnections()
	return nil
}

func (r *remoteRemover) remove(ctx context.Context, photo io.Reader, out io.Writer) (receipt string, err error) {
	body, write := io.Pipe()
	form := multipart.NewWriter(write)
	go func() { write.CloseWithError(send(form, photo)) }()

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
		return "", refused(answer)
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
