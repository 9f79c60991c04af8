// Package age seals what is given to somebody outside, in the format of age
// (https://age-encryption.org/v1), for the one public key that the request named.
//
// It keeps nothing, and nothing that it seals is ever written down in clear: plain text goes from
// memory through the cipher into memory.
package age

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Sealer implements [usecase.Sealer].
type Sealer struct{}

var _ usecase.Sealer = Sealer{}

// Recipient implements [usecase.Sealer]. The key is one of X25519: age1…
func (Sealer) Recipient(key string) (personal.Text, error) {
	r, err := age.ParseX25519Recipient(strings.TrimSpace(key))
	if err != nil {
		return personal.Text{}, disclosure.ErrNobody // what was typed is not repeated
	}
	return personal.Of(r.String()), nil
}

// document is the plain text of an export.
type document struct {
	Disclosure id.Disclosure       `json:"disclosure"`
	Category   string              `json:"category"`
	Fields     []string            `json:"fields"`
	Made       string              `json:"made"` // RFC 3339
	Records    []map[string]string `json:"records"`
}

// Seal implements [usecase.Sealer].
func (Sealer) Seal(recipient personal.Text, e usecase.Export) ([]byte, error) {
	key, _ := recipient.Reveal()
	to, err := age.ParseX25519Recipient(key)
	if err != nil {
		return nil, disclosure.ErrNobody
	}
	d := document{Disclosure: e.Disclosure, Category: e.Category, Fields: e.Fields, Made: e.Made.UTC().Format(time.RFC3339), Records: make([]map[string]string, 0, len(e.Records))}
	for _, record := range e.Records {
		one := make(map[string]string, len(record))
		for field, value := range record {
			plain, ok := value.Reveal()
			if !ok {
				continue // its key was destroyed while the export was put together
			}
			one[field] = plain
		}
		d.Records = append(d.Records, one)
	}
	var sealed bytes.Buffer
	if err := seal(&sealed, to, d); err != nil {
		return nil, fmt.Errorf("age: %w", err)
	}
	return sealed.Bytes(), nil
}

func seal(w io.Writer, to age.Recipient, d document) error {
	sealing, err := age.Encrypt(w, to)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(sealing).Encode(d); err != nil {
		return err
	}
	return sealing.Close()
}
