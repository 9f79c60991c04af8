package promises_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/projections/promises"
)

func TestChecks(t *testing.T) {
	db := open(t)
	apply(t, db, on("audit/x", noon,
		system.AuditCheckFailed{Check: "a.check", Promises: []string{"x.y"}, Looked: 3, Found: 1, Code: "a.code"},
		system.AuditCheckPassed{Check: "b.check", Promises: []string{"x.y", "x.z"}, Looked: 2},
	)...)
	apply(t, db, on("audit/x", noon.Add(time.Hour), system.AuditCheckPassed{Check: "a.check", Promises: []string{"x.y"}, Looked: 4})...)
	a := policy.Checked{Name: "a.check", At: noon.Add(time.Hour), Passed: true, Looked: 4}
	b := policy.Checked{Name: "b.check", At: noon, Passed: true, Looked: 2}
	tests := map[string]struct {
		promise policy.ID
		check   string
		then    []policy.Checked
	}{
		"its own, and another that names it": {"x.y", "a.check", []policy.Checked{a, b}},
		"one that names it":                  {"x.z", "", []policy.Checked{b}},
		"its own does not name it":           {"x.other", "a.check", []policy.Checked{a}},
		"none":                               {"x.other", "c.check", nil},
	}
	s := read(t, db, noon)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := s.Checks(tt.promise, tt.check)
			for i := range got {
				got[i].At = got[i].At.UTC()
			}
			if err != nil || !reflect.DeepEqual(got, tt.then) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.then)
			}
		})
	}
}

func TestSigned(t *testing.T) {
	db := open(t)
	until := noon.AddDate(1, 0, 0)
	signed := func(want *policy.Signed) {
		t.Helper()
		got, err := read(t, db, noon).Signed("x.y", "words")
		if err == nil && got != nil {
			got.At, got.Until = got.At.UTC(), got.Until.UTC()
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	signed(nil)
	apply(t, db, on("audit/x", noon, system.AttestationMade{Promise: "x.y", Statement: "words", Until: until}, system.AttestationMade{Promise: "x.z"})...)
	signed(&policy.Signed{At: noon, Until: until, Current: true})
	apply(t, db, on("audit/y", noon.Add(time.Hour), system.AttestationMade{Promise: "x.y", Statement: "other words", Until: until})...)
	signed(&policy.Signed{At: noon.Add(time.Hour), Until: until})
	apply(t, db, on("audit/x", noon, system.AttestationWithdrawn{Promise: "x.y"})...)
	signed(nil)
}

func TestAudit(t *testing.T) {
	db := open(t)
	audited := func(want *policy.Audited) {
		t.Helper()
		got, err := read(t, db, noon).Audit("x.y", func(code string) bool { return code == "bad" })
		if err == nil && got != nil {
			got.At = got.At.UTC()
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	audited(nil)
	apply(t, db, on("audit/x", noon, system.AuditCompleted{Findings: []system.Finding{
		{Code: "bad", Promise: "x.y", Count: 2}, {Code: "odd", Promise: "x.y", Count: 1}, {Code: "bad", Promise: "x.z", Count: 1},
	}})...)
	audited(&policy.Audited{At: noon, Findings: []policy.Finding{{Code: "bad", Count: 2, Breaks: true}, {Code: "odd", Count: 1}}})
	apply(t, db, on("audit/x", noon.Add(time.Hour), system.AuditCompleted{Whole: true})...)
	audited(&policy.Audited{At: noon.Add(time.Hour), Whole: true})
}

// What is read belongs to one place in the record, which it names.
func TestReadSaysHowFar(t *testing.T) {
	db := open(t)
	if _, err := db.Exec(t.Context(), `update checkpoint set seq = 7`); err != nil {
		t.Fatal(err)
	}
	s := read(t, db, noon)
	for name, f := range s.Figures(promises.Outside{}) {
		if f.Seq != 7 || !f.At.Equal(noon) || f.Name != name {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
