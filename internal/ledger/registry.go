package ledger

import (
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/incident"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
)

// Facts returns every kind of fact that this build knows. For each there is a sample in
// testdata/facts that is never edited.
func Facts() *event.Registry {
	return event.NewRegistry(
		image.Kinds(), visit.Kinds(), disclosure.Kinds(), incident.Kinds(), policy.FactKinds(), staff.Kinds(), system.Kinds(),
	)
}
