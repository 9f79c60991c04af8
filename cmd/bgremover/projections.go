package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"text/tabwriter"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/usecase"
)

// projectionsCmd is `bgremover projections`.
type projectionsCmd struct {
	List   projectionsListCmd   `cmd:"" default:"withargs" help:"List the views of the running service: how far each is, and whether one is stopped."`
	Skip   projectionsSkipCmd   `cmd:"" help:"Have a stopped view go on behind the fact that it cannot apply. That becomes part of the record, and rebuilds do the same."`
	Unskip projectionsUnskipCmd `cmd:"" help:"Take a skip back, once a release can apply the fact: the next rebuild does."`
}

type projectionsListCmd struct {
	JSON bool `name:"json" help:"As JSON."`
	config.Folder
}

func (c *projectionsListCmd) run(ctx context.Context, std streams) error {
	body, err := askService(ctx, c.Data, "/projections")
	if err != nil {
		return err
	}
	var all []operator.Projection
	if err := readAnswer(body, &all); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(all)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "VIEW\tSTATE\tFACT\tBEHIND\tWHY")
	for _, v := range all {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", v.View, v.State, v.Seq, v.Lag, v.Cause)
	}
	return table.Flush()
}

// aSkip names a fact in a view.
type aSkip struct {
	Seq     int64  `arg:"" name:"SEQ" help:"The fact, by its place in the record."`
	View    string `required:"" placeholder:"NAME" help:"The view, such as images."`
	Because string `required:"" placeholder:"TEXT" help:"Why; it is kept sealed, with your name."`
	config.Folder
}

func (c *aSkip) ask(ctx context.Context, withdraw bool) error {
	body, err := tellService(ctx, c.Data, "/projections/skip",
		operator.SkipRequest{View: c.View, Seq: c.Seq, Because: c.Because, Who: systemUser(), Withdraw: withdraw})
	if err != nil {
		return err
	}
	return body.Close()
}

type projectionsUnskipCmd struct{ aSkip }

func (c *projectionsUnskipCmd) run(ctx context.Context, std streams) error {
	if err := c.ask(ctx, true); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "recorded: bgremover rebuild %s applies fact %d again\n", c.View, c.Seq)
	return err
}

type projectionsSkipCmd struct{ aSkip }

func (c *projectionsSkipCmd) run(ctx context.Context, std streams) error {
	if err := c.ask(ctx, false); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "recorded: %s goes on behind fact %d within seconds; bgremover projections shows it\n", c.View, c.Seq)
	return err
}

// systemUser names whoever runs this command, as the system knows them.
func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

// projections is what the operator's socket can ask and do about views.
func (s *service) projections() operator.Projections {
	return operator.Projections{
		List:    s.listViews,
		Skip:    usecase.SkipFact{Record: s.ledger, Vault: s.vault, Views: stoppedViews{s}, Now: s.milliseconds},
		Certify: usecase.CertifyView{Record: s.ledger, Now: s.milliseconds},
	}
}

func (s *service) listViews(ctx context.Context) ([]operator.Projection, error) {
	through, err := s.ledger.Published(ctx)
	if err != nil {
		return nil, err
	}
	all := []operator.Projection{}
	for _, h := range s.views.Health() {
		all = append(all, operator.Projection{
			View: h.View, State: string(h.State), Seq: h.Seq, Lag: max(0, through-h.Seq), At: h.At, Cause: h.Cause,
		})
	}
	return all, nil
}

// stoppedViews asks the views of this process.
type stoppedViews struct{ s *service }

// StoppedAt implements usecase.Views.
func (v stoppedViews) StoppedAt(view string) (seq int64, known bool) {
	for _, h := range v.s.views.Health() {
		if h.View == view {
			return h.At, true
		}
	}
	return 0, false
}
