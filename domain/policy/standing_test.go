package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/policy"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Promises of each kind, wholly built.
var (
	enforced    = policy.Promise{ID: "a.enforced", Kind: policy.Enforced, State: policy.Built, Figure: "a.figure"}
	tested      = policy.Promise{ID: "a.tested", Kind: policy.Tested, State: policy.Built, Check: "a.check"}
	attested    = policy.Promise{ID: "a.attested", Kind: policy.Attested, State: policy.Built, SignedBy: "officer", HoldsDays: 365}
	information = policy.Promise{ID: "a.information", Kind: policy.Information, State: policy.Built, Where: "/a", Check: "a.check", Needs: []policy.Blank{policy.Region}}
)

// good is evidence for any of them, as good as it can be.
func good() policy.Evidence {
	return policy.Evidence{
		Now: noon, Read: noon, Operator: policy.Operator{Region: "here"},
		Figure: &policy.Figure{Name: "a.figure", At: noon, Standing: policy.Kept, Why: "All of them.", Audited: true},
		Checks: []policy.Checked{{Name: "a.check", At: noon, Passed: true, Looked: 3}},
		Signed: &policy.Signed{At: noon, Until: noon.AddDate(1, 0, 0), Current: true},
		Audit:  &policy.Audited{At: noon, Whole: true},
	}
}

func in(state policy.State, p policy.Promise) policy.Promise {
	p.State, p.Missing = state, "The rest."
	return p
}

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		promise policy.Promise
		change  func(*policy.Evidence)
		then    policy.Standing
		why     string // begins one of the reasons
	}{
		"enforced":    {enforced, nil, policy.Kept, "All of them."},
		"tested":      {tested, nil, policy.Kept, "The check a.check passed at 12:00 UTC on 2 March 2026; it looked at 3 things."},
		"attested":    {attested, nil, policy.Kept, "Attested: signed on 2 March 2026, until 2 March 2027."},
		"information": {information, nil, policy.Kept, "The check a.check passed"},

		"no evidence is asked for": {policy.Promise{State: policy.Built}, nil, policy.NotEstablished, "Nothing shows"},
		"built in part":            {in(policy.InPart, enforced), nil, policy.NotEstablished, "The rest."},
		"not built":                {in(policy.NotBuilt, enforced), nil, policy.NotEstablished, "The rest."},
		"built in part, and broken": {
			in(policy.InPart, enforced), func(e *policy.Evidence) { e.Figure.Standing, e.Figure.Why = policy.Broken, "One is late." }, policy.Broken, "One is late.",
		},

		"nothing was read":               {enforced, func(e *policy.Evidence) { *e = policy.Evidence{Now: noon} }, policy.NotEstablished, "The record was last read at no time"},
		"read a minute ago":              {tested, func(e *policy.Evidence) { e.Read = noon.Add(-time.Minute) }, policy.Kept, "The check"},
		"read longer ago":                {tested, func(e *policy.Evidence) { e.Read = noon.Add(-time.Minute - 1) }, policy.NotEstablished, "The record was last read at 11:58 UTC"},
		"the view stopped":               {enforced, func(e *policy.Evidence) { e.Trouble = "The view has stopped." }, policy.NotEstablished, "The view has stopped."},
		"no figure":                      {enforced, func(e *policy.Evidence) { e.Figure = nil }, policy.NotEstablished, "Its figure cannot be read."},
		"an old figure":                  {enforced, func(e *policy.Evidence) { e.Figure.At = noon.Add(-2 * time.Minute) }, policy.NotEstablished, "Its figure was last read"},
		"a figure from the future":       {enforced, func(e *policy.Evidence) { e.Figure.At = noon.Add(2 * time.Minute) }, policy.NotEstablished, "Its figure was last read"},
		"a figure that says nothing":     {enforced, func(e *policy.Evidence) { e.Figure.Standing = "" }, policy.NotEstablished, "Its figure says nothing."},
		"a figure at risk":               {enforced, func(e *policy.Evidence) { e.Figure.Standing = policy.AtRisk }, policy.AtRisk, "All of them."},
		"a broken figure":                {enforced, func(e *policy.Evidence) { e.Figure.Standing = policy.Broken }, policy.Broken, "All of them."},
		"broken, and the view stopped":   {enforced, func(e *policy.Evidence) { e.Figure.Standing, e.Trouble = policy.Broken, "Stopped." }, policy.Broken, "All of them."},
		"never audited":                  {enforced, func(e *policy.Evidence) { e.Audit = nil }, policy.NotEstablished, "The sentinel has not audited"},
		"audited half an hour ago":       {enforced, func(e *policy.Evidence) { e.Audit.At = noon.Add(-30 * time.Minute) }, policy.Kept, "All of them."},
		"audited longer ago":             {enforced, func(e *policy.Evidence) { e.Audit.At = noon.Add(-31 * time.Minute) }, policy.NotEstablished, "The sentinel last audited what is stored at 11:29 UTC"},
		"audited in part":                {enforced, func(e *policy.Evidence) { e.Audit.Whole = false }, policy.NotEstablished, "The sentinel could not list"},
		"never audited, and no figure's": {tested, func(e *policy.Evidence) { e.Audit = nil }, policy.Kept, "The check"},
		"a finding that endangers": {tested, func(e *policy.Evidence) {
			e.Audit.Findings = []policy.Finding{{Code: "x", Words: "strange things", Count: 2}}
		}, policy.AtRisk, "The sentinel found strange things at 12:00 UTC on 2 March 2026: 2 (x)."},
		"a finding that breaks": {tested, func(e *policy.Evidence) {
			e.Audit.Findings = []policy.Finding{{Code: "x", Words: "worse things", Count: 1, Breaks: true}}
		}, policy.Broken, "The sentinel found worse things at 12:00 UTC on 2 March 2026: 1 (x)."},
		"a finding of nothing":             {tested, func(e *policy.Evidence) { e.Audit.Findings = []policy.Finding{{Code: "x", Breaks: true}} }, policy.Kept, "The check"},
		"never checked":                    {tested, func(e *policy.Evidence) { e.Checks = nil }, policy.NotEstablished, "The check a.check has not run yet."},
		"another check alone":              {tested, func(e *policy.Evidence) { e.Checks[0].Name = "another" }, policy.NotEstablished, "The check a.check has not run yet."},
		"checked 90 minutes ago":           {tested, func(e *policy.Evidence) { e.Checks[0].At = noon.Add(-90 * time.Minute) }, policy.Kept, "The check"},
		"checked longer ago":               {tested, func(e *policy.Evidence) { e.Checks[0].At = noon.Add(-91 * time.Minute) }, policy.NotEstablished, "The check a.check last ran at 10:29 UTC"},
		"the check failed":                 {tested, func(e *policy.Evidence) { e.Checks[0] = failed("a.check") }, policy.Broken, "The check a.check failed at 12:00 UTC on 2 March 2026: it is so; 1 of 3 things that it looked at are wrong (a.code)."},
		"it failed long ago":               {tested, func(e *policy.Evidence) { e.Checks[0] = failed("a.check"); e.Checks[0].At = noon.AddDate(0, -1, 0) }, policy.Broken, "The check a.check failed"},
		"it looked at nothing":             {tested, func(e *policy.Evidence) { e.Checks[0] = policy.Checked{Name: "a.check", At: noon} }, policy.NotEstablished, "The check a.check could not tell at 12:00 UTC"},
		"it did not run to its end":        {tested, func(e *policy.Evidence) { e.Checks[0] = failed("a.check"); e.Checks[0].Found = 0 }, policy.NotEstablished, "The check a.check could not tell"},
		"another check failed":             {tested, func(e *policy.Evidence) { e.Checks = append(e.Checks, failed("another")) }, policy.Broken, "The check another failed"},
		"another check is old":             {tested, func(e *policy.Evidence) { e.Checks = append(e.Checks, policy.Checked{Name: "another", Passed: true}) }, policy.Kept, "The check a.check"},
		"nobody signed":                    {attested, func(e *policy.Evidence) { e.Signed = nil }, policy.NotEstablished, "Nobody has signed for it."},
		"it holds for 30 days":             {attested, func(e *policy.Evidence) { e.Signed.Until = noon.Add(policy.SignSoon) }, policy.AtRisk, "What was signed holds until 1 April 2026 only"},
		"it holds for longer":              {attested, func(e *policy.Evidence) { e.Signed.Until = noon.Add(policy.SignSoon + 1) }, policy.Kept, "Attested"},
		"it holds no longer":               {attested, func(e *policy.Evidence) { e.Signed.Until = noon }, policy.NotEstablished, "What was signed held until 2 March 2026"},
		"other words":                      {attested, func(e *policy.Evidence) { e.Signed.Current = false }, policy.NotEstablished, "What was signed on 2 March 2026 were other words"},
		"signed longer ago than it can be": {attested, func(e *policy.Evidence) { e.Signed.At = noon.AddDate(-1, 0, -1) }, policy.NotEstablished, "What was signed on 1 March 2025 is too old"},
		"nothing stated":                   {information, func(e *policy.Evidence) { e.Operator = policy.Operator{} }, policy.NotEstablished, "The operator has not stated what this promise needs: region."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := good()
			if tt.change != nil {
				tt.change(&e)
			}
			got := tt.promise.Judge(e)
			if got.Standing != tt.then || !slices.ContainsFunc(got.Why, func(why string) bool { return strings.HasPrefix(why, tt.why) }) {
				t.Errorf("got %q, want %s because of %q", got, tt.then, tt.why)
			}
		})
	}
}

func failed(check string) policy.Checked {
	return policy.Checked{Name: check, At: noon, Looked: 3, Found: 1, Code: "a.code", Words: "it is so"}
}

// What is not built says that, and not what evidence it cannot have yet.
func TestWhatIsNotBuiltSaysSo(t *testing.T) {
	for _, state := range []policy.State{policy.InPart, policy.NotBuilt} {
		for _, p := range []policy.Promise{enforced, tested, attested, information} {
			got := in(state, p).Judge(policy.Evidence{Now: noon})
			if got.Standing != policy.NotEstablished || !slices.Equal(got.Why, []string{"The rest."}) {
				t.Errorf("%s, %s: %q", p.ID, state, got)
			}
		}
	}
}

// anyEvidence draws evidence of any age and outcome.
func anyEvidence(t *rapid.T) policy.Evidence {
	e := good()
	at := func(label string) time.Time {
		return noon.Add(-time.Duration(rapid.IntRange(-5, 120).Draw(t, label)) * time.Minute)
	}
	standing := rapid.SampledFrom(policy.Standings())
	e.Read, e.Figure.At, e.Audit.At, e.Checks[0].At = at("read"), at("figure"), at("audit"), at("check")
	e.Figure.Standing, e.Figure.Audited = standing.Draw(t, "figure stands"), rapid.Bool().Draw(t, "audited")
	e.Checks[0].Passed, e.Checks[0].Looked = rapid.Bool().Draw(t, "passed"), rapid.Int64Range(0, 2).Draw(t, "looked")
	e.Signed.Current = rapid.Bool().Draw(t, "current")
	e.Signed.Until = noon.AddDate(0, 0, rapid.IntRange(-5, 60).Draw(t, "until"))
	e.Audit.Whole = rapid.Bool().Draw(t, "whole")
	if rapid.Bool().Draw(t, "no figure") {
		e.Figure = nil
	}
	if rapid.Bool().Draw(t, "no check") {
		e.Checks = nil
	}
	if rapid.Bool().Draw(t, "no audit") {
		e.Audit = nil
	}
	if rapid.Bool().Draw(t, "not signed") {
		e.Signed = nil
	}
	return e
}

func anyPromise(t *rapid.T) policy.Promise {
	p := rapid.SampledFrom([]policy.Promise{enforced, tested, attested, information}).Draw(t, "promise")
	if rapid.Bool().Draw(t, "with a figure") {
		p.Figure = "a.figure"
	}
	if state := rapid.SampledFrom(policy.States()).Draw(t, "state"); state != policy.Built {
		p = in(state, p)
	}
	return p
}

// Whatever else is known, one more piece of evidence that is bad, or old, or gone never makes a
// promise look better; and there is always a reason for how it looks.
func TestBadEvidenceNeverImproves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := anyPromise(t), anyEvidence(t)
		before := p.Judge(e)
		worse := e
		switch rapid.IntRange(0, 7).Draw(t, "what") {
		case 0:
			worse.Checks = append(slices.Clone(e.Checks), failed("another"))
		case 1:
			worse.Trouble = "The view has stopped."
		case 2:
			worse.Read = noon.Add(-time.Hour)
		case 3:
			worse.Operator = policy.Operator{}
		case 4:
			audit := policy.Audited{At: noon.Add(-time.Hour)}
			if e.Audit != nil {
				audit.Findings = e.Audit.Findings
			}
			audit.Findings = append(slices.Clone(audit.Findings), policy.Finding{Code: "x", Count: 1, Breaks: rapid.Bool().Draw(t, "breaks")})
			worse.Audit = &audit
		case 5:
			worse.Figure = &policy.Figure{At: noon, Standing: policy.Broken, Why: "One."}
		case 6:
			if e.Signed != nil {
				worse.Signed = &policy.Signed{At: e.Signed.At, Until: noon.AddDate(-1, 0, 0), Current: true}
			}
		case 7:
			p2 := in(policy.InPart, p)
			if after := p2.Judge(e); before.Standing.WorseThan(after.Standing) {
				t.Fatalf("built in part it is %q, and wholly built %q", after, before)
			}
		}
		after := p.Judge(worse)
		if before.Standing.WorseThan(after.Standing) {
			t.Fatalf("%s became %s", before.Standing, after.Standing)
		}
		if len(before.Why) == 0 || len(after.Why) == 0 {
			t.Fatalf("no reason is given for %q, %q", before, after)
		}
	})
}

// Nothing but fresh, good evidence of every kind that is asked for makes a promise kept.
func TestKeptTakesFreshEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := anyPromise(t), anyEvidence(t)
		if p.Judge(e).Standing != policy.Kept {
			return
		}
		fresh := func(at time.Time, holds time.Duration) bool { return noon.Sub(at) <= holds }
		switch {
		case p.State != policy.Built, !fresh(e.Read, policy.FigureHolds), !p.Stated(e.Operator):
			t.Fatal("kept, although it cannot be known")
		case p.Figure != "" && (e.Figure == nil || !fresh(e.Figure.At, policy.FigureHolds) || e.Figure.Standing != policy.Kept):
			t.Fatal("kept without a good figure")
		case p.Check != "" && (len(e.Checks) == 0 || !e.Checks[0].Passed || !fresh(e.Checks[0].At, policy.CheckHolds)):
			t.Fatal("kept without a check")
		case p.Kind == policy.Attested && (e.Signed == nil || !e.Signed.Current || !noon.Before(e.Signed.Until)):
			t.Fatal("kept without a statement")
		}
	})
}

func TestStandingsInOrder(t *testing.T) {
	all := policy.Standings()
	for i, one := range all {
		for k, other := range all {
			if one.WorseThan(other) != (i > k) {
				t.Errorf("%s and %s", one, other)
			}
		}
		if !policy.Standing("").WorseThan(one) {
			t.Errorf("no standing at all is not worse than %s", one)
		}
	}
}

func TestRounded(t *testing.T) {
	tests := map[int64]policy.Value{
		0:    {},
		4:    {AtLeast: true},
		5:    {Number: 5},
		1204: {Number: 1200, AtLeast: true},
	}
	for n, want := range tests {
		want.Label, want.Unit = "a", "b"
		if got := policy.Rounded("a", n, "b"); got != want {
			t.Errorf("%d: got %+v, want %+v", n, got, want)
		}
		if got := policy.Rounded("a", n, "b").Few(); got != (n > 0 && n < policy.Step) {
			t.Errorf("%d: few %v", n, got)
		}
	}
}
