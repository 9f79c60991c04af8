package kubernetes_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"

	"go.yaml.in/yaml/v3"
)

// networkPolicy is what the test reads of one.
type networkPolicy struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		PodSelector map[string]any `yaml:"podSelector"`
		PolicyTypes []string       `yaml:"policyTypes"`
		Ingress     []way          `yaml:"ingress"`
		Egress      []way          `yaml:"egress"`
	} `yaml:"spec"`
}

// way is a way in or out. No From or To is everybody; no Ports is every port.
type way struct {
	From  []peer `yaml:"from"`
	To    []peer `yaml:"to"`
	Ports []struct {
		Protocol string `yaml:"protocol"`
		Port     int    `yaml:"port"`
	} `yaml:"ports"`
}

type peer struct {
	NamespaceSelector map[string]any `yaml:"namespaceSelector"`
	PodSelector       map[string]any `yaml:"podSelector"`
}

func (w way) ports() (all []string) {
	for _, p := range w.Ports {
		all = append(all, p.Protocol+" "+strconv.Itoa(p.Port))
	}
	return all
}

func policies(t *testing.T) map[string]networkPolicy {
	t.Helper()
	content, err := os.ReadFile("networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents := yaml.NewDecoder(bytes.NewReader(content))
	documents.KnownFields(true)
	all := map[string]networkPolicy{}
	for {
		var p networkPolicy
		err := documents.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.APIVersion != "networking.k8s.io/v1" || p.Kind != "NetworkPolicy" || all[p.Metadata.Name].Kind != "" {
			t.Errorf("%q is no policy, or stands twice", p.Metadata.Name)
		}
		all[p.Metadata.Name] = p
	}
}

// Nothing goes in or out but by a way that stands there, and each way names its ports.
func TestNetworkPoliciesLetNothingThroughButWhatTheServiceNeeds(t *testing.T) {
	all := policies(t)
	deny := all["deny-all"].Spec
	if len(deny.PodSelector) != 0 || !slices.Equal(deny.PolicyTypes, []string{"Ingress", "Egress"}) || len(deny.Ingress)+len(deny.Egress) != 0 {
		t.Errorf("what is not named is not denied: %+v", deny)
	}
	var in, out []string
	for name, p := range all {
		for _, w := range slices.Concat(p.Spec.Ingress, p.Spec.Egress) {
			if len(w.Ports) == 0 {
				t.Errorf("%s has a way for every port", name)
			}
		}
		for _, w := range p.Spec.Ingress {
			in = append(in, w.ports()...)
			if len(w.From) == 0 && !slices.Equal(w.ports(), []string{"TCP 443"}) {
				t.Errorf("%s lets everybody in, and not by HTTPS alone: %v", name, w.ports())
			}
		}
		for _, w := range p.Spec.Egress {
			out = append(out, w.ports()...)
			for _, to := range w.To {
				if len(to.PodSelector) == 0 {
					t.Errorf("%s lets the service reach every pod", name)
				}
			}
			if len(w.To) == 0 {
				t.Errorf("%s lets the service reach everywhere", name)
			}
		}
	}
	slices.Sort(in)
	slices.Sort(out)
	if !slices.Equal(in, []string{"TCP 443", "TCP 8080"}) {
		t.Errorf("in by %v", in)
	}
	if !slices.Equal(out, []string{"TCP 53", "TCP 5432", "TCP 9092", "TCP 9093", "UDP 53"}) {
		t.Errorf("out by %v", out)
	}
}
