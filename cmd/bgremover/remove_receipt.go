package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/internal/evidence"
)

// receiptSuffix ends the name of a receipt beside a cutout.
const receiptSuffix = ".receipt.txt"

const (
	// receiptPatience is how long the proofs of all receipts are waited for: longer than the
	// service lets pass between two checkpoints, if its operator set nothing else.
	receiptPatience = 3 * time.Minute
	// receiptFirst is the pause before a receipt is asked for again, because the deletion follows
	// the download at once. It doubles up to receiptTop: each answer costs the service a signature.
	receiptFirst = 200 * time.Millisecond
	receiptTop   = 10 * time.Second
)

// receipt is where the receipt of a job's photo goes. Nobody else keeps the one that may be there.
func (j job) receipt() string {
	return strings.TrimSuffix(strings.TrimSuffix(j.out, ".png"), ".cutout") + receiptSuffix
}

// receipt is one that is being waited for.
type receipt struct {
	address string // holds the capability: it is not printed
	path    string
	pause   time.Duration // the last one
	next    time.Time     // when it is asked for again; zero: at once
}

// errNoReceipts says that a service offers none.
var errNoReceipts = errors.New("this service gives no receipts")

// receiptAddress reads where the receipt of an answer's photo will be.
func (r *remoteRemover) receiptAddress(answer *http.Response) string {
	path := answer.Header.Get(api.ReceiptHeader)
	at, err := url.Parse(path)
	base, baseErr := url.Parse(r.url)
	if path == "" || err != nil || baseErr != nil || at.Host != "" || !strings.HasPrefix(at.Path, "/") {
		return ""
	}
	return base.ResolveReference(at).String()
}

// saveReceipts saves each receipt as soon as there is one, and again with its proof. One that
// cannot be had is told of, and keeps nobody from the others.
func saveReceipts(ctx context.Context, std streams, r *remoteRemover, waiting []receipt) error {
	if slices.ContainsFunc(waiting, func(w receipt) bool { return w.address == "" }) {
		return errNoReceipts
	}
	fmt.Fprintf(std.err, "Waiting for the proof of %s: the service signs a checkpoint each minute or so.\n", counted(int64(len(waiting)), "receipt"))
	deadline := time.NewTimer(receiptPatience)
	defer deadline.Stop()
	all, failed := len(waiting), 0
	for {
		for i := range waiting {
			w := &waiting[i]
			if time.Now().Before(w.next) {
				continue
			}
			proven, err := r.saveReceipt(ctx, *w)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				fmt.Fprintf(std.err, "%s: %s\n", w.path, sentence(err))
				w.address = ""
				failed++
			case proven:
				w.address = ""
			default:
				w.pause = min(max(2*w.pause, receiptFirst), receiptTop)
				w.next = time.Now().Add(w.pause)
			}
		}
		waiting = slices.DeleteFunc(waiting, func(w receipt) bool { return w.address == "" })
		if len(waiting) == 0 && failed > 0 {
			return fmt.Errorf("%d of %d receipts could not be had", failed, all)
		}
		if len(waiting) == 0 {
			return nil
		}
		first := slices.MinFunc(waiting, func(a, b receipt) int { return a.next.Compare(b.next) })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("%d receipts are without their proof after %s; what is saved is the service's signed promise", len(waiting), receiptPatience)
		case <-time.After(time.Until(first.next)):
		}
	}
}

// saveReceipt asks for a receipt once, and saves what it gets.
func (r *remoteRemover) saveReceipt(ctx context.Context, w receipt) (proven bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.address, nil)
	if err != nil {
		return false, errNoReceipts
	}
	answer, err := r.client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // not the address
		}
		return false, fmt.Errorf("ask for the receipt: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusConflict, http.StatusServiceUnavailable: // not deleted yet, or away for a moment
		return false, nil
	default:
		return false, fmt.Errorf("the service answers %s when asked for the receipt", answer.Status)
	}
	signed, err := io.ReadAll(io.LimitReader(answer.Body, evidence.MaxSize+1))
	if err != nil {
		return false, fmt.Errorf("receive the receipt: %w", err)
	}
	verdict, err := evidence.Check(signed, evidence.Known{})
	if err != nil {
		return false, err
	}
	return verdict.Receipt.Proof != nil, replace(w.path, func(out io.Writer) error {
		_, err := out.Write(signed)
		return err
	})
}
