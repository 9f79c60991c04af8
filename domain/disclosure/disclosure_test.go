package disclosure_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func asked() disclosure.Request {
	return disclosure.Request{
		From: disclosure.Authority, Country: "DE", Category: disclosure.Technical, Basis: disclosure.Order, Purpose: "order",
		Fields: []string{"address", "access_time"}, Expires: noon.Add(time.Hour), Reference: "12 Js 34/26", Text: "Who was it?",
		Sender: "Staatsanwaltschaft Musterstadt", Key: personal.Of("age1…"), Address: "192.0.2.7", FirstDay: "2026-03-01", LastDay: "2026-03-02", At: noon,
	}
}

func TestDecideRequest(t *testing.T) {
	tests := map[string]struct {
		change func(*disclosure.Request)
		then   error
	}{
		"as it should be":                  {func(*disclosure.Request) {}, nil},
		"an address in IPv6":               {func(r *disclosure.Request) { r.Address = "2001:db8::7" }, nil},
		"an address, whenever":             {func(r *disclosure.Request) { r.FirstDay, r.LastDay = "", "" }, disclosure.ErrNoDays},
		"one day, whoever":                 {func(r *disclosure.Request) { r.Address, r.FirstDay = "", "2026-03-02" }, nil},
		"two days, whoever":                {func(r *disclosure.Request) { r.Address = "" }, disclosure.ErrTooWide},
		"everything":                       {func(r *disclosure.Request) { r.Address, r.FirstDay, r.LastDay = "", "", "" }, disclosure.ErrNoDays},
		"accounts have no days":            {func(r *disclosure.Request) { r.Category, r.FirstDay, r.LastDay = "account", "", "" }, nil},
		"pictures are registered, too":     {func(r *disclosure.Request) { r.Category, r.Address = "image", "" }, nil},
		"and training":                     {func(r *disclosure.Request) { r.From, r.Purpose = "model_trainer", "training" }, nil},
		"no address of a network":          {func(r *disclosure.Request) { r.Address = "somebody" }, disclosure.ErrAddress},
		"the last day first":               {func(r *disclosure.Request) { r.FirstDay = "2026-03-03" }, disclosure.ErrDays},
		"half a span":                      {func(r *disclosure.Request) { r.LastDay = "" }, disclosure.ErrDays},
		"a sender in free text":            {func(r *disclosure.Request) { r.From = "Officer Smith" }, disclosure.ErrSender},
		"a country in small letters":       {func(r *disclosure.Request) { r.Country = "de" }, disclosure.ErrCountry},
		"no field":                         {func(r *disclosure.Request) { r.Fields = nil }, disclosure.ErrFields},
		"a field in free text":             {func(r *disclosure.Request) { r.Fields = []string{"all of it"} }, disclosure.ErrFields},
		"no words of those who ask":        {func(r *disclosure.Request) { r.Text = " " }, disclosure.ErrNoText},
		"nobody's name":                    {func(r *disclosure.Request) { r.Sender = " " }, disclosure.ErrName},
		"a name on two lines":              {func(r *disclosure.Request) { r.Sender = "A\nB" }, disclosure.ErrName},
		"a novel":                          {func(r *disclosure.Request) { r.Text = strings.Repeat("ä", 4001) }, disclosure.ErrReference},
		"an order that has ended":          {func(r *disclosure.Request) { r.Expires = noon }, disclosure.ErrExpired},
		"an order for ever":                {func(r *disclosure.Request) { r.Expires = noon.AddDate(11, 0, 0) }, disclosure.ErrExpired},
		"no document is a matter of rules": {func(r *disclosure.Request) { r.Basis, r.Reference = disclosure.NoDocument, "" }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := asked()
			tt.change(&r)
			requested, scoped, err := disclosure.DecideRequest(disclosure.Disclosure{}, r)
			if !errors.Is(err, tt.then) {
				t.Fatalf("got %v, want %v", err, tt.then)
			}
			if err == nil && (requested.Category != r.Category || len(requested.Fields) != 2 || scoped.Key != r.Key || scoped.Sender != personal.Of(r.Sender)) {
				t.Errorf("got %+v, %+v", requested, scoped)
			}
			if err == nil && r.Category != disclosure.Technical && (!scoped.Address.IsEmpty() || scoped.FirstDay != "") {
				t.Errorf("%s is looked for by %+v", r.Category, scoped)
			}
		})
	}
}

// Two spellings of one address are one address: the part of it that visits keep.
func TestAddressesHaveOneSpelling(t *testing.T) {
	for _, spelling := range []string{"2001:0db8:0::7", " 2001:DB8::7 ", "2001:db8::7%eth0"} {
		r := asked()
		r.Address = spelling
		_, scoped, err := disclosure.DecideRequest(disclosure.Disclosure{}, r)
		if err != nil || scoped.Address != personal.Of("2001:db8::/64") {
			t.Errorf("%s: %v", spelling, err)
		}
	}
	r := asked()
	r.Address = "::ffff:192.0.2.7"
	if _, scoped, err := disclosure.DecideRequest(disclosure.Disclosure{}, r); err != nil || scoped.Address != personal.Of("192.0.2.7") {
		t.Errorf("an address of IPv4 in IPv6: %v", err)
	}
}

// record is a stream that grows.
type record struct{ facts []event.Envelope }

func (r *record) add(who string, fact event.Fact) {
	r.facts = append(r.facts, event.Envelope{Version: int64(len(r.facts)) + 1, At: noon, Actor: event.Actor{Role: event.Officer, Who: personal.Of(who)}, Fact: fact})
}

func (r *record) state() disclosure.Disclosure { return disclosure.FromRecord(r.facts) }

func registered() *record {
	requested, scoped, err := disclosure.DecideRequest(disclosure.Disclosure{}, asked())
	if err != nil {
		panic(err)
	}
	r := &record{}
	r.add("Grace", requested)
	r.add("Grace", scoped)
	return r
}

func TestApprovals(t *testing.T) {
	r := registered()
	for who, want := range map[string]error{"Grace": disclosure.ErrOwn, "": disclosure.ErrOwn, "Ada": nil} {
		if _, err := disclosure.DecideApprove(r.state(), personal.Of(who)); !errors.Is(err, want) {
			t.Errorf("%q: %v", who, err)
		}
	}
	r.add("Ada", disclosure.Approved{Approvals: 1})
	if _, err := disclosure.DecideApprove(r.state(), personal.Of("Ada")); !errors.Is(err, disclosure.ErrTwice) {
		t.Errorf("twice: %v", err)
	}
	if got, err := disclosure.DecideApprove(r.state(), personal.Of("Jean")); err != nil || got.Approvals != 2 {
		t.Errorf("the second: %+v, %v", got, err)
	}
	if _, err := disclosure.DecideApprove(disclosure.Disclosure{}, personal.Of("Jean")); !errors.Is(err, disclosure.ErrUnknown) {
		t.Errorf("of nothing: %v", err)
	}
	r.add("Jean", disclosure.Approved{Approvals: 2})
	r.add("Grace", disclosure.Permitted{})
	if got, err := disclosure.DecideApprove(r.state(), personal.Of("Barbara")); err != nil || got.Approvals != 3 {
		t.Errorf("of what is permitted: %+v, %v", got, err)
	}
	made := &record{facts: slices.Clone(r.facts)}
	made.add("Grace", disclosure.Made{Count: 1})
	if _, err := disclosure.DecideApprove(made.state(), personal.Of("Barbara")); !errors.Is(err, disclosure.ErrDecided) {
		t.Errorf("of what is made: %v", err)
	}
	r.facts[0].Actor.Who = personal.Erased
	for _, who := range []personal.Text{personal.Of("Jean"), personal.Erased} {
		if _, err := disclosure.DecideApprove(r.state(), who); !errors.Is(err, disclosure.ErrErased) {
			t.Errorf("of what is erased: %v", err)
		}
	}
}

func TestVerdicts(t *testing.T) {
	tests := map[string]struct {
		verdict disclosure.Verdict
		then    event.Fact
		err     error
	}{
		"yes":                    {disclosure.Verdict{Allow: true}, disclosure.Permitted{}, nil},
		"no":                     {disclosure.Verdict{Reasons: []string{"treaty", "document"}}, disclosure.Refused{Reasons: []string{"document", "treaty"}}, nil},
		"nothing decided":        {disclosure.Verdict{}, disclosure.Refused{Reasons: []string{disclosure.ReasonUndecided}}, nil},
		"too early":              {disclosure.Verdict{Reasons: []string{"approvals"}}, nil, disclosure.ErrApprovals},
		"too early, and never":   {disclosure.Verdict{Reasons: []string{"approvals", "fields"}}, disclosure.Refused{Reasons: []string{"approvals", "fields"}}, nil},
		"never, and not at once": {disclosure.Verdict{Reasons: []string{"never"}}, disclosure.Refused{Reasons: []string{"never"}}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := disclosure.DecideVerdict(registered().state(), tt.verdict)
			if !errors.Is(err, tt.err) || fmt.Sprint(got) != fmt.Sprint(tt.then) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestTelling(t *testing.T) {
	technical, account := registered(), registered()
	requested := account.facts[0].Fact.(disclosure.Requested)
	requested.Category = "account"
	account.facts[0].Fact = requested
	for _, r := range []*record{technical, account} {
		if _, err := disclosure.DecideTell(r.state(), noon); !errors.Is(err, disclosure.ErrNothingGiven) {
			t.Errorf("of nothing: %v", err)
		}
		r.add("Ada", disclosure.Permitted{})
		r.add("Ada", disclosure.Made{Count: 1})
	}
	if _, err := disclosure.DecideTell(technical.state(), noon); !errors.Is(err, disclosure.ErrNoContact) {
		t.Errorf("technical data: %v", err)
	}
	if _, err := disclosure.DecideUnreachable(account.state(), noon); !errors.Is(err, disclosure.ErrContact) {
		t.Errorf("accounts: %v", err)
	}
	if _, err := disclosure.DecideTell(account.state(), noon); err != nil {
		t.Errorf("accounts: %v", err)
	}
	if _, err := disclosure.DecideDefer(technical.state(), noon, noon); !errors.Is(err, disclosure.ErrUntil) {
		t.Errorf("until now: %v", err)
	}
	technical.add("Ada", disclosure.SubjectDeferred{Until: noon.Add(time.Hour)})
	if _, err := disclosure.DecideUnreachable(technical.state(), noon); !errors.Is(err, disclosure.ErrForbidden) {
		t.Errorf("too early: %v", err)
	}
	if _, err := disclosure.DecideDefer(technical.state(), noon.Add(2*time.Hour), noon); err != nil {
		t.Errorf("a later order: %v", err)
	}
	if _, err := disclosure.DecideUnreachable(technical.state(), noon.Add(time.Hour)); err != nil {
		t.Errorf("in time: %v", err)
	}
	technical.add("Ada", disclosure.SubjectUnreachable{})
	if _, err := disclosure.DecideDefer(technical.state(), noon.Add(time.Hour), noon); !errors.Is(err, disclosure.ErrTold) {
		t.Errorf("settled: %v", err)
	}
}

// An export that holds nothing concerns nobody: it is settled when it is handed out, once.
func TestNobodyIsToldOfNothing(t *testing.T) {
	r := registered()
	r.add("Ada", disclosure.Permitted{})
	r.add("Ada", disclosure.Made{Count: 0, Digest: "d"})
	d := r.state()
	if d.Status() != disclosure.Empty {
		t.Errorf("it stands as %s", d.Status())
	}
	_, told := disclosure.DecideTell(d, noon)
	_, unreachable := disclosure.DecideUnreachable(d, noon)
	_, deferred := disclosure.DecideDefer(d, noon.Add(time.Hour), noon)
	for what, err := range map[string]error{"told": told, "unreachable": unreachable, "deferred": deferred} {
		if !errors.Is(err, disclosure.ErrNothingGiven) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := disclosure.MayMake(d); !errors.Is(err, disclosure.ErrMade) {
		t.Errorf("made again: %v", err)
	}
	if _, err := disclosure.DecideRefuse(d); !errors.Is(err, disclosure.ErrDecided) {
		t.Errorf("refused: %v", err)
	}
}

// Whatever is tried, in whatever order: nothing is given that the rules did not allow before, nothing
// is given twice, and what is given is what was asked for.
func TestNothingIsGivenUnlessAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := registered()
		allowed := false
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			d := r.state()
			verdict := disclosure.Verdict{Allow: rapid.Bool().Draw(t, "the rules allow it"), Reasons: []string{"document"}}
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				if fact, err := disclosure.DecideApprove(d, personal.Of(rapid.SampledFrom([]string{"Grace", "Ada", "Jean"}).Draw(t, "who"))); err == nil {
					r.add("Ada", fact)
				}
			case 1:
				if fact, err := disclosure.DecideVerdict(d, verdict); err == nil {
					r.add("Ada", fact)
					allowed = allowed || verdict.Allow
				}
			case 2:
				if fact, err := disclosure.DecideRefuse(d); err == nil {
					r.add("Ada", fact)
				}
			case 3:
				if fact, err := disclosure.DecideNoData(d); err == nil {
					r.add("Ada", fact)
				}
			case 4:
				fact, err := disclosure.DecideMake(d, verdict, disclosure.Export{Count: 3, Digest: "d"})
				if err != nil {
					continue
				}
				made, given := fact.(disclosure.Made)
				if given && (!allowed || !verdict.Allow || !slices.Equal(made.Fields, d.Request().Fields) || made.Category != d.Request().Category) {
					t.Fatalf("gave %+v", made)
				}
				r.add("Ada", fact)
			case 5:
				if fact, err := disclosure.DecideUnreachable(d, noon); err == nil {
					r.add("Ada", fact)
				}
			}
		}
		made, refused := 0, 0
		for _, env := range r.facts {
			switch env.Fact.(type) {
			case disclosure.Made:
				made++
			case disclosure.Refused:
				refused++
			}
		}
		if made+refused > 1 {
			t.Fatalf("made %d times, refused %d times", made, refused)
		}
	})
}

// Whatever is typed into the form: what is recorded in the open is words, days and a country, and
// technical data is never looked for everywhere and always.
func FuzzDecideRequest(f *testing.F) {
	f.Add("authority", "DE", "technical", "address", "order", "order", "192.0.2.7", "2026-03-01", "2026-03-02", "Who?", "Court")
	f.Add("partner", "FR", "account", "email name", "consent", "introduction", "", "", "", "Whom?", "A\nB")
	f.Add("authority", "DE", "technical", "address", "order", "order", "fe80::1%eth0", "2026-02-30", "", "Who?", "Court")
	open := regexp.MustCompile(`^[a-z_]{1,40}$`)
	f.Fuzz(func(t *testing.T, from, country, category, fields, basis, purpose, address, first, last, text, sender string) {
		requested, scoped, err := disclosure.DecideRequest(disclosure.Disclosure{}, disclosure.Request{
			From: from, Country: country, Category: category, Fields: strings.Fields(fields), Basis: basis, Purpose: purpose, Expires: noon.Add(time.Hour),
			Address: address, FirstDay: first, LastDay: last, Text: text, Sender: sender, At: noon,
		})
		if err != nil {
			return
		}
		for _, word := range append([]string{requested.From, requested.Category, requested.Basis, scoped.Purpose}, requested.Fields...) {
			if !open.MatchString(word) {
				t.Errorf("%q stands in the open", word)
			}
		}
		for _, day := range []string{scoped.FirstDay, scoped.LastDay} {
			if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
				t.Errorf("%q is no day", day)
			}
		}
		if category == disclosure.Technical && (scoped.FirstDay == "" || scoped.Address.IsEmpty() && scoped.FirstDay != scoped.LastDay) {
			t.Errorf("everybody is looked for: %+v", scoped)
		}
	})
}
