package postgres

import (
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/personal"
)

const (
	// cachedFor is how long a key may be used after it was read from the vault, and
	// clearEvery how often older ones are dropped. Together they are the longest that a key
	// lives here, and that another process lags behind a destruction: a minute.
	cachedFor  = 45 * time.Second
	clearEvery = 15 * time.Second
	// cachedAtMost bounds the number of keys in memory.
	cachedAtMost = 1024
	// barredFor is how long a key that this process destroys is not cached again: longer
	// than any transaction that destroys a key takes to commit.
	barredFor = 10 * time.Minute
)

// cache holds unwrapped keys for a short time. A key that this process destroys is
// barred: a read of the vault that saw it before the destruction was committed must not
// bring it back.
type cache struct {
	now func() time.Time

	mu     sync.Mutex // guards what follows
	keys   map[personal.KeyID]cachedKey
	barred map[personal.KeyID]time.Time // until when
	timer  *time.Timer                  // clears what nobody asks for any more; nil when there is nothing
}

type cachedKey struct {
	key  *key
	read time.Time
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, keys: map[personal.KeyID]cachedKey{}, barred: map[personal.KeyID]time.Time{}}
}

func (c *cache) get(id personal.KeyID) (*key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.keys[id]
	if !ok || !fresh(k.read, c.now()) {
		return nil, false
	}
	return k.key, true
}

// fresh says whether a key read at a time may still be used. A clock that was set back
// makes it stale, not young.
func fresh(read, now time.Time) bool {
	age := now.Sub(read)
	return 0 <= age && age < cachedFor
}

// put remembers a key that was read from the vault, where asking began at a time.
func (c *cache) put(k *key, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ended := c.barred[k.id]; ended {
		return
	}
	if len(c.keys) >= cachedAtMost {
		c.clear()
	}
	for id := range c.keys { // any one: which of so many young keys goes does not matter
		if len(c.keys) < cachedAtMost {
			break
		}
		delete(c.keys, id)
	}
	c.keys[k.id] = cachedKey{key: k, read: asked}
	c.clearLater()
}

// bar forgets a key and does not let it in again.
func (c *cache) bar(id personal.KeyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
	c.barred[id] = c.now().Add(barredFor)
	c.clearLater()
}

// clear drops what is too old. The lock is held.
func (c *cache) clear() {
	now := c.now()
	for id, k := range c.keys {
		if !fresh(k.read, now) {
			delete(c.keys, id)
		}
	}
	for id, until := range c.barred {
		if !now.Before(until) {
			delete(c.barred, id)
		}
	}
}

// clearLater has old entries dropped even if nobody asks any more. The lock is held.
func (c *cache) clearLater() {
	if c.timer != nil {
		return
	}
	c.timer = time.AfterFunc(clearEvery, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timer = nil
		c.clear()
		if len(c.keys)+len(c.barred) > 0 {
			c.clearLater()
		}
	})
}
