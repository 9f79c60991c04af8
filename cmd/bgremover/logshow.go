package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
)

// logCmd is `bgremover log`.
type logCmd struct {
	Verify    logVerifyCmd    `cmd:"" help:"Read the whole record from Kafka and check it: order, form, every checkpoint that was ever signed."`
	Show      logShowCmd      `cmd:"" help:"Print the facts of the record, oldest first."`
	Key       logKeyCmd       `cmd:"" help:"Print the keys that the record's checkpoints are signed with, the oldest first: keep the first one elsewhere."`
	RotateKey logRotateKeyCmd `cmd:"" help:"Sign checkpoints with a new key from now on; the old one signs for it."`
}

// logShowCmd is `bgremover log show`. It asks the running service by the socket in its data folder.
type logShowCmd struct {
	Follow  bool   `short:"f" help:"Go on with facts as they are published."`
	JSON    bool   `name:"json" help:"One JSON object a line: seq, id, type, subject, version, time, actor, cause, request, decision, data."`
	Type    string `placeholder:"TYPE" help:"Only facts of this type, such as image.deleted.v1."`
	Subject string `placeholder:"STREAM" help:"Only facts about this, such as image/0190…"`
	From    int64  `default:"1" placeholder:"SEQ" help:"Begin at this place in the record."`
	AsOf    asOf   `embed:""`
	config.Folder
}

func (c *logShowCmd) run(ctx context.Context, std streams) (err error) {
	query := url.Values{"from": {strconv.FormatInt(c.From, 10)}}
	for name, value := range map[string]string{"type": c.Type, "subject": c.Subject} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if c.Follow {
		query.Set("follow", "true")
	}
	c.AsOf.addTo(query)
	body, err := askService(ctx, c.Data, "/log?"+query.Encode())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	err = c.print(std.out, body)
	if ctx.Err() != nil && c.Follow {
		return nil // that is how following ends
	}
	return err
}

func (c *logShowCmd) print(out io.Writer, body io.Reader) error {
	const longest = 4 << 20
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		if c.JSON {
			if _, err := fmt.Fprintf(out, "%s\n", lines.Bytes()); err != nil {
				return err
			}
			continue
		}
		var l operator.Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("read the service's answer: %w", err)
		}
		if _, err := fmt.Fprintf(out, "%7d  %s  %-26s %-10s %s\n", l.Seq, l.Time.Format(momentLayout), l.Type, l.Actor, l.Subject); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the record broke off: %w; the service's log says why", err)
	}
	return nil
}
