package contradictions_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/contradictions"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

var (
	operator = policy.Operator{Name: "Example Ltd", Region: "Frankfurt, Germany (EU)", Contact: "privacy@example.org"}
	today    = time.Date(2030, 3, 2, 12, 0, 0, 0, time.UTC)
)

// change replaces words in a file of policies/. Each must stand there.
type change struct{ file, was, becomes string }

// world is what this release publishes and decides by, with changes.
type world struct {
	*testing.T
	files    fstest.MapFS
	operator policy.Operator
	period   time.Duration
	today    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, files: fstest.MapFS{}, operator: operator, period: 24 * time.Hour, today: today}
	for _, from := range []fs.FS{policies.Bundle, policies.Published} {
		err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := fs.ReadFile(from, name)
			w.files[name] = &fstest.MapFile{Data: content}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) change(changes ...change) {
	w.Helper()
	for _, c := range changes {
		content := w.files[c.file].Data
		if !bytes.Contains(content, []byte(c.was)) {
			w.Fatalf("%s does not say %q", c.file, c.was)
		}
		w.files[c.file] = &fstest.MapFile{Data: bytes.ReplaceAll(content, []byte(c.was), []byte(c.becomes))}
	}
}

// data joins the data files, as the rules have them.
func (w *world) data() map[string]any {
	w.Helper()
	all := map[string]any{}
	for name, file := range w.files {
		if !strings.HasPrefix(name, "data/") {
			continue
		}
		if err := json.Unmarshal(file.Data, &all); err != nil {
			w.Fatalf("%s: %v", name, err)
		}
	}
	return all
}

func (w *world) find() []contradictions.Result {
	w.Helper()
	return w.findIn(w.practice())
}

func (w *world) findIn(p contradictions.Practice) []contradictions.Result {
	w.Helper()
	found, err := contradictions.Find(p)
	if err != nil {
		w.Fatal(err)
	}
	return found
}

func (w *world) practice() contradictions.Practice {
	w.Helper()
	p, err := published.Load(w.files)
	if err != nil {
		w.Fatal(err)
	}
	return contradictions.Practice{
		Text: p.Current(), Promises: p.Promises, Data: w.data(), Operator: w.operator, Period: w.period, Today: w.today,
	}
}

// Today's text, promises, rules and a stated operator agree.
func TestThisReleaseContradictsItselfNowhere(t *testing.T) {
	found := newWorld(t).find()
	for _, r := range found {
		for _, finding := range r.Findings {
			t.Errorf("%s: %s", r.ID, finding)
		}
	}
	if len(found) < 9 || contradictions.Open(found) != 0 {
		t.Errorf("%d checks, %d open", len(found), contradictions.Open(found))
	}
}

// Each check has fixtures that make its contradiction appear; taken back, it is gone.
var fixtures = map[string]map[string]struct {
	changes []change
	with    func(*world)
	says    string
}{
	"breach.two-clocks": {
		"no clock for people":        {changes: []change{{"data/breach.json", "breach_people", "breach_press"}}, says: "no clock for them"},
		"no clock for the authority": {changes: []change{{"data/breach.json", "breach_authority", "breach_press"}}, says: "no clock for it"},
		"the clock runs longer":      {changes: []change{{"data/breach.json", `"hours": 72, "counts_from": "discovery"`, `"hours": 96, "counts_from": "discovery"`}}, says: "runs for 96 hours"},
		"one clock for both":         {changes: []change{{"data/breach.json", `"counts_from": "discovery"`, `"counts_from": "awareness"`}}, says: "counts from awareness"},
		"at high risk alone":         {changes: []change{{"data/breach.json", `"at_any_risk": true`, `"at_any_risk": false`}}, says: "some risks only"},
		"the law's is exceeded":      {changes: []change{{"data/breach.json", `"hours": 72, "counts_from": "awareness"`, `"hours": 73, "counts_from": "awareness"`}}, says: "runs for 73"},
		"the authority, later":       {changes: []change{{"data/breach.json", `"counts_from": "awareness"`, `"counts_from": "discovery"`}}, says: "the law's from awareness"},
		"the policy promises sooner": {changes: []change{{"promises.yaml", "within 72 hours", "within 48 hours"}, {"policy.md", "within 72 hours", "within 48 hours"}}, says: "48 hours, and their clock runs for 72"},
		"the policy names no figure": {changes: []change{{"promises.yaml", "within 72 hours", "soon"}, {"policy.md", "within 72 hours", "soon"}}, says: "within how many hours"},
	},
	"terms.never-consent": {
		"going on counts as consent": {changes: []change{{"data/consent.json", `"banner": true, "settings": true`, `"banner": true, "continued_use": true`}}, says: `"continued_use"`},
		"nobody can say yes":         {changes: []change{{"data/consent.json", `"ways": {"form": true}`, `"ways": {}`}}, says: "no way of consenting to disclosure"},
		"the text says nothing":      {changes: []change{{"policy.md", "; it is never taken as your consent to anything", ""}, {"promises.yaml", " It never counts as consent to anything.", ""}}, says: "no sentence says that it is never consent"},
	},
	"processors.apart": {
		"a processor is a third party": {changes: []change{{"data/sharing.json", "\"payment_processor\": {\n      \"role\": \"processor\"", "\"payment_processor\": {\n      \"role\": \"third_party\""}}, says: "calls it a third_party"},
		"hosting by consent":           {changes: []change{{"data/sharing.json", `"bases": {"contract": true, "legitimate_interest": true}`, `"bases": {"consent": true}`}}, says: "hosting works for us under a contract, and may have sealed for storage on consent alone"},
		"a partner by contract":        {changes: []change{{"data/sharing.json", `"bases": {"consent": true, "explicit_consent": true}`, `"bases": {"contract": true}`}}, says: "partner may have account for introduction on contract"},
	},
	"analytics.consent-first": {
		"no consent is known":   {changes: []change{{"data/consent.json", `"analytics"`, `"statistics"`}}, says: "knows no consent to analytics"},
		"the signal is ignored": {changes: []change{{"data/consent.json", `"days": 0, "gpc_withdraws": true`, `"days": 0, "gpc_withdraws": false`}}, says: "Sec-GPC"},
		"the text is silent":    {changes: []change{{"policy.md", "come after your consent only, and ", ""}}, says: "come after consent"},
	},
	"periods.every-kind": {
		"a kind is missing":    {changes: []change{{"data/retention.json", `"support_case"`, `"helped_case"`}}, says: "No period is stated for support_case"},
		"a key without an end": {changes: []change{{"data/lifetimes.json", `"visit"`, `"visitor"`}}, says: `under the key "visit", which has no lifetime`},
		"gone as it is made":   {changes: []change{{"data/retention.json", `"maximum": {"years": 0, "days": 7, "seconds": 0}`, `"maximum": {"years": 0, "days": 0, "seconds": 0}`}}, says: "gone the moment that it is made"},
	},
	"children.at-once": {
		"two days":              {changes: []change{{"data/child.json", `"erased_within_h": 24`, `"erased_within_h": 48`}}, says: "allows 48 hours"},
		"no figure in the text": {changes: []change{{"policy.md", "at once, within 24 hours at the latest", "soon"}, {"promises.yaml", ", within 24 hours at the latest", ""}}, says: "within which time"},
		"another age":           {changes: []change{{"data/child.json", `"minimum_years": 13`, `"minimum_years": 12`}}, says: "draws the line at 12"},
	},
	"operator.blanks": {
		"dated in the future": {with: func(w *world) { w.today = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }, says: "still to come"},
	},
	"support.own-data": {
		"figures are sealed": {changes: []change{{"data/retention.json", `"executor": "partition", "copies": ["partition"],
      "source": "our privacy policy, promise usage.keep-12m`, `"executor": "partition", "copies": ["partition", "key"], "key": "visit",
      "source": "our privacy policy, promise usage.keep-12m`}}, says: "sealed under a key"},
		"support reads nothing":       {changes: []change{{"data/access.json", `"account": {"support": true}`, `"account": {"audit": true}`}}, says: "no role may read it"},
		"figures of a person":         {changes: []change{{"data/access.json", `"support": {"support": true}`, `"analytics": {"support": true}`}}, says: "the role support reads them"},
		"support by figures, it says": {changes: []change{{"policy.md", "your own account, because", "everybody, although"}, {"promises.yaml", "the data of your own account, and no figures", "figures"}}, says: "their own account"},
	},
	"passwords.hashed": {
		"encrypted, it says":    {changes: []change{{"policy.md", "Passwords are kept as Argon2id hashes", "Passwords are encrypted"}}, says: "calls passwords encrypted"},
		"the promise is weaker": {changes: []change{{"promises.yaml", "an Argon2id hash", "a hash"}}, says: "does not say that passwords are kept as Argon2id"},
	},
	"periods.as-promised": {
		"figures for two years": {changes: []change{{"data/retention.json", `"maximum": {"years": 1, "days": 0, "seconds": 0},
      "kept": {},
      "on_hold": "continues"`, `"maximum": {"years": 2, "days": 0, "seconds": 0},
      "kept": {},
      "on_hold": "continues"`}}, says: "analytics may be kept for longer than the 12 months"},
		"a text that says less":  {changes: []change{{"policy.md", "gone after 90 days", "gone after 60 days"}}, says: "longer than the 60 days of the promise tech.keep-90d"},
		"payments for ten years": {changes: []change{{"promises.yaml", "kept for 7 years", "kept for 10 years"}}, says: "says 10 years, and nothing"},
		"accounts for two months": {changes: []change{{"data/retention.json", `"maximum": {"years": 0, "days": 30, "seconds": 0},
      "kept": {},
      "on_hold": "stops"`, `"maximum": {"years": 0, "days": 60, "seconds": 0},
      "kept": {},
      "on_hold": "stops"`}}, says: "account may be kept for longer than the 30 days"},
	},
	"keys.as-long": {
		"a key outlives its data": {changes: []change{{"data/lifetimes.json", `"days": 90`, `"days": 91`}}, says: "lives for 91 days"},
		"backups open for longer": {changes: []change{{"data/lifetimes.json", `"retired_days": 7`, `"retired_days": 14`}}, says: "opens until 14 days after a rotation"},
	},
	"photos.setting": {
		"set to two days":        {with: func(w *world) { w.period = 48 * time.Hour }, says: "this service is set to 48h0m0s"},
		"the rules are stricter": {changes: []change{{"data/retention.json", `"seconds": 86400`, `"seconds": 3600`}}, says: "1 hour, and this service is set to 24h0m0s"},
		"the text says nothing":  {changes: []change{{"policy.md", "24 hours", "a while"}, {"promises.yaml", "at most 24 hours after", "some time after"}}, says: "after how long a photo is deleted"},
	},
	"photos.no-hold": {
		"a hold stops it": {changes: []change{{"data/retention.json", `"ends_at_request": true,
      "kept": {},
      "on_hold": "continues"`, `"ends_at_request": true,
      "kept": {},
      "on_hold": "stops"`}}, says: "A legal hold would lengthen the life of a photo (image)"},
	},
	"photos.nobody-looks": {
		"officers look":      {changes: []change{{"data/access.json", `"views": false`, `"views": true`}}, says: "the role officer may"},
		"read for debugging": {changes: []change{{"data/access.json", `"blob_purposes": {`, `"blob_purposes": {"debugging": {},`}}, says: "may be read for debugging"},
	},
	"sharing.never": {
		"training is a purpose":     {changes: []change{{"data/sharing.json", `"training": {"never": true`, `"training": {"never": false`}}, says: "for training"},
		"brokers are a recipient":   {changes: []change{{"data/sharing.json", "\"data_broker\": {\n      \"role\": \"third_party\", \"never\": true", "\"data_broker\": {\n      \"role\": \"third_party\", \"never\": false"}}, says: "to a data_broker"},
		"an advertiser has a grant": {changes: []change{{"data/sharing.json", "\"partner\": {\n      \"introduction\"", "\"advertiser\": {\n      \"introduction\""}}, says: "advertiser is granted something"},
	},
	"sharing.known": {
		"an unknown recipient": {changes: []change{{"data/sharing.json", "\"mail\": {\n      \"delivery\"", "\"post\": {\n      \"delivery\""}}, says: "to post, which is no recipient"},
		"an unknown purpose":   {changes: []change{{"data/sharing.json", "\"mail\": {\n      \"delivery\"", "\"mail\": {\n      \"gossip\""}}, says: "for gossip, which is no purpose"},
		"an unknown category":  {changes: []change{{"data/sharing.json", "\"billing\": {\n          \"fields\"", "\"card\": {\n          \"fields\""}}, says: "is granted card, which is no category"},
		"a photo":              {changes: []change{{"data/sharing.json", "\"billing\": {\n          \"fields\"", "\"image\": {\n          \"fields\""}}, says: "no photo leaves the service"},
	},
	"mail.consent": {
		"advertising to all": {changes: []change{{"data/marketing.json", `"needs_consent": true`, `"needs_consent": false`}}, says: "sends it without consent"},
		"no way to ask":      {changes: []change{{"data/consent.json", `"marketing"`, `"newsletter"`}}, says: "no way to ask"},
		"no way to stop":     {changes: []change{{"data/consent.json", `"unsubscribe_link"`, `"letter"`}}, says: "no way by unsubscribe_link"},
	},
	"transfers.safeguards": {
		"without a safeguard": {changes: []change{{"data/transfer.json", `"safeguards": {"dpf": true, "scc": true}`, `"safeguards": {"none": true}`}}, says: "from eea to us without a safeguard"},
		"a region of nowhere": {changes: []change{{"data/transfer.json", "\"other\": {", "\"moon\": {"}}, says: `"moon"`},
		"from nowhere":        {changes: []change{{"data/countries.json", `"region": "us"`, `"region": "other"`}}, says: `from "us" are decided`},
	},
}

func TestContradictionsAppearAndDisappear(t *testing.T) {
	for _, check := range contradictions.Checks() {
		if len(fixtures[check.ID]) == 0 {
			t.Errorf("no fixture makes %s appear", check.ID)
		}
		if check.Title == "" || !strings.HasSuffix(check.Title, "?") || len(check.Compares) < 2 && check.ID != "sharing.known" {
			t.Errorf("%s does not say what it compares", check.ID)
		}
	}
	for id, cases := range fixtures {
		for name, tt := range cases {
			t.Run(id+"/"+name, func(t *testing.T) {
				w := newWorld(t)
				if r := one(t, w.find(), id); r.Open() {
					t.Fatalf("it is there already: %v", r.Findings)
				}
				w.change(tt.changes...)
				if tt.with != nil {
					tt.with(w)
				}
				r := one(t, w.find(), id)
				if !slices.ContainsFunc(r.Findings, func(s string) bool { return strings.Contains(s, tt.says) }) {
					t.Errorf("found %q; want a word about %q", r.Findings, tt.says)
				}
			})
		}
	}
}

func one(t *testing.T, found []contradictions.Result, id string) contradictions.Result {
	t.Helper()
	i := slices.IndexFunc(found, func(r contradictions.Result) bool { return r.ID == id })
	if i < 0 {
		t.Fatalf("there is no check %s", id)
	}
	return found[i]
}

// What cannot be read cannot be compared: that is no agreement.
func TestUnreadableDataIsAnError(t *testing.T) {
	for name, data := range map[string]map[string]any{
		"no data":      {},
		"no JSON":      {"periods": func() {}},
		"another type": {"periods": []any{}},
	} {
		if found, err := contradictions.Find(contradictions.Practice{Data: data}); err == nil {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

// What the operator has not stated yet contradicts nothing, and does not agree either.
func TestUnstatedIsNoContradiction(t *testing.T) {
	for name, tt := range map[string]struct {
		operator policy.Operator
		says     []string
	}{
		"everything":    {operator, nil},
		"no region":     {policy.Operator{Name: operator.Name, Contact: operator.Contact}, []string{"the region. Without it, this cannot be called kept: transfer.safeguards, region.declared, policy.matches-practice."}},
		"nobody at all": {policy.Operator{}, []string{"the name. Without", "the region. Without", "the contact. Without"}},
	} {
		w := newWorld(t)
		w.operator = tt.operator
		r := one(t, w.find(), "operator.blanks")
		if r.Open() || len(r.Unstated) != len(tt.says) {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		for i, says := range tt.says {
			if !strings.Contains(r.Unstated[i], says) {
				t.Errorf("%s: %q says nothing of %q", name, r.Unstated[i], says)
			}
		}
	}
}

// Where nothing is promised and nothing is known, there is no agreement either.
func TestNothingIsNoAgreement(t *testing.T) {
	found, err := contradictions.Find(contradictions.Practice{Data: map[string]any{"unknown": true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		if !r.Open() {
			t.Errorf("%s finds that nothing agrees with nothing", r.ID)
		}
	}
}

// Any period for photos that is set within what is promised is fine, and none beyond it.
func TestSettingOfPhotos(t *testing.T) {
	w := newWorld(t)
	p := w.practice()
	rapid.Check(t, func(t *rapid.T) {
		p.Period = time.Duration(rapid.Int64Range(1, int64(72*time.Hour)).Draw(t, "period"))
		if r := one(w.T, w.findIn(p), "photos.setting"); r.Open() != (p.Period > 24*time.Hour) {
			t.Fatalf("%s: %v", p.Period, r.Findings)
		}
	})
}
