package opa

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/policies"
)

// Each entry says where it comes from: a law, a decision, or the policy that we published.
func TestEveryEntryHasASource(t *testing.T) {
	b, err := load(source())
	must(t, err)
	found := 0
	var look func(at string, value any)
	look = func(at string, value any) {
		entry := entries(value)
		if said, _ := entry["source"].(string); len(said) >= 10 {
			found++
			return
		}
		if len(entry) == 0 {
			t.Errorf("%s has no source", at)
		}
		for name, inside := range entry {
			look(at+"."+name, inside)
		}
	}
	for member, value := range b.data {
		look(member, value)
	}
	if found < 150 {
		t.Errorf("only %d sources", found)
	}
}

// All kinds of data that the service holds have a period, and each key of the vault belongs to some.
func TestRetentionDataIsComplete(t *testing.T) {
	b, err := load(source())
	must(t, err)
	periods, ids := entries(b.data["periods"]), known(t)
	for _, kind := range []string{
		"abuse_counter", "account", "analytics", "api_key", "api_log", "capability", "consent_proof", "credential", "disclosure",
		"drill_copy", "evidence_export", "idempotency_answer", "image", "incident", "mail_bounce", "mail_outbox", "notice", "payment",
		"preview", "request", "result", "session", "staff", "support_case", "technical", "token", "trace", "vault_backup", "webhook_body",
		"write_ahead_log",
	} {
		if periods[kind] == nil {
			t.Errorf("%s has no period", kind)
		}
	}
	keys := map[string]bool{"audit": true, "log": true, "policy": true, "projection": true, "retention": true} // of the record's own facts, which no kind of data stands for
	for kind, period := range periods {
		promise, _ := entries(period)["promise"].(string)
		if !ids[promise] {
			t.Errorf("%s keeps the promise %q, which promises.yaml does not know", kind, promise)
		}
		key, _ := entries(period)["key"].(string)
		keys[key] = true
		if key != "" && entries(b.data["lifetimes"])[key] == nil {
			t.Errorf("%s has a key %q that has no lifetime", kind, key)
		}
	}
	for key := range entries(b.data["lifetimes"]) {
		if !keys[key] {
			t.Errorf("no kind of data has the key %s", key)
		}
	}
}

// A rule's schema lists what the data knows, where it lists it.
func TestSchemasListWhatTheDataKnows(t *testing.T) {
	b, err := load(source())
	must(t, err)
	listed := 0
	for _, ref := range rules(b) {
		metadata := b.compiler.GetAnnotationSet().GetDocumentScope(ref)
		properties := entries(entries(*metadata.Schemas[0].Definition)["properties"])
		for name, table := range entries(metadata.Custom["keys"]) {
			known := entries(b.data[table.(string)])
			if len(known) == 0 {
				t.Errorf("%v: %s is said to be of %v, which the data does not know", ref, name, table)
			}
			enum, _ := entries(properties[name])["enum"].([]any)
			if table == "periods" || enum == nil {
				continue // a pattern, or some kinds of many
			}
			listed++
			for _, value := range enum {
				if known[value.(string)] == nil {
					t.Errorf("%v lists the %s %v, which %v does not know", ref, name, value, table)
				}
			}
			if len(enum) != len(known) {
				t.Errorf("%v lists %d of %s; %v knows %d", ref, len(enum), name, table, len(known))
			}
		}
	}
	if listed < 10 {
		t.Errorf("only %d lists were compared", listed)
	}
}

// Whatever is wrong with the data, the bundle does not load, and the error says where.
func TestDataIsChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		file, was, becomes string
		says               []string
	}{
		"wrong type":     {"data/upload.json", `"retry_after_s": 60`, `"retry_after_s": "60"`, []string{"data/upload.json", "rates.", "retry_after_s"}},
		"no source":      {"data/child.json", `"source": "our privacy policy, promise child.under-13; COPPA, 15 USC 6501(1)"`, `"note": ""`, []string{"data/child.json", "children.account", "source"}},
		"unknown member": {"data/marketing.json", `"needs_consent": true`, `"needs_consent": true, "vip": true`, []string{"data/marketing.json", "mail.marketing", "vip"}},
		"empty source":   {"data/model.json", "SPDX licence list, MIT: commercial use is permitted", "", []string{"data/model.json", "licences.MIT"}},
		"a table missing": {
			"data/consent.json", `"withdrawals": {`, `"withdrawal": {`, []string{"withdrawals is required"},
		},
		"an entry stands twice": {"data/upload.json", `"visitor": {`, `"network": {`, []string{"data/upload.json", "rates.network stands twice"}},
		"a field stands twice":  {"data/retention.json", `"currency": {`, `"amount": {`, []string{"data/retention.json", "periods.payment.kept.amount stands twice"}},
		"a law outlasts the longest period": {
			"data/retention.json", `"amount": {"years": 7`, `"amount": {"years": 8`, []string{"data/retention.json", "periods.payment", `"amount"`},
		},
		"a key outlasts what it seals": {
			"data/lifetimes.json", `"counts_from": "making", "years": 7`, `"counts_from": "making", "years": 8`, []string{"data/retention.json", "periods.payment", `"payment"`},
		},
		"a hold lengthens a picture": {
			"data/retention.json", "\"ends_at_request\": true,\n      \"kept\": {},\n      \"on_hold\": \"continues\"", "\"ends_at_request\": true,\n      \"kept\": {},\n      \"on_hold\": \"stops\"",
			[]string{"data/retention.json", "periods.image"},
		},
		"a grant to a broker": {"data/sharing.json", `"partner": {
      "introduction"`, `"data_broker": {
      "introduction"`, []string{"data/sharing.json", "grants.data_broker"}},
		"a partner on one word": {
			"data/sharing.json", `"role": "third_party", "never": false, "gpc_stops": true, "approvals": 2`,
			`"role": "third_party", "never": false, "gpc_stops": true, "approvals": 1`,
			[]string{"data/sharing.json", "recipients.partner", "approvals", "2"},
		},
		"a grant for training": {"data/sharing.json", `"introduction": {
        "account"`, `"training": {
        "account"`, []string{"data/sharing.json", "grants.partner", "training"}},
		"a picture for an authority": {"data/sharing.json", `"technical": {
      "fields"`, `"image": {
      "fields"`, []string{"disclosable"}},
		"a purpose without a legal basis":     {"data/processing.json", `"in_use": true, "basis": "contract"`, `"in_use": true, "basis": "habit"`, []string{"data/processing.json", "processing.cutout", `"habit"`, "basis.stated"}},
		"no basis at all":                     {"data/processing.json", `"in_use": true, "basis": "contract",`, `"in_use": true,`, []string{"data/processing.json", "processing.cutout", "basis"}},
		"a purpose that nothing accounts for": {"data/processing.json", `"shares": {"delivery": true, "storage": true}`, `"shares": {"storage": true}`, []string{"data/sharing.json", "purposes.delivery", "no legal basis"}},
		"a kind that nothing accounts for":    {"data/processing.json", `"kept": {"staff": true}`, `"kept": {"disclosure": true}`, []string{"data/retention.json", "periods.staff"}},
		"a kind that has no period":           {"data/processing.json", `"kept": {"staff": true}`, `"kept": {"diaries": true, "staff": true}`, []string{"processing.staff", "periods.diaries"}},
		"processing for training":             {"data/processing.json", `"reads": {"cutout": true}, "shares": {"storage": true}`, `"reads": {"cutout": true}, "shares": {"storage": true, "training": true}`, []string{"processing.cutout", "purposes.training", "never"}},
		"a processor that is not listed":      {"data/processors.json", `"mail": {`, `"partner": {`, []string{"data/processors.json", "recipients.mail", "recipients.partner", "share.processors"}},
		"a processor that is nobody":          {"data/processors.json", `"mail": {`, `"pigeons": {`, []string{"processors.pigeons"}},
		"going on is consenting":              {"data/consent.json", `"checkbox": true`, `"continued_use": true`, []string{"data/consent.json", "consents.marketing"}},
		"more after the end":                  {"data/child.json", "\n}\n", "\n}\n{}", []string{"data/child.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := fs.ReadFile(policies.Bundle, tt.file)
			must(t, err)
			changed := strings.Replace(string(content), tt.was, tt.becomes, 1)
			if changed == string(content) {
				t.Fatalf("%q stands nowhere", tt.was)
			}
			_, err = load(with(t, tt.file, changed))
			if err == nil {
				t.Fatal("the bundle loads")
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

// The roots of the manifest are the packages and the tables, as a bundle server needs them.
func TestManifestNamesEveryRoot(t *testing.T) {
	b, err := load(source())
	must(t, err)
	content, err := fs.ReadFile(policies.Bundle, ".manifest")
	must(t, err)
	names := []string{}
	for member := range b.data {
		names = append(names, member)
	}
	for _, module := range b.compiler.Modules {
		names = append(names, strings.TrimPrefix(module.Package.Path.String(), "data."))
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("a table and a package share a name: %v", names)
	}
	for _, name := range names {
		if !strings.Contains(string(content), `"`+name+`"`) {
			t.Errorf(".manifest does not name %s", name)
		}
	}
	if got := strings.Count(string(content[strings.Index(string(content), "roots"):]), `"`) - 1; got != 2*len(names) {
		t.Errorf(".manifest has %d quotes for %d roots", got, len(names))
	}
}
