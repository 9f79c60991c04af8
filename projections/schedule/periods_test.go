package schedule_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"reflect"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/projections/schedule"
)

func archive(t testing.TB, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	for file, bytes := range map[string]string{".manifest": `{"revision":"1"}`, name: content} {
		if err := files.WriteHeader(&tar.Header{Name: file, Mode: 0o600, Size: int64(len(bytes)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func days(n string) string {
	return `{"periods":{"api_log":{"promise":"apilog.keep-90d","maximum":{"years":0,"days":` + n + `,"seconds":3}},"payment":{"maximum":{"years":7,"days":0,"seconds":0}}}}`
}

func TestEarlierPeriods(t *testing.T) {
	of := func(until time.Time, days int) schedule.Reign {
		return schedule.Reign{Until: until, Days: days, Seconds: 3}
	}
	tests := map[string]struct {
		facts []event.Fact // a day apart
		then  []schedule.Reign
	}{
		"no rules":          {},
		"the first":         {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: archive(t, "data/retention.json", days("90"))}, policy.Activated{Revision: 4}}},
		"stored, not yet":   {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: archive(t, "data/retention.json", days("90"))}, policy.Activated{Revision: 4}, policy.BundleStored{Revision: 5, Archive: archive(t, "data/retention.json", days("100"))}}},
		"a path from above": {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: archive(t, "/data/retention.json", days("90"))}, policy.Activated{Revision: 4}, policy.Activated{Revision: 5}}, then: []schedule.Reign{of(noon.AddDate(0, 0, 2), 90)}},
		"three": {
			facts: []event.Fact{
				policy.BundleStored{Revision: 4, Archive: archive(t, "data/retention.json", days("90"))},
				policy.Activated{Revision: 4},
				policy.BundleStored{Revision: 6, Archive: archive(t, "data/retention.json", days("30"))},
				policy.Activated{Revision: 6},
				policy.BundleStored{Revision: 9, Archive: archive(t, "data/retention.json", days("100"))},
				policy.Activated{Revision: 9},
			},
			then: []schedule.Reign{of(noon.AddDate(0, 0, 3), 90), of(noon.AddDate(0, 0, 5), 30)},
		},
		"no archive":           {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: []byte{0x1f, 0x8b}}, policy.Activated{Revision: 4}, policy.Activated{Revision: 5}}},
		"no such file":         {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: archive(t, "data/sharing.json", days("90"))}, policy.Activated{Revision: 4}, policy.Activated{Revision: 5}}},
		"a kind that is none":  {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: archive(t, "data/retention.json", `{"periods":{"\u0000":{}}}`)}, policy.Activated{Revision: 4}, policy.Activated{Revision: 5}}},
		"a file of other data": {facts: []event.Fact{policy.BundleStored{Revision: 4, Archive: archive(t, "data/retention.json", `{"periods":[1]}`)}, policy.Activated{Revision: 4}, policy.Activated{Revision: 5}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			var r record
			for i, fact := range tt.facts {
				r.add("policy/x", noon.AddDate(0, 0, i), fact)
			}
			apply(t, db, r.facts...)
			got, err := schedule.Earlier(t.Context(), db, "api_log")
			if err != nil || len(got) != len(tt.then) || len(got) > 0 && !reflect.DeepEqual(got, tt.then) {
				t.Errorf("got %+v, want %+v; %v", got, tt.then, err)
			}
		})
	}
}

// Whatever stands in an archive: a view does not stop because of it.
func FuzzPeriods(f *testing.F) {
	f.Add(archive(f, "data/retention.json", days("90")))
	f.Add([]byte{0x1f, 0x8b})
	db := open(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		apply(t, db, event.Envelope{Seq: 1, Version: 1, Stream: "policy/x", At: noon, Fact: policy.BundleStored{Revision: 1, Archive: content}})
	})
}

func TestBegan(t *testing.T) {
	db := open(t)
	var r record
	r.add(visit.Stream("b"), noon.Add(time.Hour), visit.Began{})
	r.add(visit.Stream("a"), noon, visit.Began{})
	r.add(visit.Stream("c"), noon.Add(2*time.Hour), visit.Began{})
	apply(t, db, r.facts...)
	got, err := schedule.Began(t.Context(), db, "technical", noon.Add(time.Hour), 9)
	want := []schedule.Waiting{{Subject: "visit/a", Started: noon}, {Subject: "visit/b", Started: noon.Add(time.Hour)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v; %v", got, want, err)
	}
	if got, err := schedule.Began(t.Context(), db, "technical", noon.Add(time.Hour), 1); err != nil || len(got) != 1 {
		t.Errorf("one at a time: %+v, %v", got, err)
	}
}
