package postgres

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bgremover/bgremover/domain/personal"
)

func TestCachedKeysLiveAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(time.Now)
		k := testKey(t, 1)
		for range 20 { // whatever the phase of the clearing
			c.put(k, time.Now())
			if _, ok := c.get(k.id); !ok {
				t.Fatal("not cached")
			}
			time.Sleep(cachedFor)
			if _, ok := c.get(k.id); ok {
				t.Fatalf("still given after %v", cachedFor)
			}
			time.Sleep(time.Minute - cachedFor)
			synctest.Wait()
			if c.inMemory() > 0 {
				t.Fatal("still in memory after a minute")
			}
			time.Sleep(7 * time.Second)
		}
	})
}

func (c *cache) inMemory() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys)
}

// The age counts from when the vault was asked, not from when it answered.
func TestCachedKeysAgeWhileTheVaultAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(time.Now)
		asked := time.Now()
		time.Sleep(cachedFor)
		c.put(testKey(t, 1), asked)
		if _, ok := c.get(keyID); ok {
			t.Error("given, although older than allowed")
		}
	})
}

func TestClockSetBackMakesKeysStale(t *testing.T) {
	now := time.Now()
	c := newCache(func() time.Time { return now })
	c.put(testKey(t, 1), now)
	now = now.Add(-time.Hour)
	if _, ok := c.get(keyID); ok {
		t.Error("given for an hour and more")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(time.Now)
	for i := range 3 * cachedAtMost {
		k := *testKey(t, 1)
		k.id = personal.KeyID(fmt.Sprintf("image/%d", i))
		c.put(&k, time.Now())
		if _, ok := c.get(k.id); !ok {
			t.Fatal("the newest is not cached")
		}
	}
	if n := c.inMemory(); n > cachedAtMost {
		t.Errorf("%d keys in memory; want at most %d", n, cachedAtMost)
	}
}

// A reader that asked the vault before a destruction and answers after it must not bring the key back.
func TestBarredKeysAreNotCachedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(time.Now)
		k := testKey(t, 1)
		c.put(k, time.Now())
		c.bar(k.id)
		c.put(k, time.Now())
		if _, ok := c.get(k.id); ok {
			t.Error("a destroyed key is given")
		}
		time.Sleep(barredFor + time.Minute)
		synctest.Wait()
		if len(c.barred) > 0 || c.timer != nil {
			t.Error("the bar takes room for ever")
		}
	})
}
