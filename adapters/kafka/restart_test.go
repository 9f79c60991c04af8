package kafka

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bgremover/bgremover/internal/ledger"
)

// A broker that goes away and comes back at the same address is found again by publisher
// and source, and has what it had.
func TestBrokerRestarts(t *testing.T) {
	dir := t.TempDir()
	start := func(port int) *kfake.Cluster {
		t.Helper()
		k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SyncWrites())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := start(0)
	c := Config{Brokers: k.ListenAddrs()}
	_, port, err := net.SplitHostPort(c.Brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if err := EnsureTopics(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	pub, src := NewPublisher(c), NewSource(c)
	defer pub.Close()
	defer src.Close()
	if err := pub.Publish(ledger.TopicRecord, facts(1, 10)...); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Fetch(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}

	k.Close()
	if f, err := src.Fetch(t.Context(), 10, 0); err == nil {
		t.Errorf("read %+v from a broker that is gone", f)
	}
	published := make(chan int, 1)
	go func() {
		attempts := 1
		for ; pub.Publish(ledger.TopicRecord, facts(11, 20)...) != nil; attempts++ {
		}
		published <- attempts
	}()
	k = start(number)
	defer k.Close()
	t.Logf("published at attempt %d", <-published)
	deadline := time.Now().Add(20 * time.Second)
	for {
		f, err := src.Fetch(t.Context(), 10, time.Second)
		if err == nil && len(f.Entries) >= 10 && f.Entries[0].Seq == 11 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("read %+v, %v", f, err)
		}
	}
}
