package contradictions

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bgremover/bgremover/domain/policy"
)

// data is what the checks read of the data files. Members that no check looks at are passed over;
// schema.json of the bundle holds the files to their shape.
type data struct {
	Periods   map[string]period   `json:"periods"`
	Lifetimes map[string]lifetime `json:"lifetimes"`
	Wrapping  struct {
		RetiredDays int `json:"retired_days"`
	} `json:"wrapping"`
	Consents    map[string]consent `json:"consents"`
	Withdrawals map[string]any     `json:"withdrawals"`
	Children    map[string]struct {
		ErasedWithinH int `json:"erased_within_h"`
		MinimumYears  int `json:"minimum_years"`
	} `json:"children"`
	Clocks     map[string]clock     `json:"clocks"`
	Recipients map[string]recipient `json:"recipients"`
	Purposes   map[string]struct {
		Never bool `json:"never"`
	} `json:"purposes"`
	Categories map[string]any `json:"categories"`
	// Grants are by recipient, purpose and category.
	Grants map[string]map[string]map[string]struct {
		Bases map[string]bool `json:"bases"`
	} `json:"grants"`
	Roles map[string]struct {
		Reads map[string]map[string]bool `json:"reads"`
		Views bool                       `json:"views"`
	} `json:"roles"`
	BlobPurposes map[string]any `json:"blob_purposes"`
	Mail         map[string]struct {
		NeedsConsent bool `json:"needs_consent"`
	} `json:"mail"`
	Countries map[string]struct {
		Region string `json:"region"`
	} `json:"countries"`
	// Transfers are by the region that data leave and the one that they go to.
	Transfers map[string]map[string]struct {
		Safeguards map[string]bool `json:"safeguards"`
	} `json:"transfers"`
}

type period struct {
	Promise policy.ID `json:"promise"`
	Starts  string    `json:"starts"`
	Maximum lasting   `json:"maximum"`
	OnHold  string    `json:"on_hold"`
	Copies  []string  `json:"copies"`
	Key     string    `json:"key"`
	Source  string    `json:"source"`
}

type lifetime struct {
	CountsFrom string `json:"counts_from"`
	Years      int    `json:"years"`
	Days       int    `json:"days"`
}

func (l lifetime) hours() float64 { return lasting{Years: l.Years, Days: l.Days}.hours() }

type consent struct {
	Ways map[string]bool `json:"ways"`
	GPC  bool            `json:"gpc_withdraws"`
}

type clock struct {
	Hours      int    `json:"hours"`
	CountsFrom string `json:"counts_from"`
	AtAnyRisk  bool   `json:"at_any_risk"`
}

type recipient struct {
	Role  string `json:"role"`
	Never bool   `json:"never"`
}

// readData takes from the data what the checks look at. Members of another type are an error, and so is no data.
func readData(all map[string]any) (*data, error) {
	if len(all) == 0 {
		return nil, errors.New("the rules have no data to compare with")
	}
	content, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("read the rules' data: %w", err)
	}
	d := &data{}
	if err := json.Unmarshal(content, d); err != nil {
		return nil, fmt.Errorf("read the rules' data: %w", err)
	}
	return d, nil
}

// sorted returns the names of an object in order, so that findings come in the same one.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
