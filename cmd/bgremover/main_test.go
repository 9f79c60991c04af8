package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// asProgram tells a copy of this test binary to be the program: a process that can be killed.
const asProgram = "BGREMOVER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	code := m.Run()
	removeFaulty()
	os.Exit(code)
}

// program runs one command line in a process of its own.
func program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "BGREMOVER_CONFIG=")
	return cmd
}

// bgremover runs one command line to its end.
func bgremover(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := program(t.Context(), args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // the exit code says it
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// running is a service in a process of its own.
type running struct {
	t    testing.TB
	cmd  *exec.Cmd
	data string
	url  string
	log  *lines
	done chan error
}

// lines collects what a process prints.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// serveFlags are the arguments of a service with the small model on any free address.
func serveFlags(data string) []string {
	return []string{
		"serve", "--data", data, "--addr", "127.0.0.1:0", "--metrics-addr", "",
		"--model", "u2netp", "--accept-model-passport", "u2netp", "--log-level", "warn",
	}
}

// serve starts a service with the small model and returns once it is ready.
func serve(t testing.TB, data string, flags ...string) *running {
	t.Helper()
	r := launch(t, program(context.Background(), append(serveFlags(data), flags...)...), data)
	if r.url == "" {
		t.Fatalf("the service did not get ready:\n%s", r.log)
	}
	return r
}

// launch starts a service and returns once it is ready, or over: then it has no url.
func launch(t testing.TB, cmd *exec.Cmd, data string) *running {
	t.Helper()
	r := &running{t: t, cmd: cmd, data: data, log: &lines{}, done: make(chan error, 1)}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		first, _ := bufio.NewReader(out).ReadString('\n')
		ready <- first
		_, _ = io.Copy(io.Discard, out)
		r.done <- r.cmd.Wait()
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service said:\n%s", r.log)
		}
		r.kill()
	})
	select {
	case line := <-ready:
		r.url, _ = strings.CutPrefix(strings.TrimSpace(line), "bgremover is ready on ")
	case <-time.After(time.Minute):
		t.Fatal("the service did not get ready in a minute")
	}
	return r
}

// endedBy says whether the process has ended, and by that signal.
func (r *running) endedBy(signal syscall.Signal) bool {
	select {
	case err := <-r.done:
		r.done <- err
	case <-time.After(10 * time.Second):
		return false
	}
	status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// kill ends the process as a power cut would. It may be over already.
func (r *running) kill() {
	_ = r.cmd.Process.Signal(syscall.SIGKILL)
	_ = r.wait()
}

// stop ends it as an operator would, and fails the test when it does not end well.
func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if err := r.wait(); err != nil {
		r.t.Fatalf("the service ended with %v", err)
	}
}

func (r *running) wait() error {
	err := <-r.done
	r.done <- err
	return err
}

// record is what `bgremover log show --json` prints, with more flags.
func (r *running) record(flags ...string) []operator.Line {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), r.cmd.Path, append([]string{"log", "show", "--json", "--data", r.data}, flags...)...)
	cmd.Env = r.cmd.Env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("log show: %v, %s", err, &errs)
	}
	return parseLines(r.t, out.String())
}

func parseLines(t testing.TB, out string) (found []operator.Line) {
	t.Helper()
	for text := range strings.Lines(out) {
		var l operator.Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("log show printed %q: %v", text, err)
		}
		found = append(found, l)
	}
	return found
}

// ofItself are the kinds of facts that a service records of itself, whatever happens in a test.
var ofItself = []string{"audit.", "model.", "policy.", "region."}

// story is a record as a list of short names, without what the service says of itself.
func story(record []operator.Line) string {
	var names []string
	for _, l := range record {
		if slices.ContainsFunc(ofItself, func(kind string) bool { return strings.HasPrefix(string(l.Type), kind) }) {
			continue
		}
		names = append(names, strings.TrimSuffix(string(l.Type), ".v1"))
	}
	return strings.Join(names, " ")
}

// post sends a photo as a form's field.
func (r *running) post(path, field string, photo []byte, header http.Header) (answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, "holiday.jpg")
	if err == nil {
		_, err = part.Write(photo)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, &body)
	if err != nil {
		return answer{}, err
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return roundTrip(req)
}

// answer is a response whose body was read and closed.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

func (a answer) String() string {
	const most = 300
	return fmt.Sprintf("%d %s", a.code, a.body[:min(len(a.body), most)])
}

func roundTrip(req *http.Request) (answer, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

// ask sends a request with a capability.
func (r *running) ask(method, path, capability string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+capability)
	res, err := roundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// accepted is the answer to POST /v1/images.
type accepted struct {
	ID         string    `json:"id"`
	Status     string    `json:"status"`
	Capability string    `json:"capability"`
	DeleteBy   time.Time `json:"delete_by"`
}

func (r *running) upload(photo []byte) accepted {
	r.t.Helper()
	res, err := r.post("/v1/images", "image", photo, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.accepted(res)
}

func (r *running) accepted(res answer) (a accepted) {
	r.t.Helper()
	if res.code != http.StatusAccepted {
		r.t.Fatalf("upload: %s", res)
	}
	if err := json.Unmarshal(res.body, &a); err != nil || a.ID == "" || a.Capability == "" {
		r.t.Fatalf("upload answered %s: %v", res, err)
	}
	return a
}

// until asks again until a condition holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for: %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// logs waits for all of that in the log: what the process prints comes by a pipe of its own, perhaps
// after its answers. That something is not there can only be said after stop.
func (r *running) logs(parts ...string) {
	r.t.Helper()
	for _, part := range parts {
		until(r.t, "in the log: "+part, func() bool { return strings.Contains(r.log.String(), part) })
	}
}

// status of a picture, as its holder sees it.
func (r *running) status(a accepted) string {
	r.t.Helper()
	res := r.ask(http.MethodGet, "/v1/images/"+a.ID, a.Capability)
	var s struct{ Status string }
	if err := json.Unmarshal(res.body, &s); err != nil || res.code != http.StatusOK {
		r.t.Fatalf("status: %s", res)
	}
	return s.Status
}

// sealed lists the objects in the blob store of a data folder.
func sealed(t testing.TB, data string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "blobs"), func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func photo(t testing.TB) []byte {
	t.Helper()
	return testphotos.Original("astronaut")
}

func dataFolder(t testing.TB) string {
	t.Helper()
	return filepath.Join(embeddedtest.TempDir(t), "data")
}
