package kafka

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/internal/ledger"
)

// memberOf is the variable that makes this binary a member of a group, which dies.
const memberOf = "BGREMOVER_TEST_MEMBER"

func TestMain(m *testing.M) {
	if settings := os.Getenv(memberOf); settings != "" {
		if err := member(settings); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type memberSettings struct {
	Brokers        []string
	User, Password string
	Group          string
}

// member prints the id of each message that it gets, and acknowledges none.
func member(text string) error {
	var settings memberSettings
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return err
	}
	sub, err := NewSubscriber(Config{Brokers: settings.Brokers, User: settings.User, Password: settings.Password}, settings.Group, nil)
	if err != nil {
		return err
	}
	messages, err := sub.Subscribe(context.Background(), ledger.TopicWork)
	if err != nil {
		return err
	}
	for m := range messages {
		go fmt.Println(m.UUID)
	}
	return nil
}

// What a member was at work on when its process was killed goes to the others, some seconds
// later: when the brokers have waited for its heartbeats.
func conformKilledMember(t *testing.T, c Config) {
	const group, n = "killed", 48
	pub := NewPublisher(c)
	defer pub.Close()
	var batch []*message.Message
	for i := range n {
		m := message.NewMessage("killed-"+strconv.Itoa(i), []byte("x"))
		m.Metadata = message.Metadata{ledger.MetaKey: strconv.Itoa(i)}
		batch = append(batch, m)
	}
	if err := pub.Publish(ledger.TopicWork, batch...); err != nil {
		t.Fatal(err)
	}

	// given: a member that is at work on something
	settings, err := json.Marshal(memberSettings{Brokers: c.Brokers, User: c.User, Password: c.Password, Group: group})
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), memberOf+"="+string(settings))
	other.Stderr = os.Stderr
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Wait() }()
	kill := func() { _ = other.Process.Kill() }
	defer kill()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("it got nothing: ", lines.Err())
	}

	// when: another one joins, and it is killed
	sub, err := NewSubscriber(c, group, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	messages, err := sub.Subscribe(t.Context(), ledger.TopicWork)
	if err != nil {
		t.Fatal(err)
	}
	kill()
	killed := time.Now()

	// then: it gets everything
	missing := map[string]bool{}
	for _, m := range batch {
		missing[m.UUID] = true
	}
	late := time.After(60 * time.Second)
	for len(missing) > 0 {
		select {
		case m := <-messages:
			delete(missing, m.UUID)
			m.Ack()
		case <-late:
			t.Fatalf("%d of %d messages did not come", len(missing), n)
		}
	}
	t.Logf("taken over in %v", time.Since(killed).Round(100*time.Millisecond))
}
