package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/policies"
)

// Whoever starts the service for the first time learns what is set, and what nobody has said yet.
func TestWelcomeSaysWhatIsNotSet(t *testing.T) {
	t.Parallel()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 90 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{cfg: config.Serve{DeleteAfter: 90 * time.Minute}, policy: rules, address: "http://127.0.0.1:8080"}
	s.cfg.Data, s.model.passport.Name = "/srv/data", "u2net"
	s.cfg.Operator = config.Operator{Name: "Example Ltd", Region: "Frankfurt"}

	said := s.welcome()
	if !strings.HasPrefix(said, "bgremover is ready on http://127.0.0.1:8080\n") {
		t.Errorf("programs look for the first line: %s", said)
	}
	for _, want := range []string{
		"everything in /srv/data; photos for 1.5 hours at most", "u2net", "http://127.0.0.1:8080/promises",
		"--operator-address, --operator-contact, --operator-authority: http://127.0.0.1:8080/privacy says so", "bgremover officer link",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%s\nlacks %q", said, want)
		}
	}

	s.cfg.Operator = config.Operator{Name: "a", Address: "b", Region: "c", Contact: "d", Authority: "e"}
	if said := s.welcome(); strings.Contains(said, "not set") {
		t.Errorf("all is set, and %s", said)
	}
}
