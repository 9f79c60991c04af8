package usecase

import "container/list"

// recent is a map that holds at most so many entries: the least recently used go. It is not safe
// for concurrent use.
type recent[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   list.List // of recentEntry, the one used last in front
}

type recentEntry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, entries: map[K]*list.Element{}}
}

// get returns an entry and counts as a use.
func (r *recent[K, V]) get(key K) (value V, ok bool) {
	at, ok := r.entries[key]
	if !ok {
		return value, false
	}
	r.order.MoveToFront(at)
	return at.Value.(recentEntry[K, V]).value, true
}

// add adds an entry that is not there.
func (r *recent[K, V]) add(key K, value V) {
	r.entries[key] = r.order.PushFront(recentEntry[K, V]{key, value})
	if r.len() > r.most {
		r.dropOldest()
	}
}

// oldest returns the entry that was not used for longest.
func (r *recent[K, V]) oldest() (value V, ok bool) {
	at := r.order.Back()
	if at == nil {
		return value, false
	}
	return at.Value.(recentEntry[K, V]).value, true
}

func (r *recent[K, V]) dropOldest() {
	delete(r.entries, r.order.Remove(r.order.Back()).(recentEntry[K, V]).key)
}

func (r *recent[K, V]) len() int { return len(r.entries) }
