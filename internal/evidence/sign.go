package evidence

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/merkle"
)

// ErrSignature says that a receipt is not as it was signed, or that nobody signed it.
var ErrSignature = refusal.New(refusal.Invalid, "receipt.signature",
	"The signature is not right: this receipt was changed, or is not from the log that it names.", "Do not rely on it. Ask the service for it again.")

// signatureMark begins a signature's line in a signed note.
const signatureMark = "— "

// Sign returns a receipt as a C2SP signed note: its text, an empty line, and one signature
// of the newest of its keys. What [Check] would refuse is not signed.
func Sign(r Receipt, key merkle.SigningKey) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: r.Text()}, key)
	if err != nil {
		return nil, fmt.Errorf("evidence: sign a receipt: %w", err)
	}
	if _, err := Check(signed, Known{}); err != nil {
		return nil, fmt.Errorf("evidence: a receipt that would be refused: %w", err)
	}
	return signed, nil
}

// open reads a signed receipt: the signature is the only one, right, and spelled as it was
// written, so that no two files are one receipt.
func open(signed []byte) (Receipt, merkle.Keys, error) {
	if len(signed) > MaxSize {
		return Receipt{}, merkle.Keys{}, ErrForm
	}
	text, rest, ok := cut(string(signed))
	if !ok {
		return Receipt{}, merkle.Keys{}, ErrForm
	}
	r, err := Parse(text)
	if err != nil {
		return Receipt{}, merkle.Keys{}, err
	}
	notes := make([][]byte, len(r.Keys.Rotations))
	for i, n := range r.Keys.Rotations {
		notes[i] = []byte(n)
	}
	keys, err := merkle.FollowKeys(r.Keys.First, notes)
	if err != nil {
		return Receipt{}, merkle.Keys{}, ErrSignature
	}
	signer, err := note.NewVerifier(keys.Newest())
	if err != nil || signer.Name() != r.Log || !signedBy(signer, text, rest) {
		return Receipt{}, merkle.Keys{}, ErrSignature
	}
	return r, keys, nil
}

// cut parts a note at its empty line. A receipt's text has none.
func cut(signed string) (text, signatures string, ok bool) {
	text, signatures, ok = strings.Cut(signed, "\n\n")
	return text + "\n", signatures, ok
}

// signedBy checks the signature's line without any of the freedom that signed notes leave:
// no second signature, no padding bits, nothing behind it.
func signedBy(signer note.Verifier, text, line string) bool {
	encoded, ok := strings.CutPrefix(line, signatureMark+signer.Name()+" ")
	if !ok {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, "\n"))
	if err != nil || base64.StdEncoding.EncodeToString(raw)+"\n" != encoded {
		return false
	}
	n, err := note.Open([]byte(text+"\n"+line), note.VerifierList(signer))
	return err == nil && n.Text == text && len(n.Sigs) == 1 && len(n.UnverifiedSigs) == 0
}
