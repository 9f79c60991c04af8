package host_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	chain = regexp.MustCompile(`chain (\w+) \{`)
	named = regexp.MustCompile(`@(\w+)`)
	set   = regexp.MustCompile(`^set (\w+) \{`)
	ports = regexp.MustCompile(`dport (\{[^}]*\}|\d+)`)
)

// Every chain drops what no line lets through; each line that lets through names ports, a
// state, loopback or what keeps the network itself going; and only HTTPS is for everybody.
func TestHostRulesLetNothingThroughButWhatTheServiceNeeds(t *testing.T) {
	content, err := os.ReadFile("nftables.conf")
	if err != nil {
		t.Fatal(err)
	}
	in, drops := "", map[string]bool{}
	var sets, used []string
	open := map[string][]string{} // ports by chain
	for n, line := range strings.Split(string(content), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Count(line, "{") < strings.Count(line, "}") && line != "}" {
			t.Errorf("line %d: a bracket too many", n+1)
		}
		if m := chain.FindStringSubmatch(line); m != nil {
			in = m[1]
		}
		if m := set.FindStringSubmatch(line); m != nil {
			sets = append(sets, m[1])
			if strings.Contains(line, "elements") {
				t.Errorf("line %d: addresses of somebody's machines", n+1)
			}
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			used = append(used, m[1])
		}
		drops[in] = drops[in] || strings.Contains(line, "policy drop;")
		if !strings.HasSuffix(line, "accept") {
			continue
		}
		m := ports.FindStringSubmatch(line)
		switch {
		case m != nil:
			open[in] = append(open[in], m[1])
			if in == "input" && !strings.Contains(line, "saddr @") && m[1] != "443" || in == "output" && !strings.Contains(line, "daddr @") {
				t.Errorf("line %d lets everybody through: %s", n+1, line)
			}
		case !strings.Contains(line, "ct state established") && !strings.Contains(line, `"lo"`) && !strings.HasPrefix(line, "icmp"):
			t.Errorf("line %d lets every port through: %s", n+1, line)
		}
	}
	for _, name := range []string{"input", "forward", "output"} {
		if !drops[name] {
			t.Errorf("the chain %s does not drop what it does not name", name)
		}
	}
	slices.Sort(sets)
	slices.Sort(used)
	if !slices.Equal(sets, slices.Compact(used)) {
		t.Errorf("sets %v are filled, and %v are used", sets, used)
	}
	if got := slices.Compact(open["input"]); !slices.Equal(got, []string{"22", "443", "8080"}) {
		t.Errorf("in by %v", got)
	}
	if got := slices.Compact(open["output"]); !slices.Equal(got, []string{"53", "123", "{ 9092, 9093 }", "5432", "443"}) {
		t.Errorf("out by %v", got)
	}
	if strings.Count(string(content), "{") != strings.Count(string(content), "}") {
		t.Error("the brackets do not match")
	}
}
