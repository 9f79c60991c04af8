package opa

import (
	"fmt"
	"maps"
	"slices"
)

// names of what an activity of the register refers to, and the member where each stands.
var registered = map[string]string{
	"kept": "periods", "measures": "measures", "reads": "blob_purposes", "recipients": "recipients", "shares": "purposes",
}

// registerTies finds what the register of processing (GDPR article 30(1)) leaves open: an activity
// without a legal basis that the data knows, or that refers to what is not there; a purpose, a kind of data
// or a recipient that no activity accounts for; a processor that is not on the list of those who work for us.
func (b *bundle) registerTies(from map[string]string) (all []error) {
	file, accounted := from["processing"], map[string]map[string]bool{}
	for _, name := range sorted(b.data["processing"]) {
		activity := entries(entries(b.data["processing"])[name])
		basis, _ := activity["basis"].(string)
		if _, known := entries(b.data["bases"])[basis]; !known {
			all = append(all, fmt.Errorf("%s: processing.%s: the legal basis %q is none of bases in %s (basis.stated)", file, name, basis, from["bases"]))
		}
		for _, of := range slices.Sorted(maps.Keys(registered)) {
			member := registered[of]
			for _, one := range sorted(activity[of]) {
				entry, known := entries(b.data[member])[one]
				switch {
				case !known:
					all = append(all, fmt.Errorf("%s: processing.%s: %s.%s is not there", file, name, member, one))
				case entries(entry)["never"] == true:
					all = append(all, fmt.Errorf("%s: processing.%s: %s.%s is never allowed", file, name, member, one))
				}
				if accounted[member] == nil {
					accounted[member] = map[string]bool{}
				}
				accounted[member][one] = true
			}
		}
	}
	return append(all, b.unaccounted(from, accounted)...)
}

// unaccounted finds what no activity names.
func (b *bundle) unaccounted(from map[string]string, accounted map[string]map[string]bool) (all []error) {
	for _, member := range []string{"blob_purposes", "measures", "periods", "purposes", "recipients"} {
		for _, one := range sorted(b.data[member]) {
			if entries(entries(b.data[member])[one])["never"] != true && !accounted[member][one] {
				all = append(all, fmt.Errorf("%s: %s.%s: no activity in %s has it, so it has no legal basis (basis.stated)", from[member], member, one, from["processing"]))
			}
		}
	}
	for _, one := range sorted(b.data["recipients"]) {
		role := entries(entries(b.data["recipients"])[one])["role"]
		_, listed := entries(b.data["processors"])[one]
		if works := role == "processor" || role == "sub_processor"; works != listed {
			all = append(all, fmt.Errorf("%s: recipients.%s: its role is %v, and %s lists it: %v (share.processors)", from["recipients"], one, role, from["processors"], listed))
		}
	}
	for _, one := range sorted(b.data["processors"]) {
		if _, known := entries(b.data["recipients"])[one]; !known {
			all = append(all, fmt.Errorf("%s: processors.%s is no recipient", from["processors"], one))
		}
	}
	return all
}

// sorted lists the keys of an object.
func sorted(value any) []string { return slices.Sorted(maps.Keys(entries(value))) }
