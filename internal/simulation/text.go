package simulation

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes a report for people.
func (r Report) WriteText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, values ...any) { _, _ = fmt.Fprintf(out, format+"\n", values...) } // Flush says what went wrong
	line("revision %d (%.12s…) over the facts %d to %d: %d were read", r.Revision, r.Bundle, r.From, r.To, r.Facts)
	line("")
	line("RULE\tSAME\tDIFFERENT\tERASED\tUNRECORDED\tWITHOUT BUNDLE")
	row := func(name string, c Counts) {
		line("%s\t%d\t%d\t%d\t%d\t%d", name, c.Same, c.Different, c.Erased, c.Unrecorded, c.WithoutBundle)
	}
	for _, rule := range r.Rules {
		row(rule.Rule, rule.Counts)
	}
	row("all", r.Total)
	if err := out.Flush(); err != nil {
		return err
	}
	for _, rule := range r.Rules {
		for _, said := range rule.Findings() {
			line("%s: %s", rule.Rule, said)
		}
	}
	for _, e := range r.Excluded {
		line("%s: excluded: %d reads that were only counted, %d refusals whose questions were not kept", e.Rule, e.Reads, e.More)
	}
	line("\n%s\n%s", r.Compared, r.Limits)
	return out.Flush()
}

// Findings says in sentences what is different about a rule's decisions.
func (r Rule) Findings() (all []string) {
	say := func(n int64, format string, values ...any) {
		if n > 0 {
			all = append(all, fmt.Sprintf(format, values...))
		}
	}
	say(r.NowAllowed, "%d are allowed that were denied%s", r.NowAllowed, r.examples("now allowed"))
	say(r.NowDenied, "%d are denied that were allowed%s", r.NowDenied, r.examples("now denied"))
	say(r.Undecided, "%d are not decided at all, and so denied: %s", r.Undecided, r.Why)
	say(r.Longer, "%d would be kept longer, by up to %s%s", r.Longer, span(r.LongestS), r.examples("longer"))
	say(r.Shorter, "%d would be deleted earlier, by up to %s%s", r.Shorter, span(-r.ShortestS), r.examples("shorter"))
	say(r.KeptLonger, "%d would not be deleted then, but later or for another reason; nobody knows when", r.KeptLonger)
	say(r.DeletedEarlier, "%d would be deleted then, and were kept", r.DeletedEarlier)
	say(r.Other, "%d have the same outcome and another answer%s", r.Other, r.examples("other"))
	say(r.Unrecorded, "%d cannot be compared, because the candidate reads what was not recorded: %s%s", r.Unrecorded, strings.Join(r.Unread, ", "), r.examples("unrecorded"))
	say(r.Erased, "%d cannot be compared, because their questions are erased%s", r.Erased, r.examples("erased"))
	say(r.WithoutBundle, "%d cannot be compared, because the record does not hold the bundle that decided%s", r.WithoutBundle, r.examples("without bundle"))
	return all
}

// examples names facts of a kind of difference.
func (r Rule) examples(what string) string {
	var seqs []string
	for _, e := range r.Examples {
		if e.What == what {
			seqs = append(seqs, fmt.Sprint(e.Seq))
		}
	}
	if len(seqs) == 0 {
		return ""
	}
	return " (facts " + strings.Join(seqs, ", ") + ")"
}

func span(seconds int64) string {
	const day = 24 * 60 * 60
	if seconds >= day && seconds%day == 0 {
		return fmt.Sprintf("%d d", seconds/day)
	}
	return (time.Duration(seconds) * time.Second).String()
}
