package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/usecase"
)

// auditCmd is `bgremover audit`.
type auditCmd struct {
	JSON bool `name:"json" help:"Print what was found as one JSON object."`
	config.Folder
}

// errBrokenPromise ends `audit` with exit code 1; what is wrong stands in the table.
var errBrokenPromise = errors.New("a promise is broken, or not everything could be seen")

func (c *auditCmd) run(ctx context.Context, std streams) error {
	body, err := tellService(ctx, c.Data, "/audit", struct{}{})
	if err != nil {
		return err
	}
	done, err := followAudit(body, std.err)
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("the audit broke off; the service's log says why: %w", err)
	}
	if c.JSON {
		err = json.NewEncoder(std.out).Encode(done)
	} else {
		err = printAudit(std.out, done)
	}
	if err == nil && done.Broken() {
		err = errBrokenPromise
	}
	return err
}

// followAudit reads to the end of an audit, and says every few seconds how far it is.
func followAudit(body io.Reader, to io.Writer) (usecase.Audit, error) {
	lines, next := json.NewDecoder(body), time.Now().Add(lineEvery)
	for {
		var line operator.AuditLine
		if err := lines.Decode(&line); err != nil {
			return usecase.Audit{}, err
		}
		if line.Done != nil {
			return *line.Done, nil
		}
		if p := line.Progress; p != nil && !time.Now().Before(next) {
			next = time.Now().Add(lineEvery)
			_, _ = fmt.Fprintf(to, "audit: %s and %s so far, %d in doubt\n", counted(p.Objects, "object"), counted(p.Keys, "key"), p.Suspect)
		}
	}
}

func printAudit(out io.Writer, a usecase.Audit) error {
	seen := "everything was seen"
	if !a.Fact.Whole {
		seen = "NOT everything was seen, and nothing was removed"
	}
	_, _ = fmt.Fprintf(out, "fact %d: %s, %s and %s compared with the record up to fact %d; %s\n",
		a.Seq, counted(a.Fact.Objects, "object"), counted(a.Fact.Keys, "key"), counted(a.Fact.Tables, "table"), a.Fact.Through, seen)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(a.Fact.Findings) > 0 {
		_, _ = fmt.Fprintln(t, "\nFINDING\tCOUNT\tPROMISE\t\tWHAT IT IS")
	}
	for _, f := range a.Fact.Findings {
		broken := "endangered"
		if usecase.BreaksPromise(f.Code) {
			broken = "BROKEN"
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", f.Code, f.Count, f.Promise, broken, usecase.InWords(f.Code))
	}
	_, _ = fmt.Fprintln(t, "\nCHECK\tLOOKED AT\tFOUND\tOUTCOME")
	for _, c := range a.Checks {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", c.Check, c.Looked, c.Found, outcomeOf(c))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(a.Fact.Findings) == 0 && a.Fact.Whole {
		_, _ = fmt.Fprintln(out, "\nwhat is kept is what the record says")
	}
	if a.Fact.Removed > 0 {
		_, _ = fmt.Fprintf(out, "\n%s removed\n", counted(a.Fact.Removed, "object"))
	}
	return nil
}

func outcomeOf(c usecase.CheckResult) string {
	switch {
	case c.Passed():
		return "passed"
	case c.Wrong():
		return "FAILED: " + usecase.InWords(c.Code) + " (" + c.Code + ")"
	}
	return "not established: " + usecase.InWords(c.Code)
}
