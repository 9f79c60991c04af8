package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/bgremover/bgremover/internal/telemetry"
)

// progress shows how far a long command has come: a bar with rate and remaining time on a
// terminal, a line every few seconds anywhere else. A bar that cannot be drawn stops nothing.
type progress struct {
	what string
	out  io.Writer
	bar  *progressbar.ProgressBar // nil where there is no terminal
	next time.Time                // when the next line is due
}

// lineEvery is how often a line tells the progress where there is no terminal.
const lineEvery = 5 * time.Second

func newProgress(out io.Writer, what string) *progress {
	p := &progress{what: what, out: out, next: time.Now().Add(lineEvery)}
	if telemetry.IsTerminal(out) {
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("facts"),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// at says that so many of so many facts are done. The total may grow.
func (p *progress) at(done, total int64) {
	switch {
	case p.bar != nil:
		if p.bar.GetMax64() != total {
			p.bar.ChangeMax64(total)
		}
		_ = p.bar.Set64(done)
	case !time.Now().Before(p.next):
		p.next = time.Now().Add(lineEvery)
		_, _ = fmt.Fprintf(p.out, "%s: %d of %d facts\n", p.what, done, total)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
