package officer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
)

var factPage = page.Must(templates, "base.html", "fact.html")

// whole is what the page of one fact shows.
type whole struct {
	frame
	Path     string
	Fact     Fact
	Type     event.Name
	Data     string // as JSON, indented
	Input    string // the decision's, exactly
	Subject  string // address of the list of everything about it
	Erased   string // address of the fact that says that its key was destroyed; "" if it was not
	Before   string // addresses of the neighbours in the record; "" when there is none
	After    string
	Body     string
	Chain    chain
	Proof    Proof
	Root     string // of the checkpoint, in hexadecimal like all hashes here
	Proven   bool   // the newest checkpoint covers it
	AtMost   int    // else: seconds until the next one
	Position int64  // of its leaf, from 0 on
}

// Fact serves one fact, whole.
func (p Pages) Fact() http.Handler { return p.signedIn(p.fact) }

func (p Pages) fact(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
	found, err := p.one(r)
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	shown := whole{
		frame: frameOf(o), Path: logPath, Fact: found, Type: found.Fact.EventName(),
		Subject: subjectLink(found.Stream), Body: factLink(found.Seq) + "/body", Position: found.Seq - 1,
		AtMost: int(p.CheckpointEvery.Seconds()),
	}
	if err := p.complete(r.Context(), &shown); err != nil {
		answer.Fail(w, r, err)
		return
	}
	factPage.Show(w, r, http.StatusOK, shown)
}

// complete finds out what the fact itself does not say.
func (p Pages) complete(ctx context.Context, shown *whole) (err error) {
	seq := shown.Fact.Seq
	if shown.Data, err = dataOf(shown.Fact.Fact); err != nil {
		return fmt.Errorf("write out fact %d: %w", seq, err)
	}
	if d := shown.Fact.Decision; d != nil {
		shown.Input = string(d.Input)
	}
	if shown.Fact.Erased > 0 {
		shown.Erased = factLink(shown.Fact.Erased)
	}
	if seq > 1 {
		shown.Before = factLink(seq - 1)
	}
	next, err := p.Record.Facts(ctx, seq+1)
	if err != nil {
		return err
	}
	if _, there := next[seq+1]; there {
		shown.After = factLink(seq + 1)
	}
	if shown.Chain, err = p.chainOf(ctx, shown.Fact); err != nil {
		return err
	}
	if shown.Proof, err = p.Record.Prove(ctx, seq); err != nil {
		return fmt.Errorf("prove fact %d: %w", seq, err)
	}
	shown.Root = shown.Proof.rootHex()
	shown.Proven = shown.Proof.Note != nil && shown.Proof.Checkpoint.Size >= seq
	return nil
}

// one reads the fact whose number is in the path.
func (p Pages) one(r *http.Request) (Fact, error) {
	seq, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || seq < 1 || strconv.FormatInt(seq, 10) != r.PathValue("n") {
		return Fact{}, ledger.ErrNoFact
	}
	return p.Record.Fact(r.Context(), seq)
}

// Body serves the exact bytes that a fact is stored as, and that its leaf is the hash of.
func (p Pages) Body() http.Handler { return p.signedIn(p.body) }

func (p Pages) body(w http.ResponseWriter, r *http.Request, _ usecase.Officer) {
	f, err := p.one(r)
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/cloudevents+json")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="fact-%d.json"`, f.Seq))
	h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(f.Body) // the client may be gone
}

// dataOf writes out what a fact says. Personal fields print as sealed or erased; a fact of an
// unknown kind as it stands, its personal fields still under their seals.
func dataOf(f event.Fact) (string, error) {
	var data []byte
	if unknown, ok := f.(event.Unknown); ok {
		data = unknown.Body
	} else {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false) // the template escapes
		if err := enc.Encode(f); err != nil {
			return "", err
		}
		data = buf.Bytes()
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(data), "", "  "); err != nil {
		return "", err
	}
	return pretty.String(), nil
}
