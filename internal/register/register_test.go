package register_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/policies"
)

var (
	noon     = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	operator = policy.Operator{Name: "Example Žluťoučký Ltd", Contact: "privacy@example.org", Region: "Frankfurt"}
	hosting  = policy.Provider{
		Category: "hosting", Name: "Example Cloud", Country: "US", Contract: "DPA of 2026-01-15", Safeguard: "scc",
		Reviewed: noon.AddDate(0, -1, 0), Until: noon.AddDate(0, 11, 0), Encrypted: true,
	}
)

func load(t *testing.T) *register.Data {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	d, err := register.Load(rules.Data())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRegisterIsMadeOfTheData(t *testing.T) {
	r := load(t).Of(operator, "DE", []policy.Provider{hosting})
	if len(r.Activities) < 10 || !r.Activities[0].InUse || r.Activities[len(r.Activities)-1].InUse || r.Revision < 4 {
		t.Fatalf("%d activities of revision %d", len(r.Activities), r.Revision)
	}
	i := slices.IndexFunc(r.Activities, func(a policy.Activity) bool { return a.ID == "cutout" })
	a := r.Activities[i]
	erasure := a.Erasures[slices.IndexFunc(a.Erasures, func(e policy.Erasure) bool { return e.Kind == "image" })]
	if a.BasisSource != "GDPR article 6(1)(b)" || erasure.Period != "24 hours" || erasure.Starts != "image.uploaded" || len(a.Measures) == 0 {
		t.Errorf("the cutout is %+v", a)
	}
	if want := []policy.Transfer{{Provider: "Example Cloud", Country: "US", Safeguard: "scc"}}; !slices.Equal(a.Transfers, want) {
		t.Errorf("transfers %+v", a.Transfers)
	}
	for _, a := range r.Activities {
		if a.Title == "" || a.BasisSource == "" || len(a.People) == 0 || len(a.Data) == 0 || len(a.Recipients) == 0 || len(a.Erasures) == 0 || a.Source == "" {
			t.Errorf("%s lacks something: %+v", a.ID, a)
		}
		for _, e := range a.Erasures {
			if e.Period == "" || e.Starts == "" || e.Executor == "" || e.Source == "" {
				t.Errorf("%s: %+v", a.ID, e)
			}
		}
	}
}

func TestProcessors(t *testing.T) {
	r := load(t).Of(operator, "DE", []policy.Provider{hosting})
	named := map[string]bool{}
	for _, p := range r.Processors {
		named[p.Category] = p.Provider != nil
		if p.Why == "" || len(p.Gets) == 0 || p.Source == "" {
			t.Errorf("%+v lacks something", p)
		}
		if needed := p.Category == "hosting" || p.Category == "hosting_subprocessor"; p.Needed != needed {
			t.Errorf("%s is needed: %v", p.Category, p.Needed)
		}
	}
	if !named["hosting"] || named["mail"] || len(named) != 4 {
		t.Errorf("named: %v", named)
	}
	d := load(t)
	for recipient, want := range map[string]bool{"hosting": true, "hosting_subprocessor": true, "mail": false, "payment_processor": false, "advertiser": false} {
		if got := d.SealedOnly(recipient); got != want {
			t.Errorf("%s gets only what is sealed: %v", recipient, got)
		}
	}
}

// An authority and a partner get nothing on the word of one; who works for us under a contract, and the person, do.
func TestApprovals(t *testing.T) {
	d := load(t)
	for _, tt := range []struct {
		recipient, category string
		then                int64
	}{
		{"authority", "technical", 2},
		{"authority", "image", 0},
		{"partner", "account", 2},
		{"person", "account", 0},
		{"hosting", "sealed", 0},
		{"data_broker", "account", 0},
	} {
		if got := d.Approvals(tt.recipient, tt.category); got != tt.then {
			t.Errorf("%s, %s: %d, want %d", tt.recipient, tt.category, got, tt.then)
		}
	}
}

// The words of the form hold all that can be asked for, also what is never given.
func TestWords(t *testing.T) {
	w := load(t).Words()
	for _, has := range []bool{
		slices.Contains(w.Recipients, "data_broker"), slices.Contains(w.Purposes, "training"), slices.Contains(w.Categories, "technical"),
		slices.Contains(w.Categories, "image"), slices.Contains(w.Bases, "consent"),
		slices.Equal(w.Fields["technical"], []string{"access_time", "address"}), slices.Equal(w.Fields["account"], []string{"email", "name", "passkeys", "plan"}), w.Fields["image"] == nil,
	} {
		if !has {
			t.Errorf("words %+v", w)
		}
	}
}

func TestCSV(t *testing.T) {
	r := load(t).Of(operator, "DE", []policy.Provider{hosting})
	for _, whole := range []bool{false, true} {
		var out bytes.Buffer
		if err := register.CSV(&out, r, whole); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(out.Bytes())).ReadAll()
		if err != nil || len(rows) != len(r.Activities)+1 || rows[1][0] != operator.Name {
			t.Errorf("%d rows, %v", len(rows), err)
		}
		if strings.Count(out.String(), "\r\n") != len(rows) || !strings.Contains(out.String(), "image: 24 hours from image.uploaded") {
			t.Errorf("got %s", out.String())
		}
		if strings.Contains(out.String(), "deleted by") != whole {
			t.Errorf("whole %v: %s", whole, out.String())
		}
	}
	var out bytes.Buffer
	if err := register.ProcessorsCSV(&out, r, noon); err != nil || !strings.Contains(out.String(), "Example Cloud,US") || !strings.Contains(out.String(), "nobody is named") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// Whatever an operator calls themselves: the file reads back as it was, and no cell is a formula.
func TestNoCellIsAFormula(t *testing.T) {
	d := load(t)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[=+\-@|%'",;a-z ]{0,12}`), rapid.StringMatching(`=[A-Z]+\([^\x00-\x1f]{0,10}`)).Draw(t, "name")
		r := d.Of(policy.Operator{Name: name}, "DE", []policy.Provider{{Category: "hosting", Name: name, Country: "DE"}})
		var out bytes.Buffer
		if err := register.CSV(&out, r, true); err != nil {
			t.Fatal(err)
		}
		if err := register.ProcessorsCSV(&out, r, noon); err != nil {
			t.Fatal(err)
		}
		reader := csv.NewReader(&out)
		reader.FieldsPerRecord = -1
		rows, err := reader.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(cell[0])) {
					t.Fatalf("the cell %q", cell)
				}
			}
		}
		if got := strings.TrimPrefix(rows[1][0], "'"); got != strings.TrimPrefix(name, "'") {
			t.Fatalf("%q reads as %q", name, got)
		}
	})
}

// The same register is the same file, byte for byte.
func TestPDFIsTheSameEveryTime(t *testing.T) {
	r := load(t).Of(operator, "DE", []policy.Provider{hosting})
	var first bytes.Buffer
	if err := register.PDF(&first, r, noon, false); err != nil {
		t.Fatal(err)
	}
	if b := first.Bytes(); !bytes.HasPrefix(b, []byte("%PDF-")) || len(b) < 5000 || len(b) > 1<<20 {
		t.Fatalf("%d bytes", len(b))
	}
	for range 5 {
		var again bytes.Buffer
		if err := register.PDF(&again, load(t).Of(operator, "DE", []policy.Provider{hosting}), noon, false); err != nil || !bytes.Equal(first.Bytes(), again.Bytes()) {
			t.Fatalf("%v, or other bytes", err)
		}
	}
	var whole, late bytes.Buffer
	if err := register.PDF(&whole, r, noon, true); err != nil || whole.Len() <= first.Len() {
		t.Errorf("the whole one has %d bytes, %v", whole.Len(), err)
	}
	if err := register.PDF(&late, r, noon.AddDate(2, 0, 0), false); err != nil || bytes.Equal(first.Bytes(), late.Bytes()) {
		t.Errorf("an overdue review shows no difference, %v", err)
	}
}

func TestPDFTakesAnyName(t *testing.T) {
	d := load(t)
	for _, name := range []string{"", "Žluťoučký kůň Ltd", "株式会社例", "\U0001f4f7 & \u202esons", "\xff\xfe", "a\x00b\tc\nd", strings.Repeat("W", 300), "(\\) endstream"} {
		r := d.Of(policy.Operator{Name: name}, "DE", nil)
		r.Activities = r.Activities[:1]
		var out bytes.Buffer
		if err := register.PDF(&out, r, noon, false); err != nil || !bytes.HasPrefix(out.Bytes(), []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(out.Bytes()), []byte("%%EOF")) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
