package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/usecase"
)

// attestCmd is `bgremover attest`.
type attestCmd struct {
	List attestListCmd `cmd:"" default:"withargs" help:"List the promises that only people can know: which are signed for, and until when. Officers sign on their pages, at /officer/attestations."`
}

type attestListCmd struct {
	JSON bool `name:"json" help:"As JSON, with the words that are signed."`
	config.Folder
}

func (c *attestListCmd) run(ctx context.Context, std streams) error {
	body, err := askService(ctx, c.Data, "/attestations")
	if err != nil {
		return err
	}
	var all []operator.Attestation
	if err := readAnswer(body, &all); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(all)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROMISE\tSTATE\tUNTIL\tDAYS LEFT\tROLE")
	for _, one := range all {
		until, left := "-", "-"
		if one.Until != nil {
			until = one.Until.UTC().Format(time.DateOnly)
			left = strconv.Itoa(one.Days)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.Promise, one.State, until, left, one.SignedBy)
	}
	return table.Flush()
}

// attest wires what officers sign for.
func (s *service) attest() (usecase.Attest, error) {
	p, err := readPublished()
	if err != nil {
		return usecase.Attest{}, fmt.Errorf("read the published policy: %w", err)
	}
	return usecase.Attest{Record: s.ledger, Vault: s.vault, Acts: s.policy, Promises: p.Promises, Now: s.milliseconds}, nil
}

// remindEvery is how often the log says which signatures are missing, or will soon be.
const remindEvery = 24 * time.Hour

// remind tells the operator which signatures end soon. Of a promise that nobody has signed for, /promises tells everybody.
func (s *service) remind(ctx context.Context) error {
	all, err := s.uses.attest.List(ctx)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	for _, one := range all {
		switch shown := operator.AttestationOf(one, now); shown.State {
		case operator.AttestationExpiring, operator.AttestationExpired, operator.AttestationChanged:
			s.log.WarnContext(ctx, "a promise that only people can know has to be signed for again, at /officer/attestations",
				"promise", one.Promise, "state", shown.State, "days", shown.Days, "role", one.SignedBy)
		}
	}
	return nil
}
