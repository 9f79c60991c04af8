// Package witness shows signed heads of the log to witnesses, who keep an eye on it from
// outside and sign what they find consistent with all that they saw before:
// https://c2sp.org/tlog-witness, with Ed25519 cosignatures.
//
// It never sends anything but what is public, never waits for a witness longer than it is
// told, and never passes on a signature that it has not verified.
package witness

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Witness is one, by its address and key. It is safe for concurrent use.
type Witness struct {
	address string // of add-checkpoint
	key     merkle.Witness
	client  *http.Client

	mu   sync.Mutex
	seen int64 // the size that it saw last; a guess until it has answered
}

var _ ledger.Witness = (*Witness)(nil)

// answerTime bounds one request, and maxAnswer what is read of its answer.
const (
	answerTime = 6 * time.Second
	maxAnswer  = 16 << 10
)

// Parse reads a witness's submission prefix with its key as the fragment:
// "https://witness.example/prefix#witness.example+1a2b3c4d+BKey…".
func Parse(address string) (*Witness, error) {
	prefix, vkey, _ := strings.Cut(address, "#")
	if vkey == "" {
		return nil, fmt.Errorf("the witness %s has no key: write it behind a # as <name>+<hash>+<key>, as the witness publishes it; without it nobody could tell its signatures from others'", prefix)
	}
	key, err := merkle.ParseWitness(vkey)
	if err != nil {
		return nil, fmt.Errorf("the key of the witness %s: %w", prefix, err)
	}
	u, err := url.Parse(prefix)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("the witness %s has no address: it begins with https:// and a host, and has neither a password nor a query", key.Name())
	}
	return &Witness{
		address: u.JoinPath("add-checkpoint").String(),
		key:     key,
		client: &http.Client{
			Timeout:       answerTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Name is the witness's, as it stands in its signatures.
func (w *Witness) Name() string { return w.key.Name() }

// Cosign implements [ledger.Witness]. A witness that has seen another size than we think is
// believed, once.
func (w *Witness) Cosign(ctx context.Context, note []byte, prove func(ctx context.Context, old int64) ([]merkle.Hash, error)) (string, error) {
	c, err := merkle.ReadCheckpoint(note)
	if err != nil {
		return "", err
	}
	old := min(w.last(), c.Size)
	lines, err := w.ask(ctx, note, old, prove)
	other, ok := errors.AsType[sawAnother](err)
	if ok && other.size != old && other.size <= c.Size {
		lines, err = w.ask(ctx, note, other.size, prove)
	}
	if ok && other.size > c.Size {
		err = fmt.Errorf("%w: %w", err, ledger.ErrContradicted)
	}
	if err != nil {
		return "", fmt.Errorf("the witness %s: %w", w.Name(), err)
	}
	both, err := merkle.Cosign(note, lines, w.key)
	if err != nil {
		return "", fmt.Errorf("the witness %s answered without a signature of its own that is right: %w", w.Name(), err)
	}
	w.saw(c.Size)
	return string(both[len(note):]), nil
}

func (w *Witness) last() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *Witness) saw(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = size
}

// sawAnother is a witness's word that the last checkpoint that it saw has another size.
type sawAnother struct{ size int64 }

func (s sawAnother) Error() string {
	return fmt.Sprintf("it saw a checkpoint of %d facts last", s.size)
}

// ask makes one request.
func (w *Witness) ask(ctx context.Context, note []byte, old int64, prove func(context.Context, int64) ([]merkle.Hash, error)) (lines string, err error) {
	proof, err := prove(ctx, old)
	if err != nil {
		return "", err
	}
	var body strings.Builder
	fmt.Fprintf(&body, "old %d\n", old)
	for _, h := range proof {
		body.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	body.WriteString("\n")
	body.Write(note)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, strings.NewReader(body.String()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := w.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	return w.understand(answer, string(said))
}

func (w *Witness) understand(answer *http.Response, said string) (lines string, err error) {
	switch answer.StatusCode {
	case http.StatusOK:
		return said, nil
	case http.StatusConflict:
		size, err := strconv.ParseInt(strings.TrimSuffix(said, "\n"), 10, 64)
		if answer.Header.Get("Content-Type") != "text/x.tlog.size" || err != nil || size < 0 {
			return "", errors.New("it answered 409 and no size")
		}
		w.saw(size)
		return "", sawAnother{size}
	case http.StatusForbidden:
		return "", errors.New("it does not accept our signature: is it told of the log's newest key? (bgremover log key)")
	case http.StatusNotFound:
		return "", errors.New("it does not know this log: its operator has to add the log's name and key (bgremover log key)")
	case http.StatusUnprocessableEntity:
		return "", fmt.Errorf("it does not accept our consistency proof: %w", ledger.ErrContradicted)
	}
	return "", fmt.Errorf("it answered %s", answer.Status)
}
