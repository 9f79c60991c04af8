package policy

import "slices"

// Catalogue holds every promise, in the order of promises.yaml.
type Catalogue []Promise

// Promise returns the promise of an id.
func (c Catalogue) Promise(id ID) (Promise, bool) {
	i := slices.IndexFunc(c, func(p Promise) bool { return p.ID == id })
	if i < 0 {
		return Promise{}, false
	}
	return c[i], true
}

// Count says how many promises are in a state.
func (c Catalogue) Count(state State) (n int) {
	for _, p := range c {
		if p.State == state {
			n++
		}
	}
	return n
}
