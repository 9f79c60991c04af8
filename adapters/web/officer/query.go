package officer

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
)

// query is what the form over the list asks for. What is empty does not narrow.
type query struct {
	Type    event.Name
	Subject event.Stream
	From    time.Time // inclusive
	Before  time.Time // exclusive
	AsOf    moment.Moment
	Oldest  bool  // the oldest first; else the newest
	Seq     int64 // the list begins with this number, or with the next one there is; 0: at its end
}

// errSeq answers what is no number of a fact.
var errSeq = refusal.New(refusal.Invalid, "officer.seq",
	"Facts are numbered from 1 on.", "Write such a number, or leave the field empty.")

// readQuery reads what the form sends. Of several mistakes it tells the first.
func readQuery(v url.Values) (q query, err error) {
	q = query{
		Type:    event.Name(strings.TrimSpace(v.Get("type"))),
		Subject: event.Stream(strings.TrimSpace(v.Get("subject"))),
		Oldest:  v.Get("order") == "oldest",
	}
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	var e error
	q.From, e = moment.ParseTime(v.Get("from"))
	keep(e)
	q.Before, e = moment.ParseTime(v.Get("before"))
	keep(e)
	q.AsOf, e = moment.Parse(v.Get("as_of"))
	keep(e)
	if s := strings.TrimSpace(v.Get("seq")); s != "" {
		n, e := strconv.ParseInt(s, 10, 64)
		if e != nil || n < 1 {
			keep(errSeq)
		}
		q.Seq = max(n, 0)
	}
	return q, err
}

// link is the address of the list that a query asks for.
func (q query) link() string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("type", string(q.Type))
	set("subject", string(q.Subject))
	set("from", inForm(q.From))
	set("before", inForm(q.Before))
	set("as_of", asOfInForm(q.AsOf))
	if q.Oldest {
		set("order", "oldest")
	}
	if q.Seq > 0 {
		set("seq", strconv.FormatInt(q.Seq, 10))
	}
	if len(v) == 0 {
		return logPath
	}
	return logPath + "?" + v.Encode()
}

// inForm writes a time as browsers do in a field for dates and times.
func inForm(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

func asOfInForm(m moment.Moment) string {
	switch {
	case m.Seq > 0:
		return strconv.FormatInt(m.Seq, 10)
	case m.Time.IsZero():
		return ""
	}
	return m.Time.Format("2006-01-02 15:04:05.999Z07:00")
}
