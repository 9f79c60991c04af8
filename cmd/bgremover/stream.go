package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
)

// streamCmd is `bgremover stream`.
type streamCmd struct {
	Show streamShowCmd `cmd:"" help:"Print what the record says about one thing, and the state that follows."`
}

// streamShowCmd is `bgremover stream show`. It asks the running service by the socket in its data folder.
type streamShowCmd struct {
	Subject string `arg:"" name:"stream" help:"What it is about, as log show prints it: image/0190…"`
	AsOf    asOf   `embed:""`
	JSON    bool   `name:"json" help:"Print one JSON object: subject, as_of, facts, erased, state."`
	config.Folder
}

// asOf is a moment of the record.
type asOf struct {
	Moment string `name:"as-of" placeholder:"SEQ|TIME" help:"As it was known then: after the fact of this number, or at a time such as 2026-03-02T12:00:00Z or \"2026-03-02 12:00\" (UTC)."`
}

// addTo asks for the moment, if there is one.
func (a asOf) addTo(query url.Values) {
	if a.Moment != "" {
		query.Set("as_of", a.Moment)
	}
}

func (c *streamShowCmd) run(ctx context.Context, std streams) error {
	query := url.Values{"subject": {c.Subject}}
	c.AsOf.addTo(query)
	body, err := askService(ctx, c.Data, "/stream?"+query.Encode())
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := io.Copy(std.out, body)
		return errors.Join(err, body.Close())
	}
	var shown operator.Stream
	if err := readAnswer(body, &shown); err != nil {
		return err
	}
	var text bytes.Buffer
	writeStream(&text, shown)
	_, err = text.WriteTo(std.out)
	return err
}

// momentLayout is how commands print times: UTC, as exact as the record holds them.
const momentLayout = "2006-01-02 15:04:05.000"

func writeStream(out *bytes.Buffer, s operator.Stream) {
	fmt.Fprintf(out, "%s, as known after fact %d\n\n", s.Subject, s.AsOf)
	for _, l := range s.Facts {
		fmt.Fprintf(out, "%7d  %s  %-26s %-10s %-40s %s\n", l.Seq, l.Time.Format(momentLayout), l.Type, l.Actor, decisionOf(l), l.Data)
	}
	if s.Erased != nil {
		fmt.Fprintf(out, "\nWhat was personal is erased: the key was destroyed, by fact %d (%s).\n", s.Erased.Seq, s.Erased.Time.Format(momentLayout))
	}
	if s.State != nil {
		writeState(out, *s.State)
	}
}

func decisionOf(l operator.Line) string {
	if l.Decision == nil {
		return "-"
	}
	return strings.Join(append([]string{l.Decision.Rule, l.Decision.Outcome}, l.Decision.Promises...), " ")
}

func writeState(out *bytes.Buffer, s operator.ImageState) {
	fmt.Fprintf(out, "\nstate     %s\n", s.Status)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-9s %s\n", name, value)
		}
	}
	line("failure", s.Failure)
	if !s.UploadedAt.IsZero() {
		line("uploaded", s.UploadedAt.UTC().Format(momentLayout))
		line("due", s.Due.UTC().Format(momentLayout))
	}
	if s.BrokenOff {
		line("download", "began once, and broke off")
	}
	if !s.DeletedAt.IsZero() {
		line("deleted", fmt.Sprintf("%s, because: %s", s.DeletedAt.UTC().Format(momentLayout), s.DeletedWhy))
	}
}
