package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

// stated is what a service for others has to say about who runs it.
var stated = []string{"--operator-name", "Example Ltd", "--operator-region", "Frankfurt, Germany (EU)", "--operator-contact", "privacy@example.org"}

// told returns what the record says under a name, oldest first.
func told[T any](r *running, name string) (all []T) {
	r.t.Helper()
	for _, line := range r.record("--type", name) {
		var fact T
		if err := json.Unmarshal(line.Data, &fact); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, fact)
	}
	return all
}

// Where the servers are, which model cuts out and which text is published is on record once a
// service is ready, and said again only when it changes.
func TestAStartSaysWhatIsNew(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	for i, flags := range [][]string{stated, stated, {"--operator-region", "Paris, France (EU)"}} {
		s := serve(t, data, flags...)
		regions := told[system.RegionDeclared](s, "region.declared.v1")
		if want := 1 + i/2; len(regions) != want {
			t.Errorf("start %d: regions %+v, want %d", i+1, regions, want)
		}
		if models := told[system.ModelLoaded](s, "model.loaded.v1"); len(models) != 1 || models[0].Model != "u2netp" || models[0].Established {
			t.Errorf("start %d: models %+v", i+1, models)
		}
		if texts := told[policy.Published](s, "policy.published.v1"); len(texts) != 1 || texts[0].Version != 1 || !strings.Contains(texts[0].Text, "# Privacy policy") {
			t.Errorf("start %d: %d texts", i+1, len(texts))
		}
		// Nothing contradicts what nobody stated: a name and an address for questions are missed, and that is said.
		var compared public.ContradictionList
		getJSON(t, s.url+"/v1/contradictions", &compared)
		if len(compared.Checks) < 9 || compared.Open != 0 || compared.Unstated != i/2 {
			t.Errorf("start %d: %+v", i+1, compared)
		}
		s.stop()
	}
}

// A passport that does not establish the licence of the training data is refused by the rule, on record; the
// operator can answer for it, and then it is shown as not established.
func TestModelPassports(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	_, errs, code := bgremover(t, "serve", "--data", data, "--addr", "127.0.0.1:0", "--metrics-addr", "", "--model", "u2netp", "--log-level", "error")
	if code == 0 || !strings.Contains(errs, "--accept-model-passport=u2netp") {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	s := serve(t, data)
	if refused := told[system.ModelRefused](s, "model.refused.v1"); len(refused) != 1 || refused[0].Model != "u2netp" || !slices.Equal(refused[0].Reasons, []string{"data"}) {
		t.Errorf("on record: %+v", refused)
	}
	for _, line := range s.record("--type", "model.loaded.v1") {
		if d := line.Decision; d == nil || d.Rule != "model.load" || d.Outcome != "allow" || !strings.Contains(string(d.Input), `"accepted":true`) || !strings.Contains(string(d.Input), `"data":"not established"`) {
			t.Errorf("it rests on %+v", d)
		}
	}
	var list public.ModelList
	getJSON(t, s.url+"/v1/models", &list)
	if list.Established || len(list.Models) != 2 || list.Models[0].Name != "u2netp" || !list.Models[0].InService || !list.Models[0].Accepted || list.Models[0].Established {
		t.Errorf("shown: %+v", list)
	}
	if other := list.Models[1]; other.InService || !slices.Equal(other.RefusedBy, []string{"data"}) {
		t.Errorf("the other: %+v", other)
	}
}

// A file that is not the one of its passport is refused by the same rule, whatever the passport says.
func TestAModelOfOtherBytesIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	passport, err := os.ReadFile("../../deploy/models/u2netp.json")
	if err != nil {
		t.Fatal(err)
	}
	mine := strings.Replace(strings.Replace(string(passport), `"name": "u2netp"`, `"name": "mine"`, 1), "not established", "CC0-1.0", 1)
	write(t, filepath.Join(folder, "mine.json"), []byte(mine))
	write(t, filepath.Join(folder, "u2netp.onnx"), []byte("other bytes"))
	data := dataFolder(t)
	_, errs, code := bgremover(t, "serve", "--data", data, "--addr", "127.0.0.1:0", "--metrics-addr", "", "--model", filepath.Join(folder, "mine.json"), "--log-level", "error")
	if code == 0 || !strings.Contains(errs, "SHA-256") {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	if refused := told[system.ModelRefused](serve(t, data), "model.refused.v1"); len(refused) != 1 || refused[0].Model != "mine" || !slices.Equal(refused[0].Reasons, []string{"digest"}) {
		t.Errorf("on record: %+v", refused)
	}
}

func getJSON(t *testing.T, address string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s", address, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// A text that is not the one that was published fails the check of the policy's versions.
func TestAChangedTextFailsItsCheck(t *testing.T) {
	t.Parallel()
	var texts publishedTexts
	fine := usecase.Looked{At: 2}
	if got, err := texts.asPublished(fine, nil); err != nil || got != (usecase.Looked{At: 3}) {
		t.Errorf("as published: %+v, %v", got, err)
	}
	texts.changed.Store(true)
	if got, err := texts.asPublished(fine, nil); err != nil || got != (usecase.Looked{At: 3, Found: 1, Code: "policy.text_changed"}) {
		t.Errorf("changed: %+v, %v", got, err)
	}
	if got := texts.seq(1); got != 0 {
		t.Errorf("before anybody asked, version 1 is fact %d", got)
	}
}

// Every passport of the release is shown once, the one in service first, also when it is another's.
func TestPassportsThatAreShown(t *testing.T) {
	t.Parallel()
	ours, _, err := onnx.LoadPassport("u2netp")
	if err != nil {
		t.Fatal(err)
	}
	foreign := ours
	foreign.Name, foreign.Digest = "mine", "abc"
	for name, tt := range map[string]struct {
		served onnx.Passport
		want   []string
	}{
		"ours":    {ours, []string{"u2netp", "u2net"}},
		"another": {foreign, []string{"mine", "u2net", "u2netp"}},
	} {
		all, err := knownPassports(tt.served)
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		if err != nil || !slices.Equal(names, tt.want) {
			t.Errorf("%s: %v, %v", name, names, err)
		}
	}
}
