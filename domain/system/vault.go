// Package system holds the facts that the service records about itself: of the vault
// (vault.go), of retention (retention.go), of audits, checks and attestations (audit.go), of models
// (model.go), of where data is (region.go), of projections (projection.go) and of the log's keys (log.go).
//
// About keys it decides nothing; whoever destroys one appends the fact that says so, in the same transaction.
package system

import (
	"strings"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// KeyDestroyed says that nothing sealed under Key can be read again, by anybody.
type KeyDestroyed struct {
	Key personal.KeyID `json:"key"`
	Why string         `json:"why"` // "image.deleted"
}

// EventName implements [event.Fact].
func (KeyDestroyed) EventName() event.Name { return "vault.key_destroyed.v1" }

// KeyResurrectionFound says that the vault held Key alive although the record has it
// destroyed, as after the return of an old backup, and that it was destroyed again.
type KeyResurrectionFound struct {
	Key personal.KeyID `json:"key"`
}

// EventName implements [event.Fact].
func (KeyResurrectionFound) EventName() event.Name { return "vault.key_resurrection_found.v1" }

// BecauseResurrected stands in the tombstone of a key that came back and was destroyed again.
const BecauseResurrected = "vault.key_resurrection_found"

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind {
	return []event.Kind{
		event.KindOf[KeyDestroyed](), event.KindOf[KeyResurrectionFound](),
		event.KindOf[ProjectionSkipped](), event.KindOf[ProjectionSkipWithdrawn](), event.KindOf[ProjectionCertified](),
		event.KindOf[LogKeyRotated](),
		event.KindOf[RetentionPurged](), event.KindOf[RetentionStalled](), event.KindOf[RetentionResumed](),
		event.KindOf[HoldProposed](), event.KindOf[HoldReleaseProposed](), event.KindOf[HoldPlaced](), event.KindOf[HoldReleased](), event.KindOf[ClockJumpNoticed](), event.KindOf[ClockJumpConfirmed](),
		event.KindOf[AuditCompleted](), event.KindOf[AuditCheckPassed](), event.KindOf[AuditCheckFailed](),
		event.KindOf[AttestationMade](), event.KindOf[AttestationWithdrawn](),
		event.KindOf[ModelLoaded](), event.KindOf[ModelRefused](),
		event.KindOf[RegionDeclared](), event.KindOf[TransferDecided](),
	}
}

// KeyKind returns what kind of subject a key belongs to: the first part of its id.
func KeyKind(key personal.KeyID) string {
	kind, _, _ := strings.Cut(string(key), "/")
	return kind
}

// VaultStream returns the stream of the facts about one key.
func VaultStream(key personal.KeyID) event.Stream {
	_, random, _ := strings.Cut(string(key), "/")
	return event.Stream("vault/" + random)
}
